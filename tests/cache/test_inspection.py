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
    """Another model's file outranks a corrupt one, and that one nobody knows; in any order."""
    for order in permutations(states):
        assert inspection(*order).state == word, f"files that are {', '.join(order)}"


def test_model_of_no_files_is_missing_and_never_verified() -> None:
    """A check map that names no file must not make every folder a complete model."""
    nothing = inspection()

    assert nothing.state == "missing"
    with pytest.raises(VerificationError, match="expected every file complete, got: it names no"):
        nothing.verified()


def test_states_are_documented() -> None:
    """The six words stand in the JSON of --check-models; a seventh would have to be told there."""
    words = {"complete", "incomplete", "missing", "corrupt", "other model", "unknown"}

    assert set(get_args(FileState)) == words


def test_size_is_that_of_the_files_that_are_there() -> None:
    """In bytes: a corrupt file counts, one that is missing or cannot be read does not."""
    found = [finding("a", size=7), finding("b", "corrupt", 5), finding("c", "missing", None)]

    assert Inspection(FILES, COMMIT, {each.name: each for each in found}).size == 12


def test_faults_are_the_files_that_are_not_complete() -> None:
    """In the order of the check map."""
    found = inspection("corrupt", "complete", "missing")

    assert [fault.name for fault in found.faults] == ["file-0", "file-2"]


def test_verified_model_has_what_was_found() -> None:
    """Repo, revision, commit, and each file with its place and proof."""
    model = inspection("complete", "complete").verified()

    assert (model.repo, model.revision, model.commit) == ("org/model", "v1", COMMIT)
    assert model.files == {name: (Path(name), Proof(10, "5" * 64)) for name in ("file-0", "file-1")}
    assert model.size == 20


@pytest.mark.parametrize("state", [s for s in get_args(FileState) if s != "complete"])
def test_file_that_is_not_complete_is_no_part_of_a_verified_model(state: FileState) -> None:
    """The error names the model, and says what is wrong with the file."""
    with pytest.raises(VerificationError, match=rf"^org/model@v1: .*got: file-1: {state}$"):
        inspection("complete", state).verified()


def test_model_without_a_commit_is_not_verified() -> None:
    """Where nothing says what the revision stands for, right bytes are not enough."""
    with pytest.raises(VerificationError):
        Inspection(FILES, None, {"a": finding("a")}).verified()


@pytest.mark.parametrize(
    ("state", "etag", "matches"),
    [("complete", "e" * 40, True), ("complete", "f" * 40, False), ("corrupt", "e" * 40, False)],
)
def test_file_matches_what_a_host_lists_by_its_etag(
    state: FileState, etag: str, matches: bool
) -> None:
    """Only a complete file can be the listed one."""
    assert finding("a", state).matches(RemoteFile("a", 10, etag)) is matches


def test_origin_is_told_as_repo_commit_and_file() -> None:
    """Twelve digits of the commit are enough; a blob that no link leads to has no name."""
    assert str(CachedFile("org/a", "0123456789abcdef", "w.npz")) == "org/a@0123456789ab w.npz"
    assert str(CachedFile("org/a", "", "")) == "org/a (a file that no commit has now)"
