"""Lets two sides transcribe a clip in turns, in blocks of fresh engines.

The seconds of the first turn, which is discarded, decide how many turns each block has. The
interval after LOOKS blocks, and the time that is left, decide whether there is a further block. The
use of the machine by other processes decides whether a turn is taken again or left out; the seconds
of the turn never do.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from whisper_speedtest.measure.calls import time_empty_calls
from whisper_speedtest.measure.clock import seconds_of
from whisper_speedtest.measure.comparing import (
    PairedRatio,
    are_too_few,
    blocks_of,
    is_due,
    ratio_in,
)
from whisper_speedtest.measure.contention import ContentionMeter, is_contaminated
from whisper_speedtest.measure.measures import Verdict
from whisper_speedtest.measure.protocol import LEAST_TURNS, LOOKS, RETAKES, TURNS, Rules
from whisper_speedtest.measure.reading import read
from whisper_speedtest.measure.samples import Turn
from whisper_speedtest.measure.starts import time_start
from whisper_speedtest.measure.steps import Activity, Listener, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Audio, DecodeSettings, Transcript
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.speech.clip import Clip

SPARE_BLOCKS = 4
"""How many blocks may fail to count, because other processes used the machine."""

REST_WINDOW = 0.005
"""Seconds over which the CPU time of an engine is measured, to see whether it rests."""

MOST_REST_WINDOWS = 200
"""How often that is measured before a call. Then the call is made in any case."""

RESTING = 0.1
"""CPU seconds per second: an engine that uses less has no thread that still spins."""


class TooLongError(Exception):
    """A comparison would take longer than it may."""


class NoRoomError(Exception):
    """The engines of both sides do not fit into the memory at once."""


class Pair(NamedTuple):
    """The two engines of a block."""

    ours: Engine
    baseline: Engine


@dataclass(frozen=True, slots=True)
class Sides:
    """How to make an engine of each side, and what the engines transcribe."""

    ours: Callable[[], Engine]
    baseline: Callable[[], Engine]
    first_clip: Clip
    first_audio: Audio
    """The samples of `first_clip`, which each engine transcribes as the last step of its start."""

    clip: Clip
    audio: Audio
    settings: DecodeSettings


@dataclass(slots=True)
class RunningComparison:
    """The turns of a comparison so far, and what follows from them."""

    planned: int = TURNS
    """How many turns each block is to have."""

    turns: list[Turn] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
    baseline_transcripts: list[Transcript] = field(default_factory=list)
    last: Pair | None = None
    """The engines of the last block. They are closed, but still know how they computed."""

    empty_call: float | None = None
    """Seconds of a call through our engine of the last block that transcribes nothing."""

    @property
    def blocks(self) -> list[float]:
        """The estimate of each block that counts, as a logarithm."""
        return blocks_of(self.turns, self.planned)

    @property
    def is_busy(self) -> bool:
        """Whether too few blocks count for a verdict, because other processes used the machine."""
        return are_too_few(self.turns, self.planned)

    @property
    def ratio(self) -> PairedRatio:
        """The ratio of the blocks that count; if the comparison is busy, of all its turns."""
        return ratio_in(self.turns, self.planned)

    def verdict(self, limit: float) -> Verdict:
        """Return whether we are slower than a limit, as a share; a busy comparison is undecided."""
        return Verdict.UNDECIDED if self.is_busy else self.ratio.verdict(limit)


def compare(
    sides: Sides,
    rules: Rules,
    *,
    limit: float,
    minutes: float,
    seed: str,
    listener: Listener | None = None,
) -> RunningComparison:
    """Let two sides take turns until the interval of their ratio lies on one side of the limit.

    The comparison also ends after the last of LOOKS, after more than SPARE_BLOCKS that do not
    count, and where a further block would exceed `minutes`. The seed decides the order of calls.

    Raises:
        TooLongError: The blocks before the first of LOOKS would exceed `minutes`.
        NoRoomError: The engines of both sides do not fit into the memory at once.
    """
    comparison = RunningComparison()
    order = random.Random(seed)
    listener = listener or Listener()
    end = time.monotonic() + 60 * minutes
    longest = 0.0  # seconds that a block has taken
    counted = 0
    for number in count():
        begin = time.monotonic()
        if number >= LOOKS[0] and begin + longest > end:
            break
        _Block(sides, rules, comparison, order, listener, number).take(minutes)
        longest = max(longest, time.monotonic() - begin)
        before, counted = counted, len(comparison.blocks)
        if counted == before:
            if number + 1 - counted > SPARE_BLOCKS:
                break
        elif is_due(counted):
            is_decided = comparison.verdict(limit) is not Verdict.UNDECIDED
            if is_decided or counted == LOOKS[-1]:
                break
    return comparison


class _Block:
    """Takes the turns of one block, with a fresh engine of each side."""

    def __init__(
        self,
        sides: Sides,
        rules: Rules,
        comparison: RunningComparison,
        order: random.Random,
        listener: Listener,
        number: int,
    ) -> None:
        self._sides = sides
        self._rules = rules
        self._comparison = comparison
        self._order = order
        self._listener = listener
        self._number = number

    def take(self, minutes: float) -> None:
        """Start both engines, take one turn that is discarded, and then those that count."""
        pair = Pair(self._sides.ours(), self._sides.baseline())
        self._comparison.last = pair
        if pair.ours.closed:
            raise NoRoomError(
                f"expected room in memory for an engine of {pair.ours.label} and one of "
                f"{pair.baseline.label} at once, got room for one; choose a smaller size"
            )
        begin = time.monotonic()
        try:
            for engine in self._shuffled(pair):
                self._start(engine)
            started = time.monotonic()
            self._tell(Activity.UNTIMED_CALL)
            for engine in self._shuffled(pair):
                self._transcribe(engine)
            if self._number == 0:
                self._plan(started - begin, time.monotonic() - started, minutes)
            self._take_turns(pair)
            self._make_empty_calls(pair)
        finally:
            for engine in pair:
                engine.close()

    def _shuffled(self, pair: Pair) -> list[Engine]:
        """Return both engines in an order that the seed decides."""
        engines = list(pair)
        self._order.shuffle(engines)
        return engines

    def _start(self, engine: Engine) -> None:
        """Start an engine as any other process is started, and hand the audio over."""
        sides, rules = self._sides, self._rules
        time_start(
            engine,
            self._number,
            sides.first_clip,
            sides.first_audio,
            sides.settings,
            rules,
            self._tell,
        )
        with engine.limited(rules.call_limit(engine.case, sides.clip.seconds)):
            engine.hear(sides.clip.name, sides.audio)

    def _plan(self, start: float, turn: float, minutes: float) -> None:
        """Decide how many turns each block has, by the seconds of the first starts and first turn.

        The blocks before the first of LOOKS have to fit into the minutes, discarded turns included.
        """
        room = 60 * minutes / LOOKS[0] - start
        self._comparison.planned = min(TURNS, int(room / turn) - 1)
        if self._comparison.planned < LEAST_TURNS:
            needed = ceil(LOOKS[0] * (start + (LEAST_TURNS + 1) * turn) / 60)
            raise TooLongError(
                f"a comparison takes about {needed} minutes at least, as its first turn took "
                f"{turn:.0f} s and its engines {start:.0f} s to start: expected at most "
                f"{minutes:g}; choose --minutes={needed} or more"
            )

    def _take_turns(self, pair: Pair) -> None:
        """Take the turns of the block, half of them with the baseline first."""
        planned = self._comparison.planned
        baseline_is_first = [number % 2 == 0 for number in range(planned)]
        self._order.shuffle(baseline_is_first)
        for number, baseline_first in enumerate(baseline_is_first, start=1):
            for attempt in range(1 + RETAKES):
                self._tell(Activity.TIMED_CALL, number, planned, again=attempt > 0)
                turn = self._turn(pair, baseline_first=baseline_first)
                self._comparison.turns.append(turn)
                if not turn.contaminated:
                    break

    def _turn(self, pair: Pair, *, baseline_first: bool) -> Turn:
        """Time one call of each side, one right after the other."""
        order = (pair.baseline, pair.ours) if baseline_first else (pair.ours, pair.baseline)
        seconds: dict[Engine, float] = {}
        contaminated = False
        for engine, other in zip(order, reversed(order), strict=True):
            await_rest(other)
            meter = ContentionMeter(engine.pid)
            seconds[engine] = self._transcribe(engine)
            allowed = self._rules.most_beside(engine)
            contaminated |= is_contaminated(meter.end(), seconds[engine], allowed)
        return Turn(
            block=self._number,
            baseline_first=baseline_first,
            seconds=seconds[pair.ours],
            baseline_seconds=seconds[pair.baseline],
            contaminated=contaminated,
        )

    def _make_empty_calls(self, pair: Pair) -> None:
        """Time empty calls of our side: another checkout's engines may know none."""
        clip, settings = self._sides.clip, self._sides.settings
        self._tell(Activity.EMPTY_CALLS)
        await_rest(pair.baseline)
        self._comparison.empty_call = time_empty_calls(pair.ours, clip.name, settings)

    def _transcribe(self, engine: Engine) -> float:
        """Let an engine transcribe the clip, and return the seconds of that call."""
        clip, settings, comparison = self._sides.clip, self._sides.settings, self._comparison
        assert comparison.last is not None
        is_ours = engine is comparison.last.ours
        transcripts = comparison.transcripts if is_ours else comparison.baseline_transcripts
        with engine.limited(self._rules.call_limit(engine.case, clip.seconds)):
            return seconds_of(lambda: transcripts.append(engine.transcribe(clip.name, settings)))

    def _tell(
        self, activity: Activity, call: int = 0, calls: int = 0, *, again: bool = False
    ) -> None:
        """Tell the listener of a step in this block, which stands for a process."""
        step = Step(activity, self._number + 1, LOOKS[-1], call, calls, again)
        self._listener.tell(step)


def await_rest(engine: Engine) -> None:
    """Wait until an engine that has made its call uses no processor any more.

    Threads that share a computation spin after it, for up to 0.2 s in some libraries, so that the
    next one can begin at once. They would slow the other side down. After MOST_REST_WINDOWS the
    wait ends, even if threads still spin.
    """
    before = read(engine.pid)
    for _ in range(MOST_REST_WINDOWS):
        time.sleep(REST_WINDOW)
        now = read(engine.pid)
        if now.engine - before.engine < RESTING * (now.when - before.when):
            return
        before = now
