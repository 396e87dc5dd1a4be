"""How the values of the suite's options are read."""

from __future__ import annotations

import argparse
import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from _pytest.config.argparsing import Parser

from tests.helpers.fake_session import FakeSession
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.session import gpu
from whisper_speedtest.session.beginning import refuse_absent_gpu
from whisper_speedtest.session.choice.options import (
    LAST_JOURNAL,
    given,
    is_head_to_head,
    max_download,
    minutes_of,
    pytest_addoption,
    rules_of,
    why_no_limit,
)
from whisper_speedtest.session.choice.values import (
    Shard,
    parse_checks,
    parse_share,
    parse_size,
)

FROM_1 = "a whole number from 1 to 999999"


def parsed(*arguments: str) -> dict[str, object]:
    """Return what a command line comes to, or raise its usage error."""
    parser = Parser(_ispytest=True)
    pytest_addoption(parser)
    return vars(parser.parse_known_args(arguments))


def test_options_that_are_not_given_ask_for_a_usual_session() -> None:
    """By default a session runs on the GPU if that works, online, and without recordings."""
    options = parsed()

    assert options["device"] == "auto"
    assert options["audio"] == []
    assert options["check_models"] is None
    assert (options["prefetch_only"], options["offline"]) == (False, False)
    assert options["max_download"] is None
    assert (options["processes"], options["calls"], options["budget"]) == (None, None, None)
    assert options["max_others"] == 0.1
    assert (options["pause"], options["cold_files"], options["cooldown"]) == (None, False, 0.0)
    assert (options["journal"], options["resume"], options["private"]) == (None, None, False)
    assert (options["corpus"], options["language"]) == ([], None)
    assert (options["report"], options["from_journals"], options["shard"]) == (None, [], None)
    assert (options["head_to_head"], options["baseline"], options["against"]) == (False, None, None)
    assert (options["fail_slower"], options["minutes"]) == (None, None)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ([], True),
        (["--check-models=load"], True),
        (["--check-models=load,json"], True),
        (["--check-models"], False),
        (["--check-models=json"], False),
        (["--prefetch-only"], False),
        (["--collect-only"], False),
        (["--device=cpu"], False),
        (["--device=auto"], False),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else str(each),
)
def test_session_that_computes_nothing_needs_no_gpu(
    monkeypatch: pytest.MonkeyPatch, options: list[str], *, refused: bool
) -> None:
    """A session that computes nothing accepts --device=gpu on a machine without a GPU."""
    monkeypatch.setattr(gpu, "has_no_gpu", lambda: True)
    given_options = parsed("--device=gpu", *options)
    given_options["collectonly"] = "--collect-only" in options
    config = cast("pytest.Config", SimpleNamespace(getoption=given_options.__getitem__))

    with pytest.raises(pytest.UsageError) if refused else nullcontext():
        refuse_absent_gpu(config)


def test_options_are_read_under_their_names() -> None:
    """Each option is read under its own name, with a value where it takes one."""
    options = parsed(
        *("--device=cpu", "--audio=a.wav", "--audio", "b", "--prefetch-only", "--offline"),
        *("--max-download", "500MB", "--check-models"),
    )

    assert options["device"] == "cpu"
    assert options["audio"] == [Path("a.wav"), Path("b")]
    assert (options["prefetch_only"], options["offline"]) == (True, True)
    assert (options["max_download"], options["check_models"]) == (500_000_000, frozenset())
    assert parsed("--corpus=a", "--corpus", "b")["corpus"] == [Path("a"), Path("b")]
    assert parsed("--language", "DE")["language"] == "de"
    assert parsed("--check-models=json,load")["check_models"] == {"load", "json"}
    assert parsed("--device", "gpu")["device"] == "gpu"
    numbers = parsed("--processes=5", "--calls", "2", "--budget=1.5", "--max-others=inf")
    assert (numbers["processes"], numbers["calls"], numbers["budget"]) == (5, 2, 1.5)
    assert numbers["max_others"] is None
    assert parsed("--pause=0")["pause"] == 0.0
    assert parsed("--pause", "2.5")["pause"] == 2.5
    assert parsed("--cold-files")["cold_files"] is True
    reports = parsed("--report=out", "--from=a", "--from", "b", "c", "--shard=2/5")
    assert (reports["report"], reports["from_journals"]) == (Path("out"), ["a", "b", "c"])
    assert reports["shard"] == Shard(2, 5)
    sides = parsed("--head-to-head", "--baseline=a-b-c", "--fail-slower=5%", "--minutes=2.5")
    assert (sides["head_to_head"], sides["baseline"]) == (True, "a-b-c")
    assert (sides["fail_slower"], sides["minutes"]) == (0.05, 2.5)
    assert parsed("--against=../main:python3.12")["against"] == "../main:python3.12"


