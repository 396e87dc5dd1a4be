"""Hub caches in odd places, and what huggingface_hub's own tools say of them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import Fault, Hub
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit
from tests.helpers.project import ROOT, child_environment
from tests.helpers.stores import fresh, leftovers, offline, read, refusal, repo_folder
from whisper_speedtest.cache.model import Unavailable, VerificationError, VerifiedModel
from whisper_speedtest.cache.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable

    from whisper_speedtest.hub.store import Store


@pytest.mark.parametrize(
    "name", ["with some spaces", "Modèle-Zwischenspeicher-模型", "a'b\"c$d%20"]
)
def test_a_cache_path_may_have_any_name(store: Store, tmp_path: Path, name: str) -> None:
    """A cache whose path has spaces, quotes or letters of any script works and is repaired."""
    session = fresh(store, cache=tmp_path / name / "hub")

    model = session.prepare(BASE)
    flip_bit(model.files["weights.npz"][0])

    assert isinstance(refusal(offline(session), BASE), VerificationError)
    assert fresh(session).prepare(BASE) == model
    assert offline(session).prepare(BASE) == model


def test_a_cache_may_be_a_link(store: Store, tmp_path: Path) -> None:
    """A cache may be a link, and may move to another place with all that is in it."""
    (tmp_path / "disk").mkdir()
    store.settings.cache.symlink_to(tmp_path / "disk")
    model = store.prepare(BASE)
    (tmp_path / "disk").rename(tmp_path / "other disk")
    store.settings.cache.unlink()
    store.settings.cache.symlink_to(tmp_path / "other disk")

    assert offline(store).prepare(BASE) == model
    assert read(model) == content(BASE)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HOME": "./hf"}, "cwd/hf/hub"),
        ({"HF_HOME": "../my hf"}, "cwd/../my hf/hub"),
        ({"HF_HUB_CACHE": "cache-模型"}, "cwd/cache-模型"),
        ({"HF_HUB_CACHE": "", "HF_HOME": "hf"}, "cwd"),
        ({"HUGGINGFACE_HUB_CACHE": "old"}, "cwd/old"),
        ({"XDG_CACHE_HOME": "xdg"}, "cwd/xdg/huggingface/hub"),
        ({"XDG_CACHE_HOME": "~/xdg"}, "home/xdg/huggingface/hub"),
        ({"HF_HOME": "~/hf"}, "home/hf/hub"),
        ({"HF_HOME": "$HOME/hf"}, "home/hf/hub"),
        ({}, "home/.cache/huggingface/hub"),
    ],
)
def test_cache_of_the_environment_is_an_absolute_path(
    tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    """The cache's path from the environment is absolute, whatever the variables hold."""
    (tmp_path / "cwd").mkdir()
    says = "from whisper_speedtest.hub.settings import HubSettings as s; print(ascii(str("
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}

    run = subprocess.run(
        [sys.executable, "-c", says + "s.from_environment().cache)))"],
        cwd=tmp_path / "cwd",
        env={**kept, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "home"), **variables},
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == ascii(f"{tmp_path}/{expected}")


@pytest.fixture(name="removed")
def _removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is one that somebody has removed."""
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()


@pytest.mark.usefixtures("removed")
def test_folder_that_was_removed_costs_an_absolute_cache_nothing(store: Store) -> None:
    """A working folder that was removed does not matter to a cache with an absolute path."""
    model = store.prepare(BASE)

    assert read(model) == content(BASE)
    assert offline(store).prepare(BASE) == model


@pytest.mark.usefixtures("removed")
def test_relative_cache_below_a_removed_folder_says_what_to_set(store: Store) -> None:
    """A relative cache path below a removed folder is refused with the variable to set."""
    with pytest.raises(Unavailable, match=r"hf/hub is named .* was removed; .*HF_HUB_CACHE"):
        fresh(store, cache=Path("hf/hub"))


READ_ONLY = """
import os, sys, tempfile
from pathlib import Path
from adapters.base import ModelFiles
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.cache.model import Unavailable
from whisper_speedtest.hub.store import Store
cache, endpoint, *repos = sys.argv[1:]
with tempfile.TemporaryDirectory() as scratch:  # imports all there is, while it may be read
    store = Store(HubSettings(Path(scratch), endpoint))
    store.prepare(ModelFiles(repos[0], ("weights.npz", "config.json")))
if os.geteuid() == 0:  # to whom permissions do not apply
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for repo in repos:
    store = Store(HubSettings(Path(cache), endpoint))
    try:
        print(store.prepare(ModelFiles(repo, ("weights.npz", "config.json"))).commit)
    except Unavailable as error:
        print(error)
