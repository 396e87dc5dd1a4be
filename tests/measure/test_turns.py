"""Two sides take turns: which calls are made in which order, what is left out, and when it ends."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pytest

from fixtures.audio import clips
from tests.helpers.fake_engine import CASE, FakeEngine
from tests.helpers.fake_processes import AUDIO, SETTINGS
from tests.measure.conftest import Machine
from whisper_speedtest.measure import starts, turns
from whisper_speedtest.measure.calls import EMPTY_CALLS
from whisper_speedtest.measure.measures import Verdict
from whisper_speedtest.measure.protocol import LEAST_TURNS, LOOKS, RETAKES, TURNS, Rules
from whisper_speedtest.measure.steps import Activity, Listener, Step
from whisper_speedtest.measure.turns import (
    NoRoomError,
    RunningComparison,
    Sides,
    TooLongError,
    await_rest,
    compare,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.base import DecodeSettings
    from tests.helpers.fake_engine import Clock
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.speech.clip import Clip

START = 8.5
"""Seconds of a fake's launch, import, load, hearing of two clips and first call; its verification
takes 1,000 more."""

BLOCK = 2 * (100 + START + 1000)
"""Seconds of the starts of a block."""


COMPARED = np.zeros(59_680, np.float32)
"""The samples of the clip that both sides are compared on."""


class FakeReading(NamedTuple):
    """As much of a reading as is looked at."""

    engine: float
    when: float


class Ear(Listener):
    """A listener that keeps the steps that it is told."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def tell(self, step: Step) -> None:
        self.steps.append(step)


@dataclass
class Court:
    """Makes the engines of both sides, and keeps them, with one log of all calls."""

    engine: FakeEngine
    clock: Clock
    seconds: Callable[[random.Random], tuple[float, float]]
    """Returns what a call takes, of ours and of the baseline."""

    made: list[FakeEngine] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)
    """Side and number of the block of each transcription but the first of an engine, in its start,
    which takes half a second."""

    clip: Clip = field(default_factory=lambda: clips()["short"])
    full: bool = False
    """Whether an engine is closed when the next is made."""

    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def make(self, side: str) -> Engine:
        """Return a fresh engine of a side, whose calls are written down."""
        made = FakeEngine(self.clock, self.engine.path, pid=100 + len(self.made))
        number = len(self.made) // 2
        if self.full and self.made:
            self.made[-1].closed = True

        def transcribe(key: str, settings: DecodeSettings) -> object:
            made.log.append(f"transcribe {key}")
            made.told.append((key, settings))
            if "verify_load" not in made.log:
                self.clock.take(0.5)
                return "the start heard it"
            self.calls.append((side, number))
            ours, baseline = self.seconds(self.chance)
            self.clock.take(ours if side == "ours" else baseline)
            return f"{side} heard it"

        made.transcribe = transcribe  # type: ignore[method-assign, assignment]
        self.made.append(made)
        return made.as_engine

    def compare(
        self,
        limit: float = 0.0,
        minutes: float = 10_000,
        listener: Listener | None = None,
        seed: str = "seed",
    ) -> RunningComparison:
        """Compare both sides on the clip."""
        sides = Sides(
            ours=lambda: self.make("ours"),
            baseline=lambda: self.make("baseline"),
            first_clip=clips()["short"],
            first_audio=AUDIO,
            clip=self.clip,
            audio=COMPARED,
            settings=SETTINGS,
        )
        return compare(sides, Rules(), limit=limit, minutes=minutes, seed=seed, listener=listener)


@pytest.fixture(name="court")
def _court(
    engine: FakeEngine, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[random.Random], tuple[float, float]]], Court]:
    """A function that makes a court of two sides, on a clock of its own."""
    clock = engine.clock
    monkeypatch.setattr("whisper_speedtest.measure.turns.time.monotonic", clock)
    monkeypatch.setattr("whisper_speedtest.measure.turns.time.sleep", clock.take)
    monkeypatch.setattr(turns, "ContentionMeter", machine.watch)
    monkeypatch.setattr(starts, "ContentionMeter", Machine().watch)
    monkeypatch.setattr(turns, "read", lambda pid: FakeReading(0.0, clock()))  # noqa: ARG005
    return lambda seconds: Court(engine, clock, seconds)


