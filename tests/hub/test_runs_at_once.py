"""Pre-fetches that are killed or interrupted, and pre-fetches at the same time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import Fault, Hub
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit
from tests.helpers.project import ROOT, child_environment
from tests.helpers.stores import fresh, leftovers, offline, read, repo_folder, requested
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.hub.hosted import Watcher, threads

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from whisper_speedtest.hub.store import Store

FETCH = """
import sys
from pathlib import Path
from adapters.base import ModelFiles
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.store import Store
cache, endpoint, repo, *files = sys.argv[1:]
Store(HubSettings(Path(cache), endpoint)).prepare(ModelFiles(repo, tuple(files)))
"""
"""What a child process does: one pre-fetch."""


def child(store: Store, files: ModelFiles, code: str = FETCH) -> subprocess.Popen[str]:
    """Start a process that pre-fetches a model."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            store.settings.cache,
            store.settings.endpoint,
            files.repo,
            *files.files,
        ],
        env=child_environment(PYTHONPATH=str(ROOT)),
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_run_leaves_nothing_that_the_next_does_not_remove(hub: Hub, store: Store) -> None:
    """A run that is killed in the middle of a file leaves nothing that the next does not remove."""
    hub.fault(Fault(after=100_000, end="hang"), kind="cdn")
    killed = child(store, BASE)
    hub.wait_for(kind="cdn", held=True)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    left = leftovers(store)
    hub.heal()

    model = store.prepare(BASE)

    assert left != []
    assert read(model) == content(BASE)
    assert leftovers(store) == []


def test_a_running_run_keeps_what_it_has_staged(hub: Hub, store: Store) -> None:
    """A slow run keeps what it has staged while a second one fetches the same model."""
    hub.fault(Fault(after=100_000, end="hang"), times=1, kind="cdn")
    slow = child(store, BASE)
    hub.wait_for(kind="cdn", held=True)

    model = fresh(store, timeout=0.1).prepare(BASE)
    hub.heal()
    _, errors = slow.communicate()

    assert (slow.returncode, errors) == (0, "")
    assert read(model) == content(BASE)
    assert leftovers(store) == []


def test_two_repairs_at_once_leave_no_moment_without_the_file(hub: Hub, store: Store) -> None:
    """During two repairs at once the file is there at each moment, as the old or the new one."""
    path, _ = store.prepare(BASE).files["weights.npz"]
    flip_bit(path)
    known = {prove(path).sha256, hub.blob(BASE.repo, "weights.npz").sha256}
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            try:
                seen.add(prove(path).sha256)
            except OSError as error:
                seen.add(str(error))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        fetchers = [child(store, BASE), child(store, BASE)]
        errors = [fetcher.communicate()[1] for fetcher in fetchers]
    finally:
        done.set()
        watcher.join()

    assert errors == ["", ""]
    assert [fetcher.returncode for fetcher in fetchers] == [0, 0]
    assert seen == known
    assert read(offline(store).prepare(BASE)) == content(BASE)
    assert leftovers(store) == []


def test_an_interrupt_ends_all_downloads(hub: Hub, store: Store) -> None:
    """An interrupt ends all downloads and leaves nothing behind."""
    hub.fault(Fault(rate=50_000), kind="cdn")

    class Impatient(Watcher):
        def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(store.plan([BASE, QUANTISED]), Impatient())

    assert leftovers(store) == []


def test_an_interrupt_begins_no_download_that_was_waiting() -> None:
    """An interrupt begins no download that was waiting for its turn."""
    begun: list[str] = []
    is_running = threading.Event()

    def interrupted() -> None:
        with threads(1) as (pool, cancelled):

            def first() -> None:
                is_running.set()
                cancelled.wait()
                ends = time.monotonic() + 2
                while not second.cancelled() and time.monotonic() < ends:
                    time.sleep(0.01)

            pool.submit(first)
            is_running.wait()
            second = pool.submit(begun.append, "second")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert begun == []


def test_file_that_came_into_the_snapshot_meanwhile_becomes_a_blob(hub: Hub, store: Store) -> None:
    """A file that came into the snapshot after the plan becomes a blob with a link to it."""
    plan = store.plan([BASE])
    pointer = repo_folder(store, BASE).pointer(hub.commit(BASE.repo), "weights.npz")
    pointer.parent.mkdir(parents=True)
    pointer.write_bytes(content(BASE)["weights.npz"])
    hub.clear()

    model = store.fetch(plan)[BASE]

    assert isinstance(model, VerifiedModel)
    assert read(model) == content(BASE)
    assert pointer.is_symlink()
    assert [file for _, file in requested(hub)] == ["config.json"]
