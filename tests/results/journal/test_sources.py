"""Reading the journals of a report: which files a name means, and what is wrong with each."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.results import samples, warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.journal_file import HEADER, JournalError, line_of
from whisper_speedtest.results.journal.sources import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whisper_speedtest.measure.result import Result


def journal(path: Path, *results: Result, rest: bytes = b"") -> Path:
    """Write a journal with these results, and with something behind them."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(HEADER + b"".join(map(line_of, results)) + rest)
    return path


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A folder with the journals b, a and sub/c of a test each, and a file that is none."""
    for name in ("b", "a", "sub/c"):
        journal(tmp_path / f"{name}.jsonl", warm(test=name))
    (tmp_path / "notes.txt").write_text("no journal", encoding="utf-8")
    return tmp_path


def measured_in(*names: str | Path) -> list[str]:
    """Return the tests whose results these names give."""
    return [each.test for each in read_all([str(name) for name in names]).results]


def test_name_is_a_file_a_folder_or_a_pattern(folder: Path) -> None:
    """The journals of a report are named by files, folders or patterns.

    A folder stands for the journals in it, by name, but not for those of folders in it; `**` takes
    these.
    """
    assert measured_in(folder / "b.jsonl") == ["b"]
    assert measured_in(folder / "b.jsonl", folder / "a.jsonl") == ["b", "a"]
    assert measured_in(folder) == ["a", "b"]
    assert measured_in(f"{folder}/*.jsonl") == ["a", "b"]
    assert measured_in(f"{folder}/**/*.jsonl") == ["a", "b", "sub/c"]
    assert measured_in(f"{folder}/[bc].jsonl") == ["b"]
    assert read_all([str(folder)]).count == 2


def test_file_that_is_named_twice_is_read_once(folder: Path) -> None:
    """A journal that is named twice, by its own name and by its folder's, is read once."""
    found = read_all([str(folder / "a.jsonl"), str(folder), str(folder / "a.jsonl")])

    assert [each.test for each in found.results] == ["a", "b"]
    assert (found.count, found.remarks) == (2, ())


def test_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    """A journal whose name looks like a pattern is taken for the file that it is."""
    assert measured_in(journal(tmp_path / "[a].jsonl", warm(test="odd"))) == ["odd"]


def test_home_is_what_the_shell_takes_it_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leading `~` in a journal's name is the home folder, and an unknown user's is refused.

    The shell does not see the tilde behind an equals sign.
    """
    monkeypatch.setenv("HOME", str(folder))

    assert measured_in("~/a.jsonl") == ["a"]
    assert measured_in("~/s*/*.jsonl") == ["sub/c"]
    with pytest.raises(JournalError, match="expected `~` to name a home folder, got '~nobody-at-"):
        read_all(["~nobody-at-all/a.jsonl"])


def test_journals_without_results_are_named(tmp_path: Path, folder: Path) -> None:
    """Journals without results, and lines that were cut, are named and cost no other journal."""
    empty = journal(tmp_path / "empty.jsonl")
    nothing = tmp_path / "nothing.jsonl"
    nothing.write_bytes(b"")
    cut = journal(tmp_path / "cut.jsonl", warm(test="cut"), rest=b'{"version": 2, "te')

    found = read_all([str(each) for each in (empty, nothing, cut, folder / "a.jsonl")])

    assert [each.test for each in found.results] == ["cut", "a"]
    assert found.remarks == (
        f"{empty}: it holds no result",
        f"{nothing}: it holds no result",
        f"{cut}: 18 bytes of a line that was cut are left out",
    )


def test_journals_without_any_result_make_no_report(tmp_path: Path) -> None:
    """Where no journal has a result, all of them are named and no report is made."""
    one, other = journal(tmp_path / "one.jsonl"), journal(tmp_path / "other.jsonl")

    with pytest.raises(JournalError) as raised:
        read_all([str(one), str(other)])
    assert str(raised.value) == (
        f"{one}, {other}: expected a journal with results, got none; run the benchmarks, or name "
        "another"
    )


def test_name_that_means_nothing_is_refused(tmp_path: Path) -> None:
    """A folder without journals, or a pattern of none, is refused with what to write instead."""
    for name, got in {
        str(tmp_path): "none in that folder",
        f"{tmp_path}/*.jsonl": "nothing that it matches",
    }.items():
        expected = f"{name}: expected journals, *.jsonl, got {got}; write --from=FILE, once for"
        with pytest.raises(JournalError, match=f"^{re.escape(expected)}"):
            read_all([name])


def test_folder_that_may_not_be_looked_into_is_told_as_such(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of journals that may not be looked into is refused with that reason.

    It may be named itself, or by a file or a pattern in it.
    """
    stat, folders = type(folder).stat, type(folder).iterdir

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    def stat_of(path: Path, **options: bool) -> os.stat_result:
        if path.parent.name == "sub":
            denied(path)
        return stat(path, **options)

    def inside(path: Path) -> Iterator[Path]:
        if path.name == "sub":
            denied(path)
        return folders(path)

    monkeypatch.setattr(type(folder), "stat", stat_of)
    monkeypatch.setattr(type(folder), "iterdir", inside)
    for name in ("is_dir", "exists"):  # which raise nothing from Python 3.14 on
        monkeypatch.setattr(type(folder), name, lambda path: os.path.lexists(str(path)))

    for name in ("sub", "sub/c.jsonl", "sub/*.jsonl"):
        assert refusal(folder / name).startswith(
            f"{folder / name}: expected a journal that can be read, got Permission denied; write "
        )