def noisy(ratio: float) -> Callable[[random.Random], tuple[float, float]]:
    """Return what calls take that differ by 1 %, where ours takes so many times as long."""
    return lambda chance: (chance.gauss(ratio, 0.01), chance.gauss(1, 0.01))


def test_clear_difference_ends_at_the_first_look(court: Callable[..., Court]) -> None:
    """A clear difference ends a comparison at the first look: after four blocks of ten turns."""
    it = court(noisy(1.5))

    found = it.compare()

    assert (len(found.turns), found.planned) == (4 * TURNS, 10)
    assert [turn.block for turn in found.turns] == [n for n in range(4) for _ in range(10)]
    assert found.ratio.ratio == pytest.approx(1.5, rel=0.02)
    assert found.verdict(0.0) is Verdict.SLOWER
    assert found.verdict(0.6) is Verdict.NOT_SLOWER
    assert len(it.made) == 8
    assert all(each.closed for each in it.made)
    assert not found.is_busy


def test_ratio_is_ours_over_the_baseline_s(court: Callable[..., Court]) -> None:
    """The ratio of a comparison is our time over the baseline's."""
    found = court(lambda _: (2.0, 4.0)).compare(limit=0.05)

    assert {(turn.seconds, turn.baseline_seconds) for turn in found.turns} == {(2.0, 4.0)}
    assert found.ratio.ratio == 0.5
    assert len(found.blocks) == LOOKS[0], "a faster side is as clear as a slower one"
    assert found.verdict(0.05) is Verdict.NOT_SLOWER


def test_equal_sides_go_on_to_the_last_look(court: Callable[..., Court]) -> None:
    """A comparison of equal sides goes on to the last look and ends undecided."""
    found = court(noisy(1.0)).compare()

    assert len(found.blocks) == LOOKS[-1]
    assert found.verdict(0.0) is Verdict.UNDECIDED


def test_each_block_begins_with_a_turn_that_does_not_count(court: Callable[..., Court]) -> None:
    """Each block begins with a turn that does not count, though its transcripts are kept."""
    it = court(noisy(1.5))

    it.compare()

    for block in range(4):
        sides = [side for side, number in it.calls if number == block]
        assert len(sides) == 2 * (1 + TURNS)
        assert sorted(sides[:2]) == ["baseline", "ours"]
    found = it.compare()
    heard = [list(map(str, each)) for each in (found.transcripts, found.baseline_transcripts)]
    count = 4 * (1 + TURNS)
    assert heard == [["ours heard it"] * count, ["baseline heard it"] * count], "not all are kept"


def test_engines_are_started_as_those_of_any_other_test(court: Callable[..., Court]) -> None:
    """Engines of a comparison are started as in any other test, before they hear its own clip."""
    it = court(noisy(1.5))
    it.clip = clips()["long"]

    it.compare()

    for each in it.made:
        steps = [step for step in each.log if "limited" not in step]
        assert steps[:9] == [
            *("lay_out", "launch", "import_library", "load", "hear short", "transcribe short"),
            *("memory", "verify_load", "hear long"),
        ]
        assert [step for step in steps[9:] if step != "echo long"] == (
            ["transcribe long"] * (1 + TURNS)
        )


def test_empty_calls_of_our_side_alone_follow_the_turns(court: Callable[..., Court]) -> None:
    """A baseline may be another checkout, whose engines know no such call."""
    it = court(noisy(1.5))

    found = it.compare()

    assert found.empty_call == pytest.approx(0.001)
    for ours, baseline in zip(it.made[::2], it.made[1::2], strict=True):
        steps = [step for step in ours.log if "limited" not in step]
        assert steps[-1 - EMPTY_CALLS :] == ["echo short"] * (1 + EMPTY_CALLS)
        assert steps[-2 - EMPTY_CALLS] == "transcribe short"
        assert "echo short" not in baseline.log


def test_both_sides_hear_the_clip_and_are_told_the_settings_that_are_compared(
    court: Callable[..., Court],
) -> None:
    """Both sides transcribe the clip that is compared, with the same settings, in every turn."""
    it = court(noisy(1.5))
    it.clip = clips()["long"]

    it.compare()

    for number, engine in enumerate(it.made):
        empty = 0 if number % 2 else 1 + EMPTY_CALLS  # of ours
        assert engine.sent == [("short", 16_000), ("long", 59_680)]
        assert engine.told == [("short", SETTINGS), *[("long", SETTINGS)] * (1 + TURNS + empty)]


