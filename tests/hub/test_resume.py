"""Downloads that go on in the next run, and downloads that two runs need at once."""

from __future__ import annotations

import errno
import io
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from _pytest._io import TerminalWriter

from fixtures.hub import Fault, Hub
from tests.helpers.harm import BASE, content, flip_bit
from tests.helpers.stores import fresh, leftovers, read, refusal, repo_folder
from tests.hub.test_runs_at_once import child
from whisper_speedtest.cache.evidence import RemoteFile
from whisper_speedtest.cache.model import Unavailable, VerificationError
from whisper_speedtest.cache.plan import Plan
from whisper_speedtest.cache.staging import PARTS_KEPT, begun, staging
from whisper_speedtest.common.text import human
from whisper_speedtest.hub.hosted import Watcher
from whisper_speedtest.session.models.model_report import plan_lines
from whisper_speedtest.session.terminal.display import Display
from whisper_speedtest.session.terminal.download_progress import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whisper_speedtest.hub.store import Store

SIZE = 6_000_000
CUT = 5_400_000
"""Nine tenths of the weights."""

LARGE = content(BASE, size=SIZE)


@pytest.fixture(name="etag")
def _etag(hub: Hub) -> str:
    """The hash of the weights, which are larger here than elsewhere."""
    hub.add(BASE.repo, LARGE)
    return hub.blob(BASE.repo, "weights.npz").etag


def parts(store: Store) -> list[Path]:
    """Return the parts of downloads that are kept."""
    return sorted(repo_folder(store, BASE).own.glob("part-*"))


def there(store: Store, etag: str) -> int:
    """Return how many bytes of a download are kept."""
    return begun(repo_folder(store, BASE), etag)


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is true; fail where that takes longer."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"expected it to be true within {seconds} s"
        time.sleep(0.01)


def ranges(hub: Hub) -> list[str | None]:
    """Return the ranges of the weights that were asked for."""
    return [request.range for request in hub.requests if request.kind == "cdn"]