@pytest.mark.parametrize(
    ("option", "texts", "expected"),
    [
        ("--processes", ("0", "-1", "2.5", "", "many", "\u0663"), FROM_1),
        ("--calls", ("0", "1e3", " 3", "3\n", "1000000", "9" * 5000), FROM_1),
        ("--audio", ("",), "a path"),
        ("--journal", ("",), "a path"),
        ("--resume", ("",), "a path"),
        ("--report", ("",), "a path"),
        ("--corpus", ("",), "a path"),
        ("--from", ("",), "a value"),
        ("--baseline", ("",), "a value"),
        ("--against", ("",), "a value"),
        ("--budget", ("0", "-1", "inf", "nan", "20s"), "seconds, more than 0"),
        ("--pause", ("-1", "inf", "nan", "5s"), "seconds, at least 0"),
        (
            "--shard",
            ("0/5", "6/5", "2", "2/", "a/b", "-1/5", "1/0", "2 / 5", "1/5/9", "\u0663/5"),
            "K/N with K from 1 to N, as 2/5 for the second of five parts",
        ),
        ("--minutes", ("0", "-1", "inf", "nan", "5m"), "minutes, more than 0"),
        ("--fail-slower", ("-1%", "nan", "inf%", "five", "%", ""), "a percentage such as 5%"),
        ("--max-others", ("-0.1", "nan", "none"), "processors, at least 0, or inf"),
    ],
)
def test_number_that_makes_no_sense_is_refused(
    option: str, texts: tuple[str, ...], expected: str
) -> None:
    """A value that makes no sense is refused with what was expected and what was given."""
    for text in texts:
        with pytest.raises(
            pytest.UsageError, match=re.escape(f"expected {expected}, got {text!r}")
        ):
            parsed(f"{option}={text}")


def test_language_that_is_none_is_refused_with_the_one_that_was_meant() -> None:
    """A code of no language is refused, with the language that may have been meant."""
    assert parsed("--language=de")["language"] == "de"
    for text, hint in (("German", r"; did you mean de \(German\)\?"), ("xx", ""), ("", "")):
        with pytest.raises(pytest.UsageError, match=rf"expected the code .+ got '{text}'{hint}"):
            parsed(f"--language={text}")


