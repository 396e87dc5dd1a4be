"""How the values of the suite's options are read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from _pytest.config.argparsing import Parser

from whisper_speedtest.session.options import (
    MAX_DOWNLOAD,
    parse_checks,
    parse_size,
    pytest_addoption,
)


def parsed(*arguments: str) -> dict[str, object]:
    """Return what a command line comes to, or raise its usage error."""
    parser = Parser(_ispytest=True)
    pytest_addoption(parser)
    return vars(parser.parse_known_args(arguments))


def test_options_that_are_not_given_ask_for_a_usual_session() -> None:
    """On the GPU where that works, with no recordings, online, and with no check."""
    options = parsed()

    assert options["device"] == "auto"
    assert options["audio"] == []
    assert options["check_models"] is None
    assert (options["prefetch_only"], options["offline"]) == (False, False)
    assert options["max_download"] == 4_000_000_000


def test_options_are_read_under_their_names() -> None:
    """--check-models may stand alone; --audio may be given several times."""
    options = parsed(
        *("--device=cpu", "--audio=a.wav", "--audio", "b", "--prefetch-only", "--offline"),
        *("--max-download", "500MB", "--check-models"),
    )

    assert options["device"] == "cpu"
    assert options["audio"] == [Path("a.wav"), Path("b")]
    assert (options["prefetch_only"], options["offline"]) == (True, True)
    assert (options["max_download"], options["check_models"]) == (500_000_000, frozenset())
    assert parsed("--check-models=json,load")["check_models"] == {"load", "json"}
    assert parsed("--device", "gpu")["device"] == "gpu"


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
