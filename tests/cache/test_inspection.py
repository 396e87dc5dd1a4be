"""One word for what was found of a file, and one for all files of a model."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from adapters.base import ModelFiles
from whisper_speedtest.cache.evidence import RemoteFile
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.inspection import CachedFile, FileState, Finding, Inspection
from whisper_speedtest.cache.model import VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = ModelFiles("org/model", ("a", "b"), "v1")
COMMIT = "c" * 40


def finding(name: str, state: FileState = "complete", size: int | None = 10) -> Finding:
    """Return what a look at one file may have found."""
    proof = None if size is None else Proof(size, "5" * 64)
    reason = "" if state == "complete" else f"{name}: {state}"
    return Finding(name, state, Path(name), "e" * 40, proof, reason)


def inspection(*states: FileState) -> Inspection:
    """Return an inspection of files in these states."""
    found = {f"file-{n}": finding(f"file-{n}", state) for n, state in enumerate(states)}
    return Inspection(FILES, COMMIT, found)


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (["complete"], "complete"),
        (["complete", "complete"], "complete"),
        (["missing"], "missing"),
        (["complete", "missing"], "incomplete"),
        (["complete", "corrupt"], "corrupt"),
        (["missing", "corrupt"], "corrupt"),
        (["complete", "missing", "corrupt"], "corrupt"),
        (["complete", "other model"], "other model"),
        (["missing", "other model"], "other model"),
        (["corrupt", "other model"], "other model"),
        (["unknown", "other model"], "other model"),
        (["complete", "unknown"], "unknown"),
        (["missing", "unknown"], "unknown"),
        (["corrupt", "unknown"], "corrupt"),
        (["corrupt", "unknown", "other model"], "other model"),
    ],
)
def test_worst_file_gives_the_model_its_state(states: Sequence[FileState], word: str) -> None:
    """The state of a model is that of its worst file, in whatever order the files come."""
    for order in permutations(states):
        assert inspection(*order).state == word, f"files that are {', '.join(order)}"


def test_model_of_no_files_is_missing_and_never_verified() -> None:
    """A model of no files is missing, and never verified."""
    nothing = inspection()

    assert nothing.state == "missing"
    with pytest.raises(VerificationError, match="expected every file complete, got: it names no"):
        nothing.verified()


def test_states_are_documented() -> None:
    """The six states of a model are those that the JSON of --check-models documents."""
    words = {"complete", "incomplete", "missing", "corrupt", "other model", "unknown"}

    assert set(get_args(FileState)) == words


def test_size_is_that_of_the_files_that_are_there() -> None:
    """A model's size in bytes counts corrupt files, but none that is missing."""
    found = [finding("a", size=7), finding("b", "corrupt", 5), finding("c", "missing", None)]

    assert Inspection(FILES, COMMIT, {each.name: each for each in found}).size == 12


def test_faults_are_the_files_that_are_not_complete() -> None:
    """The faults of a model are its files that are not complete, in the check map's order."""
    found = inspection("corrupt", "complete", "missing")

    assert [fault.name for fault in found.faults] == ["file-0", "file-2"]


def test_verified_model_has_what_was_found() -> None:
    """A verified model has repo, revision, commit, and each file with its place and proof."""
    model = inspection("complete", "complete").verified()

    assert (model.repo, model.revision, model.commit) == ("org/model", "v1", COMMIT)
    assert model.files == {name: (Path(name), Proof(10, "5" * 64)) for name in ("file-0", "file-1")}
    assert model.size == 20


@pytest.mark.parametrize("state", [s for s in get_args(FileState) if s != "complete"])
def test_file_that_is_not_complete_is_no_part_of_a_verified_model(state: FileState) -> None:
    """A model with a file that is not complete is refused; the error names the file's state."""
    with pytest.raises(VerificationError, match=rf"^org/model@v1: .*got: file-1: {state}$"):
        inspection("complete", state).verified()


def test_model_without_a_commit_is_not_verified() -> None:
    """A model without a commit is not verified, even if its bytes are right."""
    with pytest.raises(VerificationError):
        Inspection(FILES, None, {"a": finding("a")}).verified()


@pytest.mark.parametrize(
    ("state", "etag", "matches"),
    [("complete", "e" * 40, True), ("complete", "f" * 40, False), ("corrupt", "e" * 40, False)],
)
def test_file_matches_what_a_host_lists_by_its_etag(
    state: FileState, etag: str, matches: bool
) -> None:
    """A file matches what a host lists if it is complete and has the listed etag."""
    assert finding("a", state).matches(RemoteFile("a", 10, etag)) is matches


def test_origin_is_told_as_repo_commit_and_file() -> None:
    """A cached file is reported as its repo, twelve digits of its commit, and its name."""
    assert str(CachedFile("org/a", "0123456789abcdef", "w.npz")) == "org/a@0123456789ab w.npz"
    assert str(CachedFile("org/a", "", "")) == "org/a (a file that no commit has now)"
