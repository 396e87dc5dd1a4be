"""How files get into the hub cache: beside it first, then at once; and what killed runs leave."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import written
from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.cache import staging as module
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.cache.manifests import Manifests, Record
from whisper_speedtest.cache.staging import Staging, staging
from whisper_speedtest.common.files import flock

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b"weights"
ETAG = hashlib.sha256(BODY).hexdigest()
COMMIT = "c" * 40
RECORD = Record(len(BODY), ETAG, ETAG)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> RepoFolder:
    """The folder of a repo, which is not there yet."""
    return RepoFolder(tmp_path / "cache", "org/model")


@pytest.fixture(name="stage")
def _stage(folder: RepoFolder) -> Iterator[Staging]:
    """A staging folder of that repo."""
    with staging(folder) as stage:
        yield stage


def stages(folder: RepoFolder) -> list[Path]:
    """Return the staging folders that there are."""
    return sorted(folder.own.glob("staging-*"))


def test_staging_makes_the_repos_folders_and_goes_at_the_end(folder: RepoFolder) -> None:
    """A staging folder goes when its block ends or fails; huggingface_hub's own folders stay."""
    with staging(folder) as stage:
        stage.new().write_bytes(BODY)
        assert len(stages(folder)) == 1
    with pytest.raises(KeyboardInterrupt), staging(folder):
        raise KeyboardInterrupt

    assert stages(folder) == []
    assert sorted(path.name for path in folder.root.iterdir()) == [
        ".speedtest",
        "blobs",
        "snapshots",
    ]


def test_new_files_have_names_of_their_own_in_the_staging_folder(
    folder: RepoFolder, stage: Staging
) -> None:
    """New staged files have names of their own, in the staging folder."""
    paths = {stage.new() for _ in range(50)}

    assert len(paths) == 50
    assert {path.parent for path in paths} == set(stages(folder))


def test_published_file_is_a_blob_and_its_link_relative(folder: RepoFolder, stage: Staging) -> None:
    """A published file is a blob, and the link to it is relative."""
    (staged := stage.new()).write_bytes(BODY)
    stage.publish(staged, ETAG)
    link = stage.link(COMMIT, "deep/er/weights.npz", ETAG)

    assert link == folder.root / "snapshots" / COMMIT / "deep" / "er" / "weights.npz"
    assert link.readlink() == Path("..", "..", "..", "..", "blobs", ETAG)
    assert link.read_bytes() == BODY
    assert not staged.exists()


def test_link_that_is_right_is_left_alone(folder: RepoFolder, stage: Staging) -> None:
    """A link that is right is left alone; a wrong one, or a file in its place, is replaced."""
    for etag in (ETAG, "0" * 64):
        (folder.blobs / etag).write_bytes(BODY)
    first = stage.link(COMMIT, "a", ETAG).lstat().st_ino  # not the time when it was last read
    assert stage.link(COMMIT, "a", ETAG).lstat().st_ino == first

    moved = stage.link(COMMIT, "a", "0" * 64)

    assert folder.linked_etag(moved) == "0" * 64
    moved.unlink()
    moved.write_bytes(b"a file")
    assert folder.linked_etag(stage.link(COMMIT, "a", ETAG)) == ETAG


def found(commit: str, **records: Record) -> Inspection:
    """Return an inspection that found files with these records."""
    findings = {
        name: Finding(name, "complete", Path(name), each.etag, Proof(each.size, each.sha256), "")
        for name, each in records.items()
    }
    return Inspection(ModelFiles("org/model", tuple(records)), commit, findings)


def test_ref_is_what_huggingface_hub_would_write(folder: RepoFolder, stage: Staging) -> None:
    """A ref has the path that huggingface_hub gives it, and a commit has no ref."""
    stage.write_ref("main", COMMIT)
    stage.write_ref("refs/pr/1", "d" * 40)
    stage.write_ref(COMMIT, COMMIT)
    before = written(folder.root / "refs" / "main")
    stage.write_ref("main", COMMIT)

    assert (folder.root / "refs" / "main").read_text("utf-8") == COMMIT
    assert (folder.root / "refs" / "refs" / "pr" / "1").read_text("utf-8") == "d" * 40
    assert not (folder.root / "refs" / COMMIT).exists()
    assert written(folder.root / "refs" / "main") == before

    stage.write_ref("main", "e" * 40)

    assert folder.commit("main") == "e" * 40


