"""How the values of the suite's options are read."""

from __future__ import annotations

import argparse
import re

import pytest

from whisper_speedtest.session.options import MAX_DOWNLOAD, parse_checks, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500MB", 500_000_000),
        ("4GB", 4_000_000_000),
        ("1.5GiB", 1_610_612_736),
        ("1KiB", 1024),
        ("2g", 2_000_000_000),
        ("3T", 3_000_000_000_000),
        ("10 kB", 10_000),
        (" 7b ", 7),
        ("0", 0),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    """Decimal units are powers of 1000, binary ones of 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4XB", "GB", "-1GB", "1iB", "4 GB free", "1e9", "1.GB"])
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    """The usage error shows how a size is written, and what was got."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"1.5GiB, got {re.escape(repr(text))}"):
        parse_size(text)


def test_no_more_than_four_gigabytes_are_downloaded_unless_asked_for() -> None:
    """The default is written as a user would write it."""
    assert parse_size(MAX_DOWNLOAD) == 4_000_000_000


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("load", {"load"}),
        ("json", {"json"}),
        ("load,json", {"load", "json"}),
        ("json,load", {"load", "json"}),
    ],
)
def test_checks_are_joined_by_a_comma_in_any_order(text: str, checks: set[str]) -> None:
    """Each is asked for by its name."""
    assert parse_checks(text) == checks


@pytest.mark.parametrize("text", ["", "loads", "load json", "json,", "table", "benchmarks"])
def test_what_is_no_check_is_refused_with_all_there_are(text: str) -> None:
    """Most likely it is a path that was written behind the option."""
    expected = f"--check-models=load,json, got {text!r}; a path goes before it"
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(expected)):
        parse_checks(text)
