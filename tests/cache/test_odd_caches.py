"""Odd things in a hub cache, which no tool puts there: each costs its own model at most.

Pipes and devices have no end, so that what read one would wait for ever.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.harm import BASE, QUANTISED, content, flip_bit
from tests.helpers.stores import fresh, offline, read, refusal, repo_folder, requested
from whisper_speedtest.cache.evidence import LONGEST_LISTING
from whisper_speedtest.cache.hashes import open_file, prove
from whisper_speedtest.cache.model import Unavailable, VerificationError
from whisper_speedtest.cache.repos import cached_repos
from whisper_speedtest.hub.hosted import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from fixtures.hub import Hub
    from whisper_speedtest.cache.folders import RepoFolder
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.hub.store import Store

NAME = "weights.npz"
ONE_DOWNLOAD = [("info", None), ("resolve", NAME)]
"""The requests of a session that fetches one file."""


def place_of(what: str, model: VerifiedModel, folder: RepoFolder) -> Path:
    """Return where something of a model lies."""
    link, _ = model.files[NAME]
    blob = folder.blobs / folder.linked_etag(link)
    return {
        "link": link,
        "blob": blob,
        "manifest": folder.manifest_path("main", model.commit),
        "ref": folder.root / "refs" / "main",
        "listing": folder.root / "trees" / f"{model.commit}.json",
        "part": folder.own / f"part-{blob.name}" / "content",
        "lock": folder.own / f"part-{blob.name}" / "lock",
        "folder of a part": folder.own / f"part-{blob.name}",
        "leftover": folder.own / "staging-left",
    }[what]


def clear(path: Path) -> Path:
    """Remove a file, and make the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


# What has no end


def zero(path: Path) -> None:
    """Make a path a link to a device that can be read for ever."""
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("endless", [os.mkfifo, zero])
@pytest.mark.parametrize("what", ["link", "blob", "manifest", "ref", "listing", "part"])
def test_what_has_no_end_is_not_read(
    store: Store, endless: Callable[[Path], None], what: str
) -> None:
    """Pipes and devices in the cache are not read, and the model is complete online."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    if what == "part":
        clear(place_of("blob", model, folder))
    endless(clear(place_of(what, model, folder)))

    state = store.inspect(BASE).state
    if state != "complete":
        assert f"{BASE}: " in str(refusal(offline(store), BASE))
    states = {"link": "corrupt", "blob": "corrupt", "part": "incomplete", "manifest": "unknown"}
    assert state == states.get(what, "complete")
    assert fresh(store).prepare(BASE) == model
    assert read(offline(store).prepare(BASE)) == content(BASE)


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("what", ["manifest", "ref", "listing"])
def test_what_says_something_is_read_to_a_limit(
    hub: Hub, store: Store, what: str, more: int
) -> None:
    """A manifest, ref or listing is read if it is no longer than a listing may be."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    if what == "listing":
        from huggingface_hub import snapshot_download

        cache, endpoint = store.settings.cache, hub.endpoint
        snapshot_download(BASE.repo, cache_dir=cache, endpoint=endpoint, token=False)
    if what != "manifest":
        shutil.rmtree(folder.own)
    path = place_of(what, model, folder)
    path.write_bytes(path.read_bytes().ljust(LONGEST_LISTING + more))

    found = fresh(store).inspect(BASE)

    states = {"manifest": "unknown", "ref": "missing", "listing": "complete"}
    assert found.state == (states[what] if more else "complete")
    unconfirmed = {"manifest": False, "ref": not more, "listing": bool(more)}
    assert found.unconfirmed is unconfirmed[what]


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    """A pipe, device or folder is refused before it is opened, with its path and the reason."""
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="Not a regular file") as caught:
            prove(path)
        assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(path))
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "absent")


# What is a folder where a file belongs


@pytest.mark.parametrize("what", ["blob", "link", "ref", "manifest"])
def test_folder_in_place_of_a_file_is_found_before_the_download(
    hub: Hub, store: Store, what: str
) -> None:
    """A folder in the place of a file is named before the download, and not removed."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    path = place_of(what, model, folder)
    blob = place_of("blob", model, folder)
    clear(path).mkdir()
    if what != "blob":
        clear(blob)
    hub.clear()

    error = refusal(fresh(store), BASE)

    assert f"(Is a directory); move {path} away, which is a folder where a file bel" in str(error)
    assert requested(hub) == [("info", None)]
    path.rmdir()
    assert fresh(store).prepare(BASE) == model


def test_file_in_place_of_a_commit_is_found_before_the_download(hub: Hub, store: Store) -> None:
    """A file in the place of a commit's folder is named before the download."""
    path = store.prepare(BASE).files[NAME][0].parent
    shutil.rmtree(path)
    path.write_text("")
    clear(repo_folder(store, BASE).blobs / hub.blob(BASE.repo, NAME).etag)
    hub.clear()

    error = refusal(fresh(store), BASE)

    assert f"(Not a directory); repair {path}, of which a part is no folder" in str(error)
    assert requested(hub) == [("info", None)]