@pytest.mark.parametrize("name", ["audio", "corpus", "journal", "resume", "report"])
def test_home_folder_is_expanded_in_every_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `~` that begins a path of an option is replaced by the home folder, or refused."""
    monkeypatch.setenv("HOME", "/home/of-jane")

    found = parsed(f"--{name}=~/talk")[name]

    assert found in (Path("/home/of-jane/talk"), [Path("/home/of-jane/talk")])
    with pytest.raises(pytest.UsageError, match="expected `~` to name a home folder, got '~nobody"):
        parsed(f"--{name}=~nobody-here/talk")


def test_counts_with_which_times_can_be_reckoned_are_taken() -> None:
    """Numbers of processes and calls from 1 to 999999 are accepted."""
    assert parsed("--processes=1", "--calls=999999")["calls"] == 999_999
    assert parsed("--processes=007")["processes"] == 7


def test_others_may_be_allowed_nothing_or_anything() -> None:
    """The processors that others may take can be 0, a part of one, or without limit."""
    assert parsed("--max-others=0")["max_others"] == 0.0
    assert parsed("--max-others=0.25")["max_others"] == 0.25
    assert parsed("--max-others=inf")["max_others"] is None


@dataclass(frozen=True)
class Config:
    """The config of a session in which some options were given."""

    options: dict[str, object]
    setting: str = "300"
    """The setting timeout of pyproject.toml."""

    def getini(self, name: str) -> str:
        """Return the setting."""
        assert name == "timeout"
        return self.setting

    def getoption(self, name: str, default: object = None) -> object:
        """Return the option's value."""
        return self.options.get(name, default)


def test_comparison_has_ten_minutes_unless_the_user_says_otherwise() -> None:
    """A comparison has ten minutes unless the user chooses another number."""
    assert minutes_of(FakeSession().as_config) == 10.0
    assert minutes_of(FakeSession(minutes=2.5).as_config) == 2.5


def test_options_are_given_where_they_ask_for_something() -> None:
    """An option counts as given if it is a set flag, a list with entries, or a value but 0."""
    session = FakeSession(
        cold_files=True, corpus=[Path("a")], pause=0.5, resume=Path(), check_models=frozenset()
    )
    asked = ["--pause", "--resume", "--corpus", "--check-models", "--cold-files"]

    assert given(session.as_config, asked) == asked
    assert given(session.as_config, ["--offline", "--calls", "--baseline"]) == []
    assert given(FakeSession(pause=0.0).as_config, asked) == []


def rules(**options: object) -> Rules:
    """Return the rules of a session with these options."""
    usual = dict.fromkeys(("processes", "calls", "budget", "pause")) | {"max_others": 0.1}
    return rules_of(cast("pytest.Config", Config(usual | options)))


def test_rules_of_a_session_are_those_of_its_options() -> None:
    """The rules of a session are those of its options, and by default those of the suite."""
    assert rules() == Rules()
    assert rules(processes=5, calls=2, budget=1.5, max_others=None, pause=0.5) == Rules(
        processes=5, calls=2, budget=1.5, max_others=None, pause=0.5
    )
    assert rules(pause=0.0) == Rules(pause=0.0), "no call after a pause, also on a GPU"