def test_either_side_may_be_the_first_of_a_block(court: Callable[..., Court]) -> None:
    """Either side may be the first of a block."""
    it = court(noisy(1.0))

    it.compare()

    firsts = [next(side for side, number in it.calls if number == block) for block in range(12)]
    assert set(firsts) == {"ours", "baseline"}


def test_half_of_the_turns_begin_with_the_baseline_in_an_order_that_the_seed_decides(
    court: Callable[..., Court],
) -> None:
    """The baseline begins half of the turns of a block, in an order that the seed decides."""
    first, again, other = (court(noisy(1.5)).compare(seed=seed) for seed in ("a", "a", "b"))

    def orders(found: RunningComparison) -> list[tuple[bool, ...]]:
        return [
            tuple(turn.baseline_first for turn in found.turns if turn.block == block)
            for block in range(4)
        ]

    assert [sum(order) for order in orders(first)] == [5, 5, 5, 5]
    assert len(set(orders(first))) > 1
    assert orders(first) == orders(again)
    assert orders(first) != orders(other)


def test_order_of_a_turn_is_what_it_says(court: Callable[..., Court]) -> None:
    """A turn says which side made its first call."""
    it = court(noisy(1.5))

    found = it.compare()

    timed = [side for side, number in it.calls if number == 0][2:]
    firsts = ["baseline" if turn.baseline_first else "ours" for turn in found.turns[:TURNS]]
    assert timed[::2] == firsts
    assert timed[1::2] == ["ours" if side == "baseline" else "baseline" for side in firsts]