def test_link_to_a_folder_in_place_of_a_file_is_replaced(hub: Hub, store: Store) -> None:
    """A link to a folder in the place of a file is replaced."""
    model = store.prepare(BASE)
    path, _ = model.files[NAME]
    clear(path).symlink_to(path.parent.parent)
    hub.clear()

    assert isinstance(refusal(offline(store), BASE), VerificationError)
    assert fresh(store).prepare(BASE) == model
    assert requested(hub) == [("info", None)]


# What leads elsewhere


@pytest.mark.parametrize("name", ["blobs", "snapshots", ".speedtest"])
def test_folder_on_another_disk_is_found_before_the_download(
    hub: Hub, store: Store, other_disk: Path, name: str
) -> None:
    """A folder of a repo that lies on another disk is named before the download."""
    store.prepare(BASE)
    path = repo_folder(store, BASE).root / name
    shutil.rmtree(path)
    path.symlink_to(other_disk)
    clear(repo_folder(store, BASE).blobs / hub.blob(BASE.repo, NAME).etag)
    hub.clear()

    error = refusal(fresh(store), BASE)

    got = os.strerror(errno.EXDEV)
    assert f"cannot write to the hub cache {store.settings.cache} ({got}" in str(error)
    assert "to the disk on which the other folders of its repo are" in str(error)
    assert requested(hub) == [("info", None)]


def test_blobs_behind_a_link_on_one_disk_are_as_good_as_any(hub: Hub, store: Store) -> None:
    """Blobs behind a link on one disk are found and repaired, and the link stays."""
    model = store.prepare(BASE)
    blobs = repo_folder(store, BASE).blobs
    blobs.rename(elsewhere := store.settings.cache / "elsewhere")
    blobs.symlink_to(elsewhere)

    assert offline(store).prepare(BASE) == model
    flip_bit(model.files[NAME][0])
    hub.clear()
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert requested(hub) == ONE_DOWNLOAD
    assert blobs.is_symlink()