@pytest.fixture(name="killed")
def _killed(hub: Hub, store: Store, etag: str) -> int:
    """A run killed at nine tenths of the weights, the last file; the bytes of them that it left.

    By then config.json is among the blobs, and the part that it came in is gone.
    """
    hub.fault(Fault(after=CUT, end="hang"), kind="cdn")
    process = child(store, BASE)
    until(lambda: there(store, etag) > CUT - 1_500_000)
    until(lambda: any(repo_folder(store, BASE).blobs.iterdir()) and len(parts(store)) == 1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hub.heal()
    hub.clear()
    return there(store, etag)


# The next run


def test_killed_download_goes_on_in_the_next_run(hub: Hub, store: Store, killed: int) -> None:
    """A killed download goes on in the next run, which plans and counts only the rest."""
    plan = store.plan([BASE])
    screen = io.StringIO()

    model = store.fetch(plan, Lines(TerminalWriter(screen), Display(None), 0))[BASE]

    rest = SIZE - killed
    assert plan.download_size == rest
    assert any(
        f"{killed / 1e6:.1f} MB are there from before" in line for line in plan_lines(plan, 99)
    )
    assert ranges(hub) == [f"bytes={killed}-"]
    assert f"weights.npz: {human(SIZE - killed)}\n" in screen.getvalue()
    assert not isinstance(model, Exception)
    assert read(model) == LARGE
    assert (parts(store), leftovers(store)) == ([], [])


def test_bars_of_a_download_that_goes_on_end_full(store: Store, killed: int) -> None:
    """The bar of a download that goes on comes to the size that it was given."""
    told: dict[str, int] = {}

    class Counting(Watcher):
        def start(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            told[file] = -size

        def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            told[file] += size

    store.fetch(store.plan([BASE]), Counting())

    assert killed
    assert told == {"weights.npz": 0}


def test_part_that_is_not_the_files_beginning_is_thrown_away(
    hub: Hub, store: Store, killed: int
) -> None:
    """A part that is not the file's beginning is thrown away after one try."""
    (part,) = parts(store)
    flip_bit(part / "content")

    model = store.prepare(BASE)

    assert ranges(hub) == [f"bytes={killed}-", None]
    assert read(model) == LARGE
    assert parts(store) == []


def test_part_that_is_a_link_to_another_file_is_not_written_to(
    hub: Hub, store: Store, killed: int, tmp_path: Path
) -> None:
    """A part that is a link to another file is thrown away, and that file is not written to."""
    (part,) = parts(store)
    assert killed
    (theirs := tmp_path / "theirs").write_bytes(LARGE["weights.npz"][:100])
    (part / "content").unlink()
    (part / "content").symlink_to(theirs)

    model = store.prepare(BASE)

    assert theirs.read_bytes() == LARGE["weights.npz"][:100]
    assert ranges(hub) == [None]
    assert read(model) == LARGE


@pytest.mark.parametrize("size", [SIZE, SIZE + 1])
def test_part_of_the_files_size_or_more_is_hashed(
    hub: Hub, store: Store, killed: int, size: int
) -> None:
    """A part of the file's whole size needs no request, and one that is too long is thrown away."""
    (part,) = parts(store)
    assert killed
    (part / "content").write_bytes(LARGE["weights.npz"] + b"x" * (size - SIZE))
    plan = store.plan([BASE])
    (planned,) = plan.to_fetch
    told = planned.size_begun, plan.download_size

    model = store.prepare(BASE)

    assert told == (SIZE, 0), "expected a begun part of the file's size at most"
    assert ranges(hub) == ([] if size == SIZE else [None])
    assert read(model) == LARGE


def test_part_is_of_one_content_and_not_of_one_name(hub: Hub, store: Store, killed: int) -> None:
    """A part belongs to one content, and is not used for another commit's file of that name."""
    newer = content(BASE, "newer", SIZE)
    hub.add(BASE.repo, newer)

    model = store.prepare(BASE)

    assert killed
    assert ranges(hub) == [None]
    assert read(model) == newer
    assert len(parts(store)) == 1


def test_hub_that_ignores_ranges_is_read_from_the_start(
    hub: Hub, store: Store, killed: int
) -> None:
    """A hub that ignores ranges is read from the start in the same try."""
    hub.fault(Fault(status=200), kind="cdn")

    assert read(store.prepare(BASE)) == LARGE
    assert ranges(hub) == [f"bytes={killed}-"]


def test_download_that_was_given_up_goes_on_later(hub: Hub, store: Store, etag: str) -> None:
    """A download that was given up goes on in the next run where its last try stopped."""
    hub.fault(Fault(after=1_000_000, end="close"), kind="cdn")
    error = refusal(store, BASE)
    kept = there(store, etag)
    hub.heal()
    hub.clear()

    assert type(error) is Unavailable
    assert kept == 3_000_000
    assert read(fresh(store).prepare(BASE)) == LARGE
    assert ranges(hub) == [f"bytes={kept}-"]


def test_bytes_that_are_wrong_are_not_kept(hub: Hub, store: Store, etag: str) -> None:
    """The bytes of a download that turn out to be wrong are not kept."""
    hub.fault(Fault(truncate=1000), kind="cdn")

    assert etag
    assert type(refusal(store, BASE)) is VerificationError
    assert parts(store) == []


def test_interrupted_download_goes_on_later(hub: Hub, store: Store, etag: str) -> None:
    """A download that was interrupted by Ctrl-C goes on in the next run where it stopped."""

    class Impatient(Watcher):
        def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            if file == "weights.npz" and there(store, etag) > 2_000_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(store.plan([BASE]), Impatient())
    kept = there(store, etag)
    hub.clear()

    assert kept > 2_000_000
    assert read(fresh(store).prepare(BASE)) == LARGE
    assert ranges(hub) == [f"bytes={kept}-"]


@pytest.mark.parametrize(("seconds", "kept"), [(10, True), (-10, False)])
def test_part_is_kept_for_two_weeks(store: Store, killed: int, seconds: int, kept: bool) -> None:
    """A part is kept for two weeks, and then removed by the next run in its repo."""
    (part,) = parts(store)
    then = time.time() - PARTS_KEPT + seconds
    os.utime(part, (then, then))

    with staging(repo_folder(store, BASE)):
        assert killed
        assert (parts(store) == [part]) is kept
    assert PARTS_KEPT == 14 * 24 * 3600


def test_part_is_gone_on_with_where_its_age_cannot_be_noted(
    store: Store, killed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download succeeds where the time of its part cannot be set."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", refuse)

    assert killed
    assert read(fresh(store).prepare(BASE)) == LARGE


# Two runs at once


class Waiting(Watcher):
    """Notes how far the other run is said to be, and does something the first time."""

    def __init__(self, do: Callable[[], object]) -> None:
        self.sizes: list[int] = []
        self._do = do

    def wait(self, repo: str, file: str, size: int) -> None:
        assert (repo, file) == (BASE.repo, "weights.npz")
        self.sizes.append(size)
        if len(self.sizes) == 1:
            self._do()


@pytest.fixture(name="first")
def _first(hub: Hub, store: Store, etag: str) -> Iterator[int]:
    """A run that stands at nine tenths of the weights; its process id."""
    hub.fault(Fault(after=CUT, end="hang"), kind="cdn", times=1)
    process = child(store, BASE)
    until(lambda: there(store, etag) > CUT - 1_500_000)
    yield process.pid
    hub.heal()
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
    process.communicate()


@pytest.mark.usefixtures("first")
def test_second_run_waits_for_the_first_and_fetches_nothing_twice(hub: Hub, store: Store) -> None:
    """A second run waits for the first, says how far that is, and fetches nothing itself."""
    second = Waiting(hub.heal)

    model = store.prepare(BASE, second)

    assert second.sizes[0] > CUT - 1_500_000
    assert second.sizes == sorted(set(second.sizes))
    assert read(model) == LARGE
    assert ranges(hub) == [None]
    assert parts(store) == []


def behind_a_link(store: Store, tmp_path: Path) -> Store:
    """Return the same cache in another session, which knows it by a link."""
    (tmp_path / "link").symlink_to(store.settings.cache)
    return fresh(store, cache=tmp_path / "link" / ".." / "link")


def test_killed_download_goes_on_behind_a_link(
    hub: Hub, store: Store, tmp_path: Path, killed: int
) -> None:
    """A killed download goes on in a cache that is reached by a link."""
    assert read(behind_a_link(store, tmp_path).prepare(BASE)) == LARGE
    assert ranges(hub) == [f"bytes={killed}-"]


@pytest.mark.usefixtures("first")
def test_second_run_behind_a_link_waits_for_the_first(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """A second run that reaches the cache by a link waits for the first."""
    second = Waiting(hub.heal)

    model = behind_a_link(store, tmp_path).prepare(BASE, second)

    assert second.sizes[0] > CUT - 1_500_000
    assert read(model) == LARGE
    assert ranges(hub) == [None]


def test_second_run_goes_on_where_a_killed_one_stopped(
    hub: Hub, store: Store, etag: str, first: int
) -> None:
    """A second run goes on with the download of a first one that was killed."""
    second = Waiting(lambda: os.kill(first, signal.SIGKILL))
    kept = there(store, etag)

    assert read(store.prepare(BASE, second)) == LARGE
    (_, asked) = ranges(hub)
    assert asked is not None
    assert kept <= int(asked[6:-1]) <= CUT


def test_second_run_does_not_wait_for_ever(hub: Hub, store: Store, first: int) -> None:
    """A second run does not wait for ever: it fetches by itself if the first is stopped."""
    second = Waiting(lambda: os.kill(first, signal.SIGSTOP))

    model = fresh(store, timeout=0.1).prepare(BASE, second)

    assert len(second.sizes) == 1
    assert read(model) == LARGE
    assert ranges(hub) == [None, None]


@pytest.mark.usefixtures("first")
def test_wait_for_another_run_can_be_interrupted(store: Store) -> None:
    """A wait for another run can be interrupted."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(store.plan([BASE]), Waiting(interrupt))


def test_many_runs_at_once_fetch_each_file_once(hub: Hub, store: Store, etag: str) -> None:
    """Four runs at once fetch the weights once, and all have the model."""
    hub.fault(Fault(rate=20_000_000), kind="cdn")
    together = threading.Barrier(4)

    def run(_: int) -> dict[str, bytes]:
        session = fresh(store)
        plan = session.plan([BASE])
        together.wait(10)
        model = session.fetch(plan)[BASE]
        assert not isinstance(model, Exception)
        return read(model)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [LARGE] * 4

    assert etag
    assert ranges(hub) == [None]


def test_waiting_is_a_line_once() -> None:
    """Waiting for another session is reported once for each file, with the bytes that it has."""
    screen = io.StringIO()
    lines = Lines(TerminalWriter(screen), Display(None), 0)

    lines.wait("org/model", "weights.npz", 3_000_000)
    lines.wait("org/model", "weights.npz", 4_000_000)
    lines.wait("org/other", "weights.npz", 0)

    assert screen.getvalue().splitlines() == [
        "  waiting    org/model weights.npz: another session has 3.0 MB of it",
        "  waiting    org/other weights.npz: another session has 0 bytes of it",
    ]


def test_room_is_needed_for_the_rest_alone(store: Store, killed: int) -> None:
    """A download that goes on counts in --max-download with its rest alone."""
    rest = SIZE - killed

    assert store.plan([BASE], max_download=rest).unavailable == ()
    assert len(store.plan([BASE], max_download=rest - 1).unavailable) == 1
    (planned,) = store.plan([BASE]).models
    assert planned.size == SIZE + len(LARGE["config.json"])
    assert Plan((replace(planned, begun={}),), 0).download_size == SIZE


def test_second_run_waits_for_six_time_limits(store: Store, first: int) -> None:
    """A second run waits for six time limits without a byte before it fetches by itself."""
    stopped: list[float] = []

    def stop() -> None:
        os.kill(first, signal.SIGSTOP)
        stopped.append(time.monotonic())

    fresh(store, timeout=0.3).prepare(BASE, Waiting(stop))

    waited = time.monotonic() - stopped[0]
    assert waited >= 6 * 0.3, f"expected 1.8 s without a byte to be waited for, got {waited:.2f} s"


def test_six_time_limits_begin_anew_with_each_byte_of_the_other_run(
    monkeypatch: pytest.MonkeyPatch, hubless_store: Store
) -> None:
    """The wait of six time limits begins anew with each byte that the other run brings."""
    now = 100.0

    class Second(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
            nonlocal now
            now += 1.0
            return False

    monkeypatch.setattr("whisper_speedtest.hub.hosted.time.monotonic", lambda: now)
    second = Waiting(lambda: None)
    hosted = fresh(hubless_store, timeout=1.0)._hosted
    file = RemoteFile("weights.npz", SIZE, "0" * 64)

    go_on = hosted._patience(BASE.repo, file, second, Second())

    sizes = [*[1_000] * 5, *[2_000] * 5, *[3_000] * 6]
    assert [go_on(size) for size in sizes] == [*[True] * 15, False]
    assert second.sizes == [1_000, 2_000, 3_000]


@pytest.mark.usefixtures("first")
def test_bars_of_a_download_that_another_run_ends_are_full(hub: Hub, store: Store) -> None:
    """The bar of a download that another run ends is full."""
    told: list[int] = []

    class Counting(Waiting):
        def start(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            told.append(-size)

        def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            told.append(size)

    store.prepare(BASE, Counting(hub.heal))

    assert -SIZE < min(told) < 0, "expected a part to be there when the download was planned"
    assert sum(told) == 0, f"expected as many bytes as were to come, got {sum(told)} more"


def test_part_is_as_old_as_the_last_run_that_went_on_with_it(
    store: Store, etag: str, killed: int
) -> None:
    """A part is as old as the last run that took it up, even if that run brought nothing."""
    (part,) = parts(store)
    long_ago = time.time() - PARTS_KEPT + 60
    os.utime(part, (long_ago, long_ago))
    begun = time.time()

    with staging(repo_folder(store, BASE)) as stage, stage.part(etag, lambda _: False) as content:
        assert content.stat().st_size == killed

    assert part.stat().st_mtime >= begun - 1
