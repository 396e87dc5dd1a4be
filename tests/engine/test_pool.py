"""The pool hands out engines that work, keeps to its memory, and ends every engine it made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters import REGISTRY
from adapters.base import Case, DecodeSettings
from adapters.cores import usual_threads
from tests.helpers.processes import running_engines, wait_until_gone
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine import pool as pool_module
from whisper_speedtest.engine.checkout import OWN, Checkout
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.engine.pool import (
    BYTES_PER_MODEL_BYTE,
    LIBRARY_BYTES,
    EnginePool,
    memory_limit_of_machine,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapters.base import Audio, Device
    from whisper_speedtest.engine.process import Engine

SMALL, LARGE = Case("toy", "micro", "good"), Case("toy", "micro", "slow")


def model_of(size: int, commit: str = "0" * 40) -> VerifiedModel:
    """Return a model of so many bytes, which are nowhere."""
    return VerifiedModel(
        "embedded/toy", "main", commit, {"weights": (Path("weights"), Proof(size, "0"))}
    )


MODEL = model_of(1000)
ESTIMATE = 500_000_000 + 4 * 1000
"""What the pool expects of an engine of MODEL before any was measured, in bytes."""


class FakeEngine:
    """An engine without a process, which does as it is told and counts how often it is closed."""

    def __init__(
        self,
        case: Case,
        model: VerifiedModel,
        folder: Path,
        device: Device,
        threads: int | None = None,
        compiled: Path | None = None,
        checkout: Checkout = OWN,
    ) -> None:
        self.checkout = checkout
        self.case, self.model, self.folder, self.device = case, model, folder, device
        self.compiled = compiled
        self.threads = usual_threads() if threads is None else threads
        self.loaded = self.closed = False
        self.failure: EngineError | None = None
        self.peak = 0
        self.on_gpu: int | None = None
        self.cannot_close: BaseException | None = None
        self.closings = 0
        self.is_dead = False

    def fail(self, *, loaded: bool) -> None:
        """Fail before or after the load."""
        self.loaded = loaded
        self.failure = EngineError("the fake failed")
        self.closed = True

    def memory(self) -> Memory:
        """Return the peak; one that has not loaded must not be asked."""
        assert self.loaded
        if self.is_dead:
            self.fail(loaded=True)
        if self.failure:
            raise self.failure
        if self.closed:
            raise EngineError("the fake was closed")
        return Memory(self.peak, self.on_gpu)

    def close(self) -> None:
        """Take note, or raise what it was told to, once."""
        if self.cannot_close is not None:
            error, self.cannot_close = self.cannot_close, None
            raise error
        self.closed = True
        self.closings += 1


@pytest.fixture(name="made")
def _made(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """The engines that pools have made, in order; all are fakes."""
    made: list[FakeEngine] = []

    def make(*arguments: Any, **named: Any) -> FakeEngine:
        made.append(FakeEngine(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(pool_module, "Engine", make)
    return made


def folders() -> Callable[[], Path]:
    """Return a function that returns folder-0, folder-1 and so on."""
    names = iter(range(1000))
    return lambda: Path(f"folder-{next(names)}")


@pytest.fixture(name="pool")
def _pool(made: list[FakeEngine]) -> Iterator[EnginePool]:  # noqa: ARG001 - so that they are fakes
    """A pool in which two engines of MODEL have room, by the estimate, and no third."""
    with EnginePool(folders(), memory_limit=2 * ESTIMATE) as pool:
        yield pool


def handed_out(engine: Engine) -> FakeEngine:
    """Return a pool's engine as the fake that it is."""
    return cast("FakeEngine", engine)


def loaded(engine: Engine, peak: int = 0) -> FakeEngine:
    """Return a pool's engine, with its model loaded and a peak of so many bytes."""
    fake = handed_out(engine)
    fake.loaded, fake.peak = True, peak
    return fake


def open_ones(engines: Sequence[FakeEngine]) -> list[int]:
    """Return which of the engines are not closed, by number."""
    return [number for number, engine in enumerate(engines) if not engine.closed]