"""


def test_a_read_only_cache_serves_what_it_holds(hub: Hub, store: Store) -> None:
    """A read-only cache serves what it holds; for the rest the error says what is needed."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to other users
        session = fresh(store, cache=Path(place, "hub"))
        commit = session.prepare(BASE).commit
        repo_folder(session, BASE).manifest_path("main", commit).unlink()
        folders = [Path(place), *(path for path in Path(place).rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        try:
            run = subprocess.run(
                [
                    *(sys.executable, "-c", READ_ONLY, session.settings.cache),
                    *(hub.endpoint, BASE.repo, QUANTISED.repo),
                ],
                env=child_environment(PYTHONPATH=str(ROOT)),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        finally:
            for folder in folders:
                folder.chmod(0o755)

    got, refused = run.stdout.splitlines()
    assert got == commit
    assert str(QUANTISED) in refused
    assert f"cannot write to the hub cache {session.settings.cache}" in refused
    assert os.strerror(errno.EACCES) in refused
    assert "HF_HUB_CACHE" in refused


def hf(store: Store, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run huggingface_hub's own command on the cache."""
    return subprocess.run(
        [sys.executable, "-m", "huggingface_hub.cli.hf", *arguments],
        env=child_environment(
            HF_HUB_CACHE=str(store.settings.cache),
            HF_ENDPOINT=store.settings.endpoint,
            HF_HUB_DISABLE_UPDATE_CHECK="1",
            HF_TOKEN="",
        ),
        capture_output=True,
        text=True,
        check=False,
    )


def test_hf_agrees_about_a_cache_that_the_store_filled(hub: Hub, store: Store) -> None:
    """`hf cache ls` and `hf cache verify` agree with the store about a cache that it filled."""
    from huggingface_hub import scan_cache_dir

    model = store.prepare(BASE)
    refused = QUANTISED
    hub.fault(Fault(flip=0), kind="cdn", repo=refused.repo)
    refusal(store, refused)

    listed = hf(store, "cache", "ls", "--format", "json")
    intact = hf(store, "cache", "verify", BASE.repo, "--fail-on-missing-files")
    flip_bit(model.files["weights.npz"][0])
    corrupt = hf(store, "cache", "verify", BASE.repo, "--fail-on-missing-files")
    scan = scan_cache_dir(store.settings.cache)

    assert BASE.repo in listed.stdout
    assert (intact.returncode, corrupt.returncode) == (0, 1)
    assert f"expected {hub.blob(BASE.repo, 'weights.npz').sha256}" in corrupt.stdout
    assert store.inspect(BASE).state == "corrupt"
    assert scan.warnings == []
    assert scan.incomplete_files == frozenset()
    sizes = {repo.repo_id: repo.size_on_disk for repo in scan.repos}
    assert sizes == {BASE.repo: model.size, refused.repo: 0}


@pytest.mark.parametrize("step", ["publish", "link", "write_ref", "write_manifest"])
def test_disk_that_fails_at_any_step_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A disk that fails at any step is reported with cache and remedy; nothing stays behind."""

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Staging, step, fails)
        error = refusal(store, BASE)

    assert type(error) is Unavailable
    where = f"cannot write to the hub cache {store.settings.cache} (No space"
    assert f"{BASE}: {where}" in str(error)
    assert "set HF_HUB_CACHE to another folder" in str(error)
    assert leftovers(store) == []
    assert read(fresh(store).prepare(BASE)) == content(BASE)


def test_folder_of_one_repo_that_cannot_be_written_to_costs_no_other_model(
    store: Store, tmp_path: Path
) -> None:
    """A repo's folder that cannot be written to costs no other model of the plan."""
    cache = tmp_path / "one bad folder"
    cache.mkdir()
    session = fresh(store, cache=cache)
    repo_folder(session, BASE).root.write_text("a file in its place", encoding="utf-8")

    outcomes = session.fetch(session.plan([BASE, QUANTISED]))

    assert type(outcomes[BASE]) is Unavailable
    assert f"{BASE}: cannot write to the hub cache {cache} (" in str(outcomes[BASE])
    quantised = outcomes[QUANTISED]
    assert isinstance(quantised, VerifiedModel)
    assert read(quantised) == content(QUANTISED)


def no_folder(path: Path) -> None:
    """Leave a file in place of a folder."""
    path.touch()


def dangling(path: Path) -> None:
    """Leave a link to nothing, as to a disk that is not there."""
    path.symlink_to("a disk/that is not there")


@pytest.mark.parametrize("harm", [no_folder, dangling])
@pytest.mark.parametrize("where", ["cache", "repo", "blobs", "snapshots"])
def test_cache_that_is_no_folder_is_told_offline_too(
    store: Store, tmp_path: Path, harm: Callable[[Path], None], where: str
) -> None:
    """Offline, a file or a dead link in a cache folder's place is reported as such."""
    store.prepare(BASE)
    folder = repo_folder(store, BASE)
    named = {"cache": store.settings.cache, "repo": folder.root, "blobs": folder.blobs}
    path = named.get(where, folder.root / "snapshots")
    path.rename(tmp_path / "elsewhere")
    harm(path)

    error = str(refusal(offline(store), BASE))

    assert (
        f"; repair {path}, which is no folder, or a link to none: is its disk there?, or" in error
    )
    assert "run once without that" not in error
    if where in {"cache", "repo"}:
        assert error.startswith(
            f"{BASE}: expected a folder of the hub cache at {path}, got none; repair {path}, which "
        )


def test_name_of_a_cache_gives_no_orders_to_a_terminal(store: Store, tmp_path: Path) -> None:
    """A message stays one printable line, whatever the cache's folder is called."""
    (odd := tmp_path / "a\x1b[31mb\nc\u202e").touch()

    error = str(refusal(fresh(store, cache=odd), BASE))

    assert f"{tmp_path}/a?[31mb?c?" in error
    assert error.isprintable()