def test_clock_goes_round_the_call_alone(
    court: Callable[..., Court], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of a turn leaves out the time that setting and lifting a time limit takes."""
    seats = court(lambda _: (2.0, 1.0))

    @contextmanager
    def limited(engine: FakeEngine, _: float) -> Iterator[None]:
        engine.clock.take(10.0)
        yield
        engine.clock.take(10.0)

    monkeypatch.setattr(FakeEngine, "limited", limited)

    found = seats.compare()

    times = {(turn.seconds, turn.baseline_seconds) for turn in found.turns}
    assert times == {(2.0, 1.0)}, f"expected what the calls took, got {times}"


def test_call_waits_until_the_other_side_rests(
    court: Callable[..., Court], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call waits until the engine of the other side has come to rest."""
    it = court(noisy(1.5))
    rested: list[int] = []
    monkeypatch.setattr(turns, "await_rest", lambda engine: rested.append(engine.pid))

    it.compare()

    timed = [side for side, number in it.calls if number == 0][2:]
    pids = {"ours": it.made[0].pid, "baseline": it.made[1].pid}
    others = [pids["baseline" if side == "ours" else "ours"] for side in timed]
    assert rested[: 2 * TURNS] == others


@pytest.mark.parametrize("second_turn", [(0.0, 3.0), (3.0, 0.0), (3.0, 3.0)])
def test_contaminated_turn_is_taken_again(
    court: Callable[..., Court], machine: Machine, second_turn: tuple[float, float]
) -> None:
    """A turn with a contaminated call is taken again by both sides, in the same order."""
    machine.others = [0.0, 0.0, *second_turn, 0.0]
    it = court(noisy(1.5))

    found = it.compare()

    block = [turn for turn in found.turns if turn.block == 0]
    assert [turn.contaminated for turn in block] == [False, True, *[False] * 9]
    assert block[1].baseline_first == block[2].baseline_first
    assert len(found.blocks) == 4


def test_others_may_take_half_of_what_a_library_leaves_free(
    court: Callable[..., Court], machine: Machine
) -> None:
    """In a comparison, others may take half of what the library leaves free."""
    machine.free, machine.others = 2, [1.0]

    found = court(noisy(1.5)).compare()

    assert len(found.turns) == 4 * TURNS
    assert not found.is_busy


def test_turn_that_stays_contaminated_is_left_out(
    court: Callable[..., Court], machine: Machine
) -> None:
    """A turn that stays contaminated after its retakes is left out of its block."""
    machine.others = [*[3.0] * 2 * (1 + RETAKES), 0.0]
    ear = Ear()

    found = court(noisy(1.5)).compare(listener=ear)

    timed = [(step.call, step.again) for step in ear.steps if step.activity is Activity.TIMED_CALL]
    assert timed[:4] == [(1, False), (1, True), (1, True), (2, False)]

    block = [turn for turn in found.turns if turn.block == 0]
    assert [turn.contaminated for turn in block] == [*[True] * (1 + RETAKES), *[False] * 9]
    assert len(found.blocks) == 4


def test_busy_machine_is_given_up(court: Callable[..., Court], machine: Machine) -> None:
    """A comparison on a busy machine is given up after five blocks that do not count, undecided."""
    machine.others = [3.0]
    found = court(noisy(1.5)).compare()

    assert found.is_busy
    assert max(turn.block for turn in found.turns) == 4, "four spare ones, and the one to replace"
    assert found.verdict(0.0) is Verdict.UNDECIDED
    assert found.ratio.ratio == pytest.approx(1.5, rel=0.05), "the ratio of all turns"


def test_block_that_does_not_count_is_made_up_for(
    court: Callable[..., Court], machine: Machine
) -> None:
    """A block that does not count is made up for by a further block."""
    machine.others = [*[3.0] * 2 * (1 + RETAKES) * TURNS, 0.0]
    found = court(noisy(1.5)).compare()

    assert len(found.blocks) == 4
    assert {turn.block for turn in found.turns} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("blocks", [4, 5])
def test_it_ends_when_there_is_no_time_for_another_block(
    court: Callable[..., Court], blocks: int
) -> None:
    """A comparison ends when its minutes have no room for another block."""
    seconds = BLOCK + 22 * 1.02
    it = court(noisy(1.0))

    found = it.compare(minutes=(blocks + 0.5) * seconds / 60)

    assert len(found.blocks) == blocks
    assert found.verdict(0.0) is Verdict.UNDECIDED


@pytest.mark.parametrize(("minutes", "blocks"), [(187.5, 5), (187.4, 4)])
def test_block_that_fits_to_the_second_is_taken(
    court: Callable[..., Court], monkeypatch: pytest.MonkeyPatch, minutes: float, blocks: int
) -> None:
    """A block is taken if it fits into the minutes to the second."""
    monkeypatch.setattr(turns, "await_rest", lambda _: None)
    monkeypatch.setattr(turns, "time_empty_calls", lambda *_: 0.0)

    found = court(lambda _: (1.5, 1.5)).compare(minutes=minutes)

    assert len(found.blocks) == blocks


def test_blocks_before_the_first_look_are_taken_though_they_take_longer_than_planned(
    court: Callable[..., Court], machine: Machine
) -> None:
    """The blocks up to the first look are taken even if they take longer than the minutes."""
    machine.others = [*[3.0, 3.0, 0.0, 0.0] * TURNS * LOOKS[0], 0.0]

    found = court(noisy(1.5)).compare(minutes=LOOKS[0] * (BLOCK + 2.6 * (TURNS + 1)) / 60)

    assert len(found.blocks) == LOOKS[0]
    assert len(found.turns) == 2 * TURNS * LOOKS[0]


def test_time_is_kept_for_a_block_as_long_as_the_longest(
    court: Callable[..., Court], machine: Machine
) -> None:
    """A further block is taken only if one as long as the longest so far would fit."""
    machine.others = [*[3.0, 3.0, 0.0, 0.0] * TURNS, 0.0]
    usual, longest = BLOCK + 22, BLOCK + 42

    found = court(lambda _: (1.0, 1.0)).compare(minutes=(4 * usual + longest + 10) / 60)

    assert len(found.blocks) == LOOKS[0]


@pytest.mark.parametrize("fit", [LEAST_TURNS, 5])
def test_long_calls_get_fewer_turns(court: Callable[..., Court], fit: int) -> None:
    """Long calls get fewer turns: as many as fit into a quarter of the minutes."""
    minutes = 4 * (BLOCK + (1.5 + fit) * 200) / 60

    found = court(lambda _: (100.0, 100.0)).compare(minutes=minutes)

    assert found.planned == fit
    block = [turn for turn in found.turns if turn.block == 1]
    assert len(block) == fit
    firsts = sum(turn.baseline_first for turn in block)
    assert firsts == fit // 2 + 1, "of an odd number, the baseline begins one turn more"


def test_first_turn_alone_decides_how_many_there_are(court: Callable[..., Court]) -> None:
    """The first turn alone decides how many turns a block has."""
    it: Court = court(lambda _: (100.0, 100.0) if it.calls[-1][1] == 0 else (160.0, 160.0))

    found = it.compare(minutes=4 * (BLOCK + 6.5 * 200) / 60)

    assert found.planned == 5
    assert [turn.block for turn in found.turns] == [n for n in range(4) for _ in range(5)]


def test_comparison_that_takes_too_long_is_refused_after_its_first_turn(
    court: Callable[..., Court],
) -> None:
    """A comparison that takes too long is refused after one turn, with the minutes it needs."""
    it = court(lambda _: (600.0, 600.0))

    with pytest.raises(TooLongError) as refused:
        it.compare(minutes=60)

    assert str(refused.value) == (
        "a comparison takes about 468 minutes at least, as its first turn took 1200 s and its "
        "engines 2217 s to start: expected at most 60; choose --minutes=468 or more"
    )
    assert len(it.calls) == 2
    assert all(each.closed for each in it.made)


def test_sides_that_do_not_fit_into_memory_are_refused(court: Callable[..., Court]) -> None:
    """A comparison whose sides do not fit into memory at once is refused."""
    it = court(noisy(1.0))
    it.full = True

    with pytest.raises(
        NoRoomError, match=r"expected room in memory for an engine of .*\[micro-fp16"
    ):
        it.compare()


def test_limits_are_those_of_each_start_and_call(court: Callable[..., Court]) -> None:
    """Each start and each call of a comparison has its own time limit."""
    it = court(noisy(1.5))
    it.clip = replace(clips()["long"], seconds=600.0)

    it.compare()

    rules = Rules()
    limits = [line for line in it.made[0].log if line.startswith("limited")]
    start, call = rules.start_limit(CASE), rules.call_limit(CASE, 600.0)
    assert call > rules.call_limit(CASE, 0.0), "the limit grows with the audio"
    assert limits == [
        *[f"limited to {start:g} s"] * 2,  # up to the first call, and for the verification
        *[f"limited to {call:g} s"] * (1 + 1 + TURNS),  # for the audio, and for each call
    ]


def test_steps_are_told(court: Callable[..., Court]) -> None:
    """The steps of a comparison are told with block and turn in place of process and call."""
    ear = Ear()

    court(noisy(1.5)).compare(listener=ear)

    first = [step for step in ear.steps if step.process == 1]
    assert [step.activity for step in first[:12]] == [
        Activity.LAY_OUT,
        Activity.LAUNCH,
        Activity.IMPORT,
        Activity.LOAD,
        Activity.FIRST_CALL,
        Activity.VERIFY,
    ] * 2
    assert first[12] == Step(Activity.UNTIMED_CALL, 1, LOOKS[-1])
    assert first[13] == Step(Activity.TIMED_CALL, 1, LOOKS[-1], 1, TURNS)
    assert first[-2] == Step(Activity.TIMED_CALL, 1, LOOKS[-1], TURNS, TURNS)
    assert first[-1] == Step(Activity.EMPTY_CALLS, 1, LOOKS[-1])
    assert ear.steps[-1].process == 4


@pytest.mark.parametrize(
    ("busy", "looks"), [([0.0], 1), ([0.005, 0.005, 0.0004], 3), ([0.005] * 500, 200)]
)
def test_engine_that_has_answered_is_left_to_rest(
    monkeypatch: pytest.MonkeyPatch, engine: FakeEngine, busy: list[float], looks: int
) -> None:
    """An engine that has answered is left to rest, for a second at most."""
    clock, spent, left = engine.clock, [0.0], busy.copy()
    begin = clock()

    def sleep(seconds: float) -> None:
        clock.take(seconds)
        spent[0] += left.pop(0)

    monkeypatch.setattr("whisper_speedtest.measure.turns.time.sleep", sleep)
    monkeypatch.setattr(turns, "read", lambda _: FakeReading(spent[0], clock()))

    await_rest(cast("Engine", replace(engine)))

    assert clock() - begin == pytest.approx(looks * turns.REST_WINDOW)