# Making


def test_engine_is_made_as_asked_and_not_started(pool: EnginePool, made: list[FakeEngine]) -> None:
    """A new engine gets the set-up that was asked for, and a new folder."""
    pool.new(SMALL, MODEL, "cpu", 3)
    pool.new(LARGE, MODEL, "gpu")

    assert [(e.case, e.model, e.device, e.threads, e.folder) for e in made] == [
        (SMALL, MODEL, "cpu", 3, Path("folder-1")),
        (LARGE, MODEL, "gpu", usual_threads(), Path("folder-3")),
    ]


def test_engines_of_a_case_share_what_they_compile(
    pool: EnginePool, made: list[FakeEngine]
) -> None:
    """Engines of one case share a folder for what they compile, and no other case has it."""
    for case in (SMALL, LARGE, SMALL):
        pool.new(case, MODEL, "cpu")
    pool.end_case(SMALL)
    pool.new(SMALL, MODEL, "cpu")

    small, large, *more = [engine.compiled for engine in made]
    assert more == [small, small]
    assert large not in {small, None}
    assert not {small, large} & {engine.folder for engine in made}


def test_engines_of_another_checkout_or_interpreter_compile_for_themselves(
    pool: EnginePool, made: list[FakeEngine]
) -> None:
    """Engines of another checkout or interpreter compile into folders of their own."""
    elsewhere = Checkout(Path("elsewhere"), OWN.python, "elsewhere")
    older = Checkout(OWN.root, "older-python", "older")
    for checkout in (OWN, elsewhere, older, elsewhere):
        pool.new(SMALL, MODEL, "cpu", checkout=checkout)

    own, first, other, again = [engine.compiled for engine in made]
    assert len({own, first, other}) == 3
    assert again == first
    assert [engine.checkout for engine in made] == [OWN, elsewhere, older, elsewhere]


def test_new_engine_is_always_another(pool: EnginePool) -> None:
    """The pool makes another engine each time; both stay open while both have room."""
    first, second = pool.new(SMALL, MODEL, "cpu"), pool.new(SMALL, MODEL, "cpu")

    assert first is not second
    assert not first.closed
    assert not second.closed


# Memory


def test_estimate_is_that_of_the_documentation() -> None:
    """An engine is expected to take half a gigabyte, and four times its model's files."""
    assert (LIBRARY_BYTES, BYTES_PER_MODEL_BYTE) == (500_000_000, 4)


@pytest.mark.parametrize(("limit", "left"), [(2 * ESTIMATE, [0, 1]), (2 * ESTIMATE - 1, [1])])
def test_engines_live_together_up_to_the_limit(
    made: list[FakeEngine], limit: int, left: list[int]
) -> None:
    """Two engines that fill the limit to the byte both live; with a byte less, the first goes."""
    with EnginePool(folders(), limit) as pool:
        pool.new(SMALL, MODEL, "cpu")
        pool.new(LARGE, MODEL, "cpu")

        assert open_ones(made) == left


def test_one_engine_may_exceed_the_limit(made: list[FakeEngine]) -> None:
    """An engine that alone exceeds the pool's limit is made, and lives alone."""
    with EnginePool(folders(), memory_limit=1) as pool:
        for _ in range(3):
            pool.new(SMALL, MODEL, "cpu")

        assert open_ones(made) == [2]


def test_engine_that_was_made_first_is_closed_first(
    pool: EnginePool, made: list[FakeEngine]
) -> None:
    """The engine that was made first is closed first to make room, whichever case it is of."""
    pool.new(SMALL, MODEL, "cpu")
    pool.new(LARGE, MODEL, "cpu")

    pool.new(SMALL, MODEL, "gpu")

    assert open_ones(made) == [1, 2]