@pytest.mark.parametrize(
    ("option", "variable", "limit"),
    [(None, "", None), (7.0, "", 7.0), (None, "5", 5.0), (7.0, "5", 7.0), (0.0, "5", 0.0)],
    ids=["neither", "option", "variable", "both", "no limit"],
)
def test_limit_that_a_user_chose_is_known(
    option: float | None, variable: str, limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's time limit is that of the option --timeout, or else of PYTEST_TIMEOUT."""
    monkeypatch.setenv("PYTEST_TIMEOUT", variable)

    assert rules(timeout=option).timeout == limit


@pytest.mark.parametrize("text", ["abc", "", "nan", "inf", "-1", "1e300", "1.1e9", "1e-4", "1,5"])
def test_time_limit_that_no_timer_takes_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time limit that no timer takes is refused, with the name of where it was given."""
    expected = "expected seconds from 0.001 to 1e+09, or 0 for no limit, got"

    by_setting = why_no_limit(cast("pytest.Config", Config({}, setting=text)))
    monkeypatch.setenv("PYTEST_TIMEOUT", text)
    by_variable = why_no_limit(cast("pytest.Config", Config({})))
    monkeypatch.delenv("PYTEST_TIMEOUT")

    said = f"the setting timeout: {expected} {text!r}; correct it, or leave it out"
    assert by_setting == (said if text else ""), "a setting that nobody has made is empty"
    assert by_variable == f"PYTEST_TIMEOUT: {expected} {text!r}; correct it, or leave it out"
    if (number := _float(text)) is not None:
        reason = why_no_limit(cast("pytest.Config", Config({"timeout": number})))
        assert reason == f"--timeout: {expected} {str(number)!r}; correct it, or leave it out"


def _float(text: str) -> float | None:
    """Return the number that an option of that text has, which else pytest-timeout refuses."""
    try:
        return float(text)
    except ValueError:
        return None


@pytest.mark.parametrize("text", ["0", "0.0", "0.001", "1", "300", "1e9"])
def test_time_limit_that_a_timer_takes_is_taken(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit from 0.001 s to 1e9 s, or 0 for none, is accepted wherever it is given."""
    monkeypatch.setenv("PYTEST_TIMEOUT", text)
    config = Config({"timeout": float(text)}, setting=text)

    assert why_no_limit(cast("pytest.Config", config)) == ""


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
    """A size is read with a decimal unit of powers of 1000 or a binary one of powers of 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4", "4XB", "GB", "-1GB", "1iB", "4 GB free", "1e9", "1.GB"])
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    """A text that is no size is refused with an example of one and the text itself."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"1.5GiB, got {re.escape(repr(text))}"):
        parse_size(text)


@pytest.mark.parametrize(("chosen", "size"), [(None, 4_000_000_000), (0, 0), (5, 5)])
def test_no_more_than_four_gigabytes_are_downloaded_unless_asked_for(
    chosen: int | None, size: int
) -> None:
    """At most 4 GB are downloaded unless the user chooses another limit, which may be 0."""
    config = SimpleNamespace(getoption={"max_download": chosen}.__getitem__)

    assert max_download(cast("pytest.Config", config)) == size


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
    """--check-models takes the names of checks, joined by commas in any order."""
    assert parse_checks(text) == checks


@pytest.mark.parametrize("text", ["", "loads", "load json", "json,", "table", "benchmarks"])
def test_what_is_no_check_is_refused_with_all_there_are(text: str) -> None:
    """A value that names no check is refused with all checks, and with where a path goes."""
    expected = f"--check-models=load,json, got {text!r}; a path goes before it"
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(expected)):
        parse_checks(text)


def test_journals_are_files_and_resume_may_stand_alone() -> None:
    """Journals are given as files, and --resume alone means the last journal."""
    options = parsed("--journal=a.jsonl", "--resume", "--private")

    assert options["journal"] == Path("a.jsonl")
    assert options["resume"] is LAST_JOURNAL
    assert options["private"] is True
    assert parsed("--resume=b.jsonl")["resume"] == Path("b.jsonl")
    assert parsed("--resume", ".")["resume"] is not LAST_JOURNAL, (
        "a folder is taken for no value at all"
    )


@pytest.mark.parametrize(
    ("text", "share"),
    [("5%", 0.05), ("5", 0.05), ("2.5%", 0.025), ("0.5%", 0.005), ("0", 0.0), ("1", 0.01)],
)
def test_percentage_is_read_with_and_without_its_sign(text: str, share: float) -> None:
    """A percentage is read with or without its sign, as a share of 1."""
    assert parse_share(text) == share


def test_small_number_without_its_sign_is_refused() -> None:
    """A small number without a percent sign is refused, as it may be a share or a percentage."""
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        parse_share("0.05")

    assert str(refused.value) == "expected a percentage such as 5%, got '0.05'; write 5% or 0.05%"


@pytest.mark.parametrize(
    ("options", "turns"),
    [
        ([], False),
        (["--baseline=old.jsonl"], False),
        (["--head-to-head"], True),
        (["--against=."], True),
    ],
)
def test_another_side_is_asked_for_by_two_options(options: list[str], *, turns: bool) -> None:
    """--head-to-head and --against let two sides take turns, and --baseline alone does not."""
    assert is_head_to_head(cast("pytest.Config", Config(parsed(*options)))) is turns