def test_manifest_adds_to_that_of_the_same_commit(folder: RepoFolder, stage: Staging) -> None:
    """A manifest adds to that of the same commit, and the newer record of a file wins."""
    newer = Record(1, "0" * 64, "0" * 64)
    stage.write_manifest(found(COMMIT, b=RECORD, a=RECORD))
    stage.write_manifest(found(COMMIT, c=RECORD, a=newer))
    stage.write_manifest(found("d" * 40, x=RECORD))

    manifests = Manifests(folder)
    assert manifests.records("main", COMMIT) == {"a": newer, "b": RECORD, "c": RECORD}
    assert list(manifests.records("main", COMMIT)) == ["a", "b", "c"]
    assert manifests.records("main", "d" * 40) == {"x": RECORD}


def test_manifest_can_be_read_by_people(folder: RepoFolder, stage: Staging) -> None:
    """A manifest says on lines of their own which repo, revision and commit were verified."""
    stage.write_manifest(found(COMMIT, a=RECORD))

    text = folder.manifest_path("main", COMMIT).read_text("utf-8")
    assert text.splitlines()[:4] == [
        "{",
        '  "repo": "org/model",',
        '  "revision": "main",',
        f'  "commit": "{COMMIT}",',
    ]
    assert f'"sha256": "{ETAG}"' in text


# Other runs

HOLD = """
import sys
from pathlib import Path
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.staging import staging
with staging(RepoFolder(Path(sys.argv[1]), "org/model")) as stage:
    stage.new().write_bytes(b"half a file")
    print("staged", flush=True)
    sys.stdin.read()
"""


def other_run(folder: RepoFolder) -> subprocess.Popen[str]:
    """Start another process that stages a file and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.root.parent)],
        cwd=ROOT,
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "staged\n"
    return process


def test_folder_of_a_run_that_goes_on_stays_and_that_of_a_killed_one_goes(
    folder: RepoFolder,
) -> None:
    """The staging folder of a killed run is removed, and that of a run that goes on is not."""
    with other_run(folder) as other:
        (theirs,) = stages(folder)
        with staging(folder):
            assert theirs in stages(folder)
        assert stages(folder) == [theirs]
        assert len(list(theirs.iterdir())) == 2  # its lock, and half a file

        other.kill()
        other.wait()
        assert stages(folder) == [theirs]
        with staging(folder):
            assert theirs not in stages(folder)

    assert stages(folder) == []


def test_two_stagings_of_one_repo_do_not_meet(folder: RepoFolder) -> None:
    """Two stagings of one repo have folders of their own."""
    with staging(folder) as one, staging(folder) as two:
        one.new().write_bytes(b"1")
        two.new().write_bytes(b"2")
        assert len(stages(folder)) == 2
    assert stages(folder) == []


def test_folder_that_another_run_has_removed_is_not_this_runs(folder: RepoFolder) -> None:
    """A staging folder that is gone is distinguished from one that cannot be locked at all."""
    with staging(folder):
        with module._lock(folder.own / "gone") as gone:
            assert gone == "lost"
        (folder.own / "file").touch()
        with module._lock(folder.own / "file") as file:
            assert file == "impossible"


def test_lock_on_a_file_that_was_removed_is_no_lock(
    folder: RepoFolder, stage: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that another run has removed and made anew is taken a second time."""
    (folder.own / f"part-{ETAG}").mkdir()
    lock = folder.own / f"part-{ETAG}" / "lock"
    waited: list[int] = []

    def late(descriptor: int, operation: int) -> bool:
        if not waited:
            lock.unlink()
            lock.touch()
        return flock(descriptor, operation)

    def wait(size: int) -> bool:
        waited.append(size)
        return True

    monkeypatch.setattr(module, "flock", late)
    with stage.part(ETAG, wait) as content:
        assert waited == [0], "expected a second try, as the lock is on no file of the part's"
        assert content.parent == lock.parent