@pytest.mark.parametrize(
    ("peak", "room"),
    [(ESTIMATE, 2), (ESTIMATE + 1, 1), (2 * ESTIMATE // 3, 3), (3 * ESTIMATE, 1)],
)
def test_room_is_told_by_the_peak_of_an_engine(pool: EnginePool, peak: int, room: int) -> None:
    """The room for an engine is how many with its peak fit into the limit, and at least one."""
    engine = pool.new(SMALL, MODEL, "cpu")
    loaded(engine, peak)

    assert pool.room_for(engine) == room


GPU = 100_000
"""Bytes of a GPU's own memory, of which engines may take half."""


@pytest.mark.parametrize(
    ("device", "on_gpu", "room"),
    [
        ("gpu", GPU // 4, 2),
        ("gpu", GPU // 4 + 1, 1),
        ("gpu", GPU, 1),
        ("gpu", 1, 3),  # then it is the host's memory that holds three
        ("gpu", None, 3),
        ("cpu", GPU, 3),
    ],
)
def test_room_is_bounded_by_the_gpus_own_memory_too(
    made: list[FakeEngine], device: Device, on_gpu: int | None, room: int
) -> None:
    """The room for an engine on a GPU is bounded by the GPU's own memory, too."""
    with EnginePool(folders(), 3 * ESTIMATE, GPU) as pool:
        engine = pool.new(SMALL, MODEL, device)
        loaded(engine, ESTIMATE).on_gpu = on_gpu

        assert pool.room_for(engine) == room
    assert len(made) == 1


def test_without_a_gpu_of_its_own_memory_the_hosts_alone_bounds(made: list[FakeEngine]) -> None:
    """The room for an engine is that of the host's memory where a GPU has none of its own."""
    with EnginePool(folders(), 3 * ESTIMATE) as pool:
        engine = pool.new(SMALL, MODEL, "gpu")
        loaded(engine, ESTIMATE).on_gpu = 10**15

        assert pool.room_for(engine) == 3
    assert len(made) == 1


@pytest.mark.parametrize(
    ("devices", "left"),
    [("ggg", [0, 1, 2]), ("gggg", [1, 2, 3]), ("cccg", [0, 1, 2, 3]), ("cgggg", [2, 3, 4])],
)
def test_engines_live_together_up_to_the_memory_of_a_gpu(
    made: list[FakeEngine], devices: str, left: list[int]
) -> None:
    """Engines on a GPU live together while four times their models fit into the GPU's memory."""
    with EnginePool(folders(), 9 * ESTIMATE, accelerator_memory=2 * 3 * 4000) as pool:
        for device in devices:
            pool.new(SMALL, MODEL, "gpu" if device == "g" else "cpu")

        assert open_ones(made) == left


def test_engine_on_a_cpu_closes_none_for_a_gpus_memory(made: list[FakeEngine]) -> None:
    """An engine on a CPU closes no other for the sake of a GPU's memory."""
    with EnginePool(folders(), 9 * ESTIMATE, accelerator_memory=1) as pool:
        pool.new(SMALL, MODEL, "gpu")
        pool.new(SMALL, MODEL, "cpu")

        assert open_ones(made) == [0, 1]


def test_what_was_measured_of_a_gpu_counts_there(made: list[FakeEngine]) -> None:
    """What an engine was measured to take of a GPU counts in place of the estimate."""
    with EnginePool(folders(), 9 * ESTIMATE, accelerator_memory=2 * 10_000) as pool:
        loaded(pool.new(SMALL, MODEL, "gpu"), 1).on_gpu = 5_000
        pool.new(SMALL, MODEL, "gpu")
        assert open_ones(made) == [0, 1]
        pool.new(SMALL, MODEL, "gpu")

        assert open_ones(made) == [1, 2]


def test_no_more_engines_are_closed_than_must(made: list[FakeEngine]) -> None:
    """Room for an engine is made by closing one at a time, from the one that was made first."""
    with EnginePool(folders(), memory_limit=4 * ESTIMATE) as pool:
        for _ in range(4):
            pool.new(SMALL, MODEL, "cpu")
        pool.new(SMALL, model_of(1000 + ESTIMATE // 4), "cpu")  # Takes as much as two.

        assert open_ones(made) == [2, 3, 4]


@pytest.mark.parametrize(("peak", "left"), [(ESTIMATE // 2, [0, 1, 2]), (ESTIMATE, [1, 2])])
def test_measured_engine_counts_with_its_peak(
    made: list[FakeEngine], peak: int, left: list[int]
) -> None:
    """An engine counts with its measured peak, and so does the next of its case."""
    with EnginePool(folders(), memory_limit=2 * ESTIMATE) as pool:
        loaded(pool.new(SMALL, MODEL, "cpu"), peak)
        loaded(pool.new(SMALL, MODEL, "cpu"), peak)
        pool.new(SMALL, MODEL, "cpu")

        assert open_ones(made) == left


def test_noted_peak_counts_for_its_case_and_no_other(made: list[FakeEngine]) -> None:
    """A peak that was noted is expected of further engines of that case; others are estimated."""
    with EnginePool(folders(), memory_limit=2 * ESTIMATE) as pool:
        pool.note_memory(pool.new(SMALL, MODEL, "cpu"), Memory(10, None))
        pool.new(SMALL, MODEL, "cpu")  # 20 bytes by now.
        pool.new(LARGE, MODEL, "cpu")
        assert open_ones(made) == [0, 1, 2]
        pool.new(LARGE, MODEL, "cpu")  # Two estimates leave no room for the 20 bytes.

        assert open_ones(made) == [2, 3]


def test_largest_peak_of_a_case_is_expected_of_the_next(made: list[FakeEngine]) -> None:
    """A smaller peak makes no further engine smaller, but counts for the engine that has it."""
    with EnginePool(folders(), memory_limit=3 * ESTIMATE - 1) as pool:
        first = pool.new(SMALL, MODEL, "cpu")
        pool.note_memory(first, Memory(2 * ESTIMATE, None))
        first.close()
        second = pool.new(SMALL, MODEL, "cpu")
        pool.note_memory(second, Memory(10, None))
        pool.new(LARGE, MODEL, "cpu")  # One estimate beside 10 bytes.
        assert open_ones(made) == [1, 2]
        pool.new(SMALL, MODEL, "cpu")  # Two estimates, which leave no room for another.

        assert open_ones(made) == [3]


def test_peak_of_an_engine_does_not_shrink(made: list[FakeEngine]) -> None:
    """Of several peaks that are noted of one engine, the largest counts."""
    with EnginePool(folders(), memory_limit=2 * ESTIMATE) as pool:
        engine = pool.new(SMALL, MODEL, "cpu")
        for peak in (10, ESTIMATE + 1, 20):
            pool.note_memory(engine, Memory(peak, None))
        pool.new(LARGE, MODEL, "cpu")

        assert open_ones(made) == [1]


def test_failed_engine_takes_no_room(pool: EnginePool, made: list[FakeEngine]) -> None:
    """An engine whose process has ended takes no room in the pool."""
    pool.new(SMALL, MODEL, "cpu")
    handed_out(pool.new(SMALL, MODEL, "cpu")).fail(loaded=True)

    pool.new(LARGE, MODEL, "cpu")

    assert open_ones(made) == [0, 2]


def test_engine_found_dead_takes_no_room(pool: EnginePool, made: list[FakeEngine]) -> None:
    """An engine that turns out to be dead when its memory is asked for takes no room."""
    pool.new(SMALL, MODEL, "cpu")
    loaded(pool.new(SMALL, MODEL, "cpu")).is_dead = True

    pool.new(LARGE, MODEL, "cpu")

    assert open_ones(made) == [0, 2]


def test_machine_gives_half_of_its_memory() -> None:
    """The engines of a session may take half of the memory that the system has."""
    import psutil

    assert memory_limit_of_machine() == psutil.virtual_memory().total // 2


# The end


def test_case_s_end_closes_its_engines_and_no_others(made: list[FakeEngine]) -> None:
    """When a case is through, its engines end, whatever their set-up; those of others live on."""
    with EnginePool(folders(), memory_limit=9 * ESTIMATE) as pool:
        pool.new(SMALL, MODEL, "cpu")
        pool.new(LARGE, MODEL, "cpu")
        pool.new(SMALL, MODEL, "gpu")

        pool.end_case(SMALL)

        assert open_ones(made) == [1]
    assert [engine.closings for engine in made] == [1, 1, 1], "expected each to be closed once"


@pytest.mark.parametrize("error", [RuntimeError("it hangs"), KeyboardInterrupt()], ids=repr)
def test_engine_that_cannot_be_closed_keeps_no_other_open(
    made: list[FakeEngine], error: BaseException
) -> None:
    """An error or Ctrl-C while one engine is closed is raised when the others are closed."""
    with EnginePool(folders(), memory_limit=3 * ESTIMATE) as pool:
        for _ in range(3):
            pool.new(SMALL, MODEL, "cpu")
        made[1].cannot_close = error

        with pytest.raises(type(error)) as raised:
            pool.close()

        assert raised.value is error
        assert open_ones(made) == [1]
    assert open_ones(made) == []


def test_engine_that_cannot_be_closed_for_another_is_closed_later(
    pool: EnginePool, made: list[FakeEngine]
) -> None:
    """Ctrl-C while a pool makes room loses sight of no engine, and makes none."""
    handed_out(pool.new(SMALL, MODEL, "cpu")).cannot_close = KeyboardInterrupt()
    pool.new(SMALL, MODEL, "cpu")
    with pytest.raises(KeyboardInterrupt):
        pool.new(SMALL, MODEL, "cpu")
    assert len(made) == 2

    pool.close()

    assert open_ones(made) == []


def test_closed_pool_makes_no_engine(pool: EnginePool, made: list[FakeEngine]) -> None:
    """A closed pool makes no engine, and says so."""
    pool.close()

    with pytest.raises(RuntimeError, match=r"toy\[micro-good\]: the pool was closed; make engines"):
        pool.new(SMALL, MODEL, "cpu")

    assert made == []


@dataclass(frozen=True)
class Step:
    """Something that a session may do with a pool."""

    what: str
    case: Case
    threads: int
    number: int
    """Which of the engines so far, or how many bytes, as the step wants it."""


@pytest.mark.property
def test_pool_keeps_its_promises_whatever_happens(made: list[FakeEngine]) -> None:
    """The pool's limit, its order of eviction and its engines' set-up hold in every session.

    The limit holds whenever more than one engine lives. What is closed for another was made before
    all that stay. At the end all are closed.
    """
    from hypothesis import given
    from hypothesis import strategies as st

    steps = st.builds(
        Step,
        st.sampled_from(["new", "load", "fail", "fail to load", "close", "end"]),
        st.sampled_from([SMALL, LARGE]),
        st.sampled_from([1, 2]),
        st.integers(0, 20),
    )

    def bytes_of(engine: FakeEngine, largest: dict[Case, int]) -> int:
        return engine.peak if engine.loaded else largest.get(engine.case, ESTIMATE)

    @given(st.lists(steps, max_size=30), st.integers(1, 5 * ESTIMATE))
    def check(session: list[Step], limit: int) -> None:
        made.clear()
        largest: dict[Case, int] = {}
        with EnginePool(folders(), limit) as pool:
            for step in session:
                before = [engine for engine in made if not engine.closed]
                some = made[step.number % len(made)] if made else None
                if step.what == "new":
                    for engine in before:
                        if engine.loaded:
                            largest[engine.case] = max(engine.peak, largest.get(engine.case, 0))
                    got = handed_out(pool.new(step.case, MODEL, "cpu", step.threads))
                    assert (got.case, got.threads, got.closed) == (step.case, step.threads, False)
                    live = [engine for engine in made if not engine.closed]
                    evicted = [engine for engine in before if engine.closed]
                    assert evicted == before[: len(evicted)], (
                        "expected the engines that were made first to be closed"
                    )
                    taken = [bytes_of(engine, largest) for engine in live]
                    assert len(live) == 1 or sum(taken) <= limit, (
                        "expected engines within the limit"
                    )
                    if evicted:
                        last = bytes_of(evicted[-1], largest)
                        assert sum(taken) + last > limit, (
                            "expected no more engines to be closed than must"
                        )
                elif step.what == "end":
                    pool.end_case(step.case)
                    assert all(engine.closed for engine in made if engine.case == step.case)
                elif some is None or some.closed:
                    continue
                elif step.what == "load":
                    some.loaded, some.peak = True, max(some.peak, step.number * ESTIMATE // 10)
                elif step.what == "close":
                    some.close()
                else:
                    some.fail(loaded=step.what == "fail")
        assert open_ones(made) == []

    check()


# Real engines


def test_engines_of_several_cases_live_at_once(
    new_toy: Callable[[str], Engine], tmp_path: Path, audio: Audio
) -> None:
    """Real engines of two cases answer in turn; each is its own process, which the pool ends."""
    model = new_toy("good").model
    names = iter("abcd")

    def new_folder() -> Path:
        (folder := tmp_path / next(names)).mkdir()
        return folder

    with EnginePool(new_folder, memory_limit_of_machine()) as pool:
        engines = [pool.new(case, model, "cpu") for case in (SMALL, LARGE)]
        for _ in range(2):
            for engine in engines:
                engine.hear("clip", audio)
                assert engine.transcribe("clip", DecodeSettings()).text == "what the toy says"
        assert len(running_engines()) == 2

    assert running_engines() == []


def test_engine_that_died_unnoticed_takes_no_room(
    new_toy: Callable[[str], Engine], tmp_path: Path
) -> None:
    """A real engine that was killed while nothing was asked of it keeps no other from its place."""
    model = new_toy("good").model
    names = iter("abcd")

    def new_folder() -> Path:
        (folder := tmp_path / next(names)).mkdir()
        return folder

    with EnginePool(new_folder, memory_limit_of_machine()) as pool:
        killed = pool.new(SMALL, model, "cpu")
        killed.ready()
        (process,) = running_engines()
        process.kill()
        assert wait_until_gone(process.pid)

        other = pool.new(SMALL, model, "cpu")
        other.ready()

        assert isinstance(killed.failure, EngineError)
        assert "the engine was ended by SIGKILL" in str(killed.failure)
        assert other.failure is None


@pytest.mark.parametrize(("verified", "left"), [(True, {"call-1": "whole"}), (False, {})])
def test_what_a_killed_engine_left_half_written_is_found_by_no_other(
    model: VerifiedModel,
    audio: Audio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verified: bool,
    left: dict[str, str],
) -> None:
    """A file that a killed engine left half written is found by no other engine.

    What was there when its load was verified stays, or else what was there before its start. mlx's
    compiler leaves a part of a file if it is killed, and mlx would load that ever after.
    """
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:LateToy")
    case = Case("toy", "micro", "recompiles")
    names = iter("abcdef")

    def new_folder() -> Path:
        (folder := tmp_path / next(names)).mkdir()
        return folder

    def found(engine: Engine) -> object:
        engine.hear("clip", audio)
        return json.loads(engine.transcribe("clip", DecodeSettings()).text)

    with EnginePool(new_folder, memory_limit_of_machine()) as pool:
        killed, living = pool.new(case, model, "cpu"), pool.new(case, model, "cpu")
        for step in (killed.lay_out, killed.launch, killed.import_library, killed.load):
            step()
        assert found(killed) == {}
        if verified:
            killed.verify_load()
        living.ready()

        with pytest.raises(EngineError, match="ended by SIGKILL"):
            killed.transcribe("clip", DecodeSettings())

        assert found(living) == left
        living.close()
        (next_one := pool.new(case, model, "cpu")).ready()
        assert found(next_one) == {"call-1": "whole"}


def test_engine_on_a_cpu_has_room_however_little_a_gpu_has(made: list[FakeEngine]) -> None:
    """An engine on a CPU has the room of the host's memory, however little a GPU has."""
    with EnginePool(folders(), 3 * ESTIMATE, accelerator_memory=2) as pool:
        engine = pool.new(SMALL, MODEL, "cpu")
        loaded(engine, ESTIMATE)

        assert pool.room_for(engine) == 3
    assert len(made) == 1
