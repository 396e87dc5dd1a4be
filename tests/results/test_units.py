"""Quantities for people: three digits that count, and the right unit."""

from __future__ import annotations

import re

import pytest

from whisper_speedtest.results.units import (
    counted,
    margin,
    megabytes,
    percent,
    rtfx,
    seconds,
    times,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3599.6, "3,600 s"),
        (100.0, "100 s"),
        (99.94, "99.9 s"),
        (12.0, "12.0 s"),
        (10.0, "10.0 s"),
        (9.994, "9.99 s"),
        (1.0, "1.00 s"),
        (0.9994, "999 ms"),
        (0.0871, "87.1 ms"),
        (0.001, "1.00 ms"),
        (0.000999, "999 µs"),
        (0.000064, "64.0 µs"),
        (0.0, "0.00 µs"),
    ],
)
def test_times_have_three_digits_and_their_unit(value: float, text: str) -> None:
    """A time is shown in three digits, from 1 s on as s, from 1 ms on as ms, else as µs."""
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 MB"), (499_999, "0 MB"), (1_048_576, "1 MB"), (324_600_000, "325 MB")],
)
def test_sizes_are_in_millions_of_bytes(size: int, text: str) -> None:
    """A MB is 1,000,000 bytes, not 1,048,576."""
    assert megabytes(size) == text
    assert megabytes(1_048_576_000) == "1,049 MB"


def test_shares_are_in_percent() -> None:
    """A share is shown in per cent: a whole is 100 %."""
    assert percent(1.0) == "100%"
    assert percent(0.0421) == "4%"
    assert percent(0.0421, 1) == "4.2%"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "±0.0%"), (0.0214, "±2.1%"), (1.0, "±100.0%"), (1.001, ">±100%"), (679.7, ">±100%")],
)
def test_margin_over_the_whole_is_told_as_no_more_than_that(share: float, text: str) -> None:
    """A margin over 100 % is shown as `>±100%`, since a number would seem to say something."""
    assert margin(share) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.0, "1.00"),
        (1.049, "1.05"),
        (1.05, "1.1"),
        (1.66, "1.7"),
        (12.0, "12.0"),
        (99.94, "99.9"),
        (100.0, "100"),
        (5280.7, "5,281"),
    ],
)
def test_ratio_near_1_has_a_decimal_more(ratio: float, text: str) -> None:
    """A ratio below 1.05 is shown with two decimals, as `1.0` would hide that it is not 1."""
    assert times(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1297.46, "1,297.5"),
        (12.0, "12.0"),
        (1.0, "1.0"),
        (0.996, "1.00"),
        (0.1, "0.10"),
        (0.0564, "0.056"),
    ],
)
def test_rtfx_of_what_is_slower_than_speech_has_the_digits_that_tell(
    value: float, text: str
) -> None:
    """An RTFx below 1 is shown with two digits that count.

    With one decimal, 0.06 would be twice as fast as it is, and 0.04 would be 0.
    """
    assert rtfx(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 results"), (1, "1 result"), (2, "2 results"), (2000, "2,000 results")],
)
def test_one_thing_alone_is_named_without_an_s(number: int, text: str) -> None:
    """One thing alone is named in the singular, and none or several in the plural."""
    assert counted(number, "result") == text


@pytest.mark.property
def test_times_can_be_read_back() -> None:
    """A printed time is within half a per cent of the real one, in the unit that it says."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}

    @settings(deadline=None)
    @given(st.floats(1e-6, 1e4))
    def hold(value: float) -> None:
        match = re.fullmatch(r"([\d.]+) (s|ms|µs)", seconds(value).replace(",", ""))
        assert match is not None
        assert float(match[1]) * units[match[2]] == pytest.approx(value, rel=0.0051)

    hold()