@pytest.mark.parametrize("target", ["another blob", "itself", "nothing"])
def test_blob_that_is_a_link_is_what_it_leads_to(hub: Hub, store: Store, target: str) -> None:
    """A blob that is a link is judged by what it leads to, and only the link is replaced."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    blob = clear(place_of("blob", model, folder))
    config = folder.blobs / folder.linked_etag(model.files["config.json"][0])
    blob.symlink_to(
        {"another blob": config, "itself": blob, "nothing": blob.with_name("no")}[target]
    )
    hub.clear()

    error = refusal(offline(store), BASE)

    assert isinstance(error, Unavailable if target == "nothing" else VerificationError)
    assert fresh(store).prepare(BASE) == model
    assert requested(hub) == ONE_DOWNLOAD
    assert (blob.is_symlink(), config.read_bytes()) == (False, content(BASE)["config.json"])


def test_blob_that_is_edited_under_another_name_is_found(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """A blob that is edited by another hard link is found and replaced; the edited file stays."""
    path, _ = store.prepare(BASE).files[NAME]
    os.link(path.resolve(), tmp_path / "mine")
    flip_bit(tmp_path / "mine")
    mine = prove(tmp_path / "mine")
    hub.clear()

    assert isinstance(refusal(offline(store), BASE), VerificationError)
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert prove(tmp_path / "mine") == mine
    assert requested(hub) == ONE_DOWNLOAD


def test_commit_that_is_a_link_to_another_one_is_what_its_manifest_says(
    hub: Hub, store: Store
) -> None:
    """A commit's folder that is a link to another commit's does not have the right files."""
    hub.move(BASE.repo, "main", content(BASE, "newer"))
    newer = store.prepare(BASE)
    shutil.rmtree(repo_folder(store, BASE).own)
    hub.move(BASE.repo, "main", content(BASE))
    (repo_folder(store, BASE).root / "refs" / "main").unlink()
    model = fresh(store).prepare(BASE)
    commit = model.files[NAME][0].parent
    shutil.rmtree(commit)
    commit.symlink_to(newer.files[NAME][0].parent)

    assert isinstance(refusal(offline(store), BASE), VerificationError)


@pytest.mark.parametrize("text", ["{commit}\n", "\ufeff{commit}", "{commit:.12}", "{commit}\0", ""])
def test_ref_that_is_no_commit_costs_nothing(hub: Hub, store: Store, text: str) -> None:
    """A ref that is no commit costs nothing, as the manifest says which commit it was."""
    model = store.prepare(BASE)
    text = text.replace("{commit:.12}", model.commit[:12]).replace("{commit}", model.commit)
    (repo_folder(store, BASE).root / "refs" / "main").write_text(text)
    hub.clear()

    assert fresh(store).prepare(BASE) == model
    assert hub.requests == []


# What is left of other runs


@pytest.mark.parametrize("what", ["part", "lock", "folder of a part", "leftover"])
@pytest.mark.parametrize("made", [Path.touch, Path.mkdir])
def test_leftover_that_is_not_what_it_should_be_is_in_nobodys_way(
    hub: Hub, store: Store, what: str, made: Callable[[Path], None]
) -> None:
    """A file or folder where a part, a lock or a leftover belongs keeps no file from coming."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    clear(place_of("blob", model, folder))
    made(clear(place_of(what, model, folder)))
    hub.clear()
    waits: list[int] = []

    class Impatient(Watcher):
        def wait(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            waits.append(size)

    plan = fresh(store).plan([BASE])

    assert plan.models[0].size_begun == 0
    assert fresh(store).prepare(BASE, Impatient()) == model
    assert waits == [], "expected no wait, as nobody else downloads the file"
    assert requested(hub)[-1:] == [("resolve", NAME)]


def test_leftovers_of_another_user_are_in_nobodys_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leftovers of another user, whose locks cannot be opened, keep no model from coming."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    clear(place_of("blob", model, folder))
    for what in ("folder of a part", "leftover"):
        place_of(what, model, folder).mkdir()
    opened = os.open

    def refused(
        path: str | os.PathLike[str], flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        if Path(path).name == "lock" and Path(path).parent.name in {"staging-left", *parts}:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, mode, dir_fd=dir_fd)

    parts = {place_of("folder of a part", model, folder).name}
    monkeypatch.setattr(os, "open", refused)

    assert fresh(store).prepare(BASE) == model
    assert place_of("leftover", model, folder).is_dir()


# Names and numbers that cannot be told


@pytest.mark.parametrize("letter", [b"\xff", b"\n", b"\x1b[31m"])
def test_repo_whose_name_cannot_be_printed_is_not_told(store: Store, letter: bytes) -> None:
    """A cached repo whose name cannot be printed is not reported among similar repos."""
    store.prepare(QUANTISED)
    name = b"models--mlx-community--whisper-base-ml" + letter
    folder = Path(os.fsdecode(os.fsencode(store.settings.cache) + b"/" + name))
    try:
        folder.mkdir()
    except OSError as no:  # macOS has no names that are not UTF-8
        pytest.skip(f"no such name on this file system: {no}")
    (folder / "snapshots" / "x").mkdir(parents=True)

    error = refusal(offline(store), BASE)

    assert [folder.repo for folder in cached_repos(store.settings.cache)] == [QUANTISED.repo]
    assert str(error).endswith(f"; the cache holds {QUANTISED.repo}, never used in its place")


def test_cache_at_a_path_that_no_system_has_is_told(hub: Hub, store: Store, tmp_path: Path) -> None:
    """A cache at a path that is too long holds nothing, and the system's reason is reported."""
    session = fresh(store, cache=tmp_path / ("n" * 300) / "hub")

    error = refusal(session, BASE)

    assert session.inspect(BASE).state == "missing"
    assert cached_repos(session.settings.cache) == []
    assert f"cannot write to the hub cache {session.settings.cache} (File name too" in str(error)
    assert requested(hub) == [("info", None)]


@pytest.mark.parametrize("size", ["-1", "1000000000000001", "9" * 400, "1e400", '"1"', "null"])
def test_manifest_with_a_size_that_no_file_has_is_none(hub: Hub, store: Store, size: str) -> None:
    """A manifest with a size that no file has counts for nothing, and is written anew."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    good = path.read_text()
    path.write_text(good.replace('"size": 300000', f'"size": {size}'))
    hub.clear()

    assert fresh(store).prepare(BASE) == model
    assert (requested(hub), path.read_text()) == ([("info", None)], good)
