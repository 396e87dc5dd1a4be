"""A verified model is what was verified: every byte is looked at again before it is used."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import flip_bit, truncate
from whisper_speedtest.cache import model as module
from whisper_speedtest.cache.evidence import Listing, RemoteFile
from whisper_speedtest.cache.hashes import Proof, prove
from whisper_speedtest.cache.inspection import CachedFile, Finding, Inspection
from whisper_speedtest.cache.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
    check_file,
)
from whisper_speedtest.cache.plan import Plan, PlannedModel
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.tries import Retry

FILES = ModelFiles("org/model", ("a",))
COMMIT = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> VerifiedModel:
    """A model of two files."""
    files = {}
    for name in ("weights.npz", "config.json"):
        (path := tmp_path / name).write_bytes(name.encode() * 10)
        files[name] = (path, prove(path))
    return VerifiedModel("org/model", "main", COMMIT, files)


def test_unchanged_files_pass(model: VerifiedModel) -> None:
    """Files that did not change pass a recheck, and a model's size is that of its files."""
    model.recheck()

    assert model.size == 11 * 10 + 11 * 10


def test_first_file_that_changed_is_named(model: VerifiedModel) -> None:
    """The first file that changed is named with repo, commit, both hashes and what to do."""
    path, expected = model.files["config.json"]
    flip_bit(path)

    with pytest.raises(VerificationError) as caught:
        model.recheck()

    assert str(caught.value) == (
        f"org/model@0123456789ab config.json: expected sha256 {expected.sha256}, "
        f"got {prove(path).sha256}; delete {path} and fetch it anew"
    )


def test_other_size_is_found_without_reading(
    model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another size than expected is refused without being read."""
    path, expected = model.files["weights.npz"]
    truncate(path)
    monkeypatch.setattr(module, "prove", lambda _: pytest.fail("the file was read"))

    with pytest.raises(VerificationError) as caught:
        check_file("weights", path, expected)

    assert str(caught.value) == (
        f"weights: expected 110 bytes, got 55; delete {path} and fetch it anew"
    )
    path.write_bytes(bytes(111))
    with pytest.raises(VerificationError, match="expected 110 bytes, got 111"):
        check_file("weights", path, expected)


def test_file_that_is_gone_is_named_with_its_place(model: VerifiedModel) -> None:
    """A file that is gone, or has a folder in its place, is named with its path."""
    path, expected = model.files["weights.npz"]
    path.unlink()

    for _ in range(2):
        with pytest.raises(VerificationError, match=f"110 bytes at {re.escape(str(path))}, got no"):
            check_file("weights", path, expected)
        path.mkdir(exist_ok=True)


def test_same_hash_of_another_size_is_never_accepted(model: VerifiedModel) -> None:
    """A file of the right hash and another size is not accepted."""
    path, expected = model.files["weights.npz"]

    with pytest.raises(VerificationError, match="expected 111 bytes, got 110"):
        check_file("weights", path, Proof(expected.size + 1, expected.sha256))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Proof(1, "0" * 64), "size"),
        (VerifiedModel("org/model", "main", COMMIT, {}), "commit"),
        (CachedFile("org/model", COMMIT, "a"), "repo"),
        (Finding("a", "complete", Path("a"), "", None, ""), "state"),
        (Inspection(FILES, COMMIT, {}), "commit"),
        (RemoteFile("a", 1, "0" * 64), "etag"),
        (Listing("org/model", COMMIT, {}), "commit"),
        (Retry(), "attempts"),
        (HubSettings(Path("cache"), "http://127.0.0.1:9"), "offline"),
        (PlannedModel(FILES, Inspection(FILES, COMMIT, {})), "problem"),
        (Plan((), 0), "free"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_what_was_found_cannot_be_changed(value: object, field: str) -> None:
    """The values that describe a model, its files and a plan cannot be changed."""
    with pytest.raises(FrozenInstanceError):
        setattr(value, field, None)


def test_errors_tell_what_skips_a_test_from_what_fails_it() -> None:
    """RepoError and VerificationError are ModelErrors, and are not taken for Unavailable."""
    kinds = (Unavailable, RepoError, VerificationError)

    assert all(issubclass(kind, ModelError) for kind in kinds)
    assert [kind for kind in kinds if issubclass(kind, Unavailable)] == [Unavailable]
    assert (ModelError("message").cause, ModelError("message", "cause").cause) == ("", "cause")
    assert str(ModelError("message", "cause")) == "message"