def refusal(name: str | Path) -> str:
    """Return what is said of a name."""
    with pytest.raises(JournalError) as raised:
        read_all([str(name)])
    return str(raised.value)


def test_file_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    """A journal that is not there is refused, and the message names some that are.

    These are those of like names, or else the last ones by name, also in the folder of journals
    below.
    """
    missing = tmp_path / "2026-11-27.jsonl"
    expected = f"{missing}: expected a journal, got nothing of that name"

    assert refusal(missing).startswith(
        f"{expected}, and no other journal in {tmp_path}; write --from="
    )
    days = [journal(tmp_path / f"2026-11-{day}.jsonl", warm()) for day in (24, 25, 26)]
    journal(tmp_path / "zzz.jsonl", warm())
    near = ", ".join(map(str, reversed(days)))
    assert refusal(missing).startswith(f"{expected}; there are {near} and 1 other; write --from=")
    below = journal(tmp_path / "journals" / "zzzz.jsonl", warm())
    odd = refusal(tmp_path / "q.jsonl")
    assert f"there are {days[2]}, {tmp_path}/zzz.jsonl, {below} and 2 others;" in odd
    nowhere = tmp_path / "no" / "such.jsonl"
    assert refusal(nowhere).startswith(
        f"{nowhere}: expected a journal, got no folder {tmp_path}/no; write --from="
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# a text\n", "line 1: expected the first line of a journal"),
        (HEADER.replace(b'"version": 1', b'"version": 9'), "another version of this suite wrote"),
        (HEADER + line_of(warm())[:90] + b"\n", "line 2: expected a result as JSON"),
        (HEADER + b'{"version": 1}\n', "line 2: expected a result of version 2"),
        (HEADER + b'{"version": 2}\n', "line 2: expected a result (Object missing"),
    ],
    ids=["a text", "version", "cut in the middle", "version of a result", "no result"],
)
def test_file_that_is_no_whole_journal_is_refused(
    folder: Path, content: bytes, message: str
) -> None:
    """A file that is no whole journal is refused by name and line, whatever else is named.

    A part of a report would look like all of it.
    """
    damaged = folder / "c.jsonl"
    damaged.write_bytes(content)

    with pytest.raises(JournalError, match=re.escape(f"{damaged}, line")) as raised:
        read_all([str(folder)])
    assert message in str(raised.value)


def test_time_of_nothing_is_damage(tmp_path: Path) -> None:
    """A journal with a sample of 0 s is damaged, unless its test failed.

    No call takes no time, and no share of it can be computed.
    """
    damaged = journal(tmp_path / "a.jsonl", warm(test="t", samples=samples(0.0, 1.0)))

    with pytest.raises(JournalError) as raised:
        read_all([str(damaged)])
    assert str(raised.value) == (
        f"{damaged}: t: expected samples of more than 0 s, got one of 0 s; the file is damaged: "
        "name another"
    )
    failed = warm(test="t", outcome=Outcome.FAILED, samples=samples(0.0))
    assert measured_in(journal(tmp_path / "b.jsonl", failed)) == ["t"]
