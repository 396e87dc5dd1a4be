"""File systems that cannot do all that is wanted of them: what is done there, or said.

The system's functions are replaced by ones that fail, as they do there.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from adapters.base import ModelFiles
from fixtures.hub import Fault, Hub
from tests.helpers.harm import BASE, QUANTISED, content, failing, weights
from tests.helpers.stores import fresh, leftovers, offline, read, refusal, repo_folder, requested
from whisper_speedtest.cache import embedded
from whisper_speedtest.cache.manifests import Manifests
from whisper_speedtest.cache.model import Unavailable, VerificationError
from whisper_speedtest.cache.staging import advice_on_folder, staging

if TYPE_CHECKING:
    from whisper_speedtest.hub.store import Store

NOT_SUPPORTED = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


# No links


@pytest.fixture(name="linkless", params=["hard links", "no links at all"])
def _linkless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The file system has no symbolic links; return whether it has hard links."""
    monkeypatch.setattr(os, "symlink", failing(errno.EPERM))
    if request.param == "no links at all":
        monkeypatch.setattr(os, "link", failing(errno.EPERM))
    return bool(request.param == "hard links")


@pytest.mark.parametrize("code", NOT_SUPPORTED)
def test_without_symbolic_links_files_lie_in_the_snapshot(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Without symbolic links the files lie in the snapshot, where huggingface_hub finds them."""
    from huggingface_hub import hf_hub_download

    monkeypatch.setattr(os, "symlink", failing(code))

    model = store.prepare(BASE)
    hub.clear()

    assert read(model) == content(BASE)
    assert not any(path.is_symlink() for path, _ in model.files.values())
    assert offline(store).prepare(BASE) == model
    assert fresh(store).prepare(BASE) == model
    for name, (path, _) in model.files.items():
        cache = store.settings.cache
        found = hf_hub_download(BASE.repo, name, cache_dir=cache, local_files_only=True)
        assert Path(found) == path
    assert hub.requests == []
    assert leftovers(store) == []


def test_without_links_a_file_takes_its_room_once(store: Store, linkless: bool) -> None:
    """Without symbolic links a file takes its room once: its blob is a hard link or is moved."""
    model = store.prepare(BASE)

    blobs = {path.stat().st_ino for path in repo_folder(store, BASE).blobs.iterdir()}
    files = {path.stat().st_ino for path, _ in model.files.values()}
    assert len(files) == 2
    assert blobs == (files if linkless else set())


@pytest.mark.usefixtures("linkless")
def test_without_links_one_content_may_have_two_names_and_commits(hub: Hub, store: Store) -> None:
    """Without symbolic links content that two names or two commits share is downloaded once."""
    files = ModelFiles("org/twins", ("a.npz", "b.npz", "c.json"))
    first = {"a.npz": weights("twin"), "b.npz": weights("twin"), "c.json": b"{}"}
    hub.add(files.repo, first)
    assert read(store.prepare(files)) == first
    assert [name for _, name in requested(hub)].count("b.npz") == 0
    newer = first | {"c.json": b"[]"}
    hub.move(files.repo, "main", newer)
    by_commit = ModelFiles(files.repo, files.files, hub.commit(files.repo))
    hub.clear()

    assert read(fresh(store).prepare(by_commit)) == newer
    assert requested(hub) == [("info", None), ("resolve", "c.json")]
    assert read(offline(store).prepare(files)) == first


@pytest.mark.usefixtures("linkless")
def test_without_links_harm_is_found_and_repaired(hub: Hub, store: Store) -> None:
    """Without symbolic links a harmed file is found by the manifest, and repaired."""
    path, _ = store.prepare(BASE).files["weights.npz"]
    path.write_bytes(b"harmed")
    hub.clear()

    assert isinstance(refusal(offline(store), BASE), VerificationError)
    assert read(fresh(store).prepare(BASE)) == content(BASE)


def test_link_that_becomes_a_file_of_its_own_is_no_link(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that turns links into files does not keep a model from being complete."""
    monkeypatch.setattr(os, "symlink", lambda to, path, *_: Path(path).write_text(f"link to {to}"))

    model = store.prepare(BASE)
    hub.clear()

    assert read(model) == content(BASE)
    assert offline(store).prepare(BASE) == model


# No locks


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_without_locks_models_are_fetched_and_no_leftovers_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Without locks no staging folder of another run is removed, as that run may still go on."""
    monkeypatch.setattr(fcntl, "flock", failing(code))
    folder = repo_folder(store, BASE)
    with staging(folder):
        (theirs,) = folder.own.glob("staging-*")

        model = store.prepare(BASE)

        assert read(model) == content(BASE)
        assert leftovers(store) == [theirs]
        assert list(folder.own.glob("part-*")) == []


def test_without_locks_a_file_is_kept_though_another_of_its_model_fails(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without locks a file is kept once it is downloaded, even if another of its model fails."""
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    hub.fault(Fault(status=404), file="weights.npz")
    hub.fault(Fault(rate=150), file="config.json")

    refusal(store, BASE)

    kept = [blob.read_bytes() for blob in repo_folder(store, BASE).blobs.iterdir()]
    assert kept == [content(BASE)["config.json"]]
    assert leftovers(store) == []


def test_what_the_project_makes_needs_neither_links_nor_locks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The embedded model is made and found again where there are neither links nor locks."""
    monkeypatch.setattr(embedded, "CACHE", tmp_path / "exports")
    for module, name in ((fcntl, "flock"), (os, "symlink"), (os, "link")):
        monkeypatch.setattr(module, name, failing(errno.ENOTSUP))
    files = ModelFiles("embedded/micro-mlx-fp16", ("config.json", "weights.npz"))

    first, second = embedded.make(files), embedded.make(files)

    assert first.problem is None
    assert first.local.verified() == second.local.verified()


# No room, no right to write


class Full(io.FileIO):
    """A file on a full disk."""

    def write(self, data: object, /) -> NoReturn:  # noqa: ARG002
        """Fail."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_disk_that_fills_up_meanwhile_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up during a download is reported, and the next run has the model."""
    opened = Path.open

    def full(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if ".speedtest" in self.parts and set(mode) & set("wa+") and self.name != "lock":
            return Full(self, mode.replace("b", ""))
        return opened(self, mode, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        error = refusal(store, BASE)

    assert isinstance(error, Unavailable)
    assert f"{BASE}: cannot write to the hub cache {store.settings.cache}" in str(error)
    assert "(No space left on device); make room on its disk (hf cache ls, hf" in str(error)
    assert "HF_HUB_CACHE to another folder" in str(error)
    assert repo_folder(store, BASE).commit("main") is None
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert leftovers(store) == []


@pytest.mark.parametrize("place", ["blobs", "snapshots", ".speedtest", "refs"])
@pytest.mark.parametrize(
    ("read_only", "says"),
    [
        (0, "(Permission denied); make {path} writable"),
        (os.ST_RDONLY, "(Read-only file system); mount its file system for writing"),
    ],
    ids=["permission", "read-only"],
)
def test_folder_that_cannot_be_written_to_is_found_before_the_download(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, place: str, read_only: int, says: str
) -> None:
    """A folder of the repo that cannot be written to is found before the download."""
    path = repo_folder(store, BASE).root / place
    path.mkdir(parents=True)
    access, statvfs = os.access, os.statvfs

    class Flags:
        f_flag = read_only

    def allowed(file: str | os.PathLike[str], mode: int) -> bool:
        return not mode & os.W_OK if Path(file) == path else access(file, mode)

    monkeypatch.setattr(os, "access", allowed)
    monkeypatch.setattr(os, "statvfs", lambda file: Flags if Path(file) == path else statvfs(file))

    error = refusal(store, BASE)

    assert isinstance(error, Unavailable)
    assert says.format(path=path) in str(error)
    assert requested(hub) == [("info", None)]


def test_cache_on_a_disk_that_is_not_there_is_not_said_to_be_full(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """A cache on a disk that is not there, or in whose place a file lies, is not called full."""
    store.settings.cache.symlink_to(tmp_path / "unmounted" / "hub")
    dangling = refusal(store, BASE)
    (tmp_path / "file").write_text("")
    file = refusal(fresh(store, cache=tmp_path / "file"), BASE)

    assert f"repair {store.settings.cache}" in str(dangling)
    assert "a link to none: is its disk there?" in str(dangling)
    assert "of which a part is no folder" in str(file)
    assert {kind for kind, _ in requested(hub)} == {"info"}


@pytest.mark.parametrize(
    ("code", "step"),
    [
        (errno.ENOSPC, "make room on its disk (hf cache ls, hf cache rm)"),
        (errno.EDQUOT, "make room on its disk (hf cache ls, hf cache rm)"),
        (errno.EROFS, "mount its file system for writing"),
        (errno.EIO, "check its disk, which fails"),
        (errno.EACCES, "make /cache/blobs writable"),
        (errno.EPERM, "make /cache/blobs writable"),
        (errno.EISDIR, "move /cache/blobs away, which is a folder where a file belongs"),
        (errno.EXDEV, "move /cache/blobs to the disk on which the other folders of its repo are"),
        (errno.ENFILE, "that is the limit of the whole system; end other programs"),
        (errno.ENAMETOOLONG, "repair /cache/blobs"),
    ],
)
def test_each_reason_has_its_own_next_step(code: int, step: str) -> None:
    """Each error of the file system has its own next step, which names the path that failed."""
    cache, failed = Path("/cache"), "/cache/blobs"
    assert advice_on_folder(OSError(code, os.strerror(code), failed), cache) == step
    moved = OSError(code, os.strerror(code), "/cache/staging-x", None, failed)
    assert advice_on_folder(moved, cache) == step, "expected the target of a move to be named"
    named = step.replace(failed, "/cache")
    assert advice_on_folder(OSError(code, os.strerror(code)), cache) == named


def test_limit_of_open_files_is_named_with_what_raises_it() -> None:
    """The limit of open files is named with its number and the command that raises it."""
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/cache/blobs")

    assert re.fullmatch(
        r"the limit is \d+ open files a process, which `ulimit -n \d+` raises",
        advice_on_folder(error, Path("/cache")),
    )


def test_disk_that_does_not_say_its_room_costs_what_needs_room(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not tell its free room costs only the models that need room."""
    model = store.prepare(BASE)
    hub.clear()
    monkeypatch.setattr(shutil, "disk_usage", failing(errno.ENOSYS))

    session = fresh(store)
    outcomes = session.fetch(session.plan([BASE, QUANTISED]))

    assert outcomes[BASE] == model
    error = outcomes[QUANTISED]
    assert type(error) is Unavailable
    cache = store.settings.cache
    assert str(error).startswith(
        f"{QUANTISED}: expected the disk of {cache} to say how much room it has, got Function not "
        "implemented; set HF_HUB_CACHE to a folder on another disk"
    )
    assert requested(hub) == [("info", None)]


# Disks that do not keep what is written


@pytest.mark.parametrize("name", BASE.files)
def test_what_is_not_kept_is_not_verified(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A blob that reads back wrong is removed, and no manifest or ref stands for it."""
    blob = repo_folder(store, BASE).blobs / hub.blob(BASE.repo, name).etag
    replaced = os.replace

    def lossy(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        replaced(source, target)
        if Path(target) == blob:
            blob.write_bytes(b"\0" * blob.stat().st_size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lossy)
        error = refusal(store, BASE)

    folder = repo_folder(store, BASE)
    assert isinstance(error, VerificationError)
    assert f"{BASE.repo}: expected " in str(error)
    assert f" {blob.name} to be read back from {blob}, got " in str(error)
    assert "check the disk" in str(error)
    assert not blob.exists()
    assert (folder.commit("main"), Manifests(folder).verified_commits("main")) == (None, {})
    assert read(fresh(store).prepare(BASE)) == content(BASE)


@pytest.mark.usefixtures("linkless")
def test_copy_that_is_not_kept_is_not_verified(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without links, a file that reads back wrong from the snapshot is an error."""
    files = ModelFiles("org/twins", ("a.npz", "b.npz"))
    hub.add(files.repo, dict.fromkeys(files.files, weights("twin")))
    pointer = repo_folder(store, files).pointer(hub.commit(files.repo), "b.npz")
    replaced = os.replace

    def lossy(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        replaced(source, target)
        if Path(target) == pointer:
            pointer.write_bytes(b"")

    monkeypatch.setattr(os, "replace", lossy)

    error = refusal(store, files)

    assert isinstance(error, VerificationError)
    assert f"to be read back from {pointer}, got " in str(error)
    assert Manifests(repo_folder(store, files)).verified_commits("main") == {}
