"""Numbers of bytes, for people and for options: units are powers of 1000."""

from __future__ import annotations

import pytest

from whisper_speedtest.common.text import flag, human, short
from whisper_speedtest.session.choice.values import parse_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1023, "1.0 kB"),
        (1500, "1.5 kB"),
        (999_949, "999.9 kB"),
        (1_000_000, "1.0 MB"),
        (1_048_576, "1.0 MB"),
        (123_456_789, "123.5 MB"),
        (1_000_000_000, "1.0 GB"),
        (4_010_000_000, "4.0 GB"),
        (1_000_000_000_000, "1.0 TB"),
        (10**18, "1000000.0 TB"),
    ],
)
def test_people_read_a_number_with_one_decimal(size: int, text: str) -> None:
    """People read a number of bytes in its largest unit with one decimal."""
    assert human(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0kB"),
        (1, "1kB"),
        (1000, "1kB"),
        (1001, "2kB"),
        (999_999, "1000kB"),
        (1_000_000, "1.0MB"),
        (1_000_001, "1.1MB"),
        (2_100_000, "2.1MB"),
        (4_010_000_000, "4.1GB"),
        (1_000_000_000_000, "1.0TB"),
        (1_000_000_000_001, "1.1TB"),
    ],
)
def test_option_is_rounded_up_so_that_it_suffices(size: int, text: str) -> None:
    """A size in a message is rounded up, so that it suffices as an option."""
    assert flag(size) == text
    assert parse_size(text) >= size


@pytest.mark.property
def test_every_option_suffices_and_is_no_more_than_a_tenth_of_its_unit_too_large() -> None:
    """A size for an option suffices, and is at most a tenth or 1 kB too large."""
    from hypothesis import given
    from hypothesis import strategies as st

    @given(st.integers(0, 10**16))
    def check(size: int) -> None:
        read = parse_size(flag(size))
        assert size <= read <= size + max(1000, size // 10)

    check()


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("x" * 10, "x" * 10),
        ("x" * 11, "x" * 10 + "…"),
        ("two\n lines\t", "two lines"),
        (" " * 30 + "late", "late"),
        (" " * 40 + "too late", ""),
        ("", ""),
        ("\x1b[31mred\a", "?[31mred?"),
        ("\u200b\u202e\udcff\0", "????"),
        ("Ünï 文", "Ünï 文"),
    ],
    ids="whole one-more lines indented far empty orders unseen letters".split(),
)
def test_quotation_is_bounded_and_on_one_line(text: str, quoted: str) -> None:
    """A quotation is one line of bounded length, without control characters or unseen ones."""
    assert short(text, 10) == quoted
    assert len(short("x" * 10**6)) == 201
