"""Two sides that transcribe a clip in turns, in blocks of fresh engines.

How many turns a block has is decided by what the first, discarded, turn takes; whether there is a
further block, by the interval after LOOKS blocks and by the time that is left. Whether a turn is
taken again, or left out, is decided by what others did to the machine meanwhile, and never by what
the turn took.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

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
"""How many blocks may be taken that do not count, as others used the machine meanwhile."""

REST = 0.005
"""Seconds of a look at whether an engine rests."""

MOST_LOOKS = 200
"""How often that is looked at before a call; then the call is made all the same."""

RESTING = 0.1
"""CPU seconds a second: an engine that takes less has no thread that still spins."""


class TooLongError(Exception):
    """A comparison that would take longer than it may."""


class NoRoomError(Exception):
    """The engines of both sides do not fit into the memory at once."""


class Pair(NamedTuple):
    """Something of each side."""

    ours: Engine
    baseline: Engine


@dataclass(frozen=True, slots=True)
class Sides:
    """How to make a fresh engine of each side, and what they transcribe."""

    ours: Callable[[], Engine]
    baseline: Callable[[], Engine]
    first_clip: Clip
    first_audio: Audio
    """What each engine transcribes as the last step of its start."""

    clip: Clip
    audio: Audio
    settings: DecodeSettings


@dataclass(slots=True)
class RunningComparison:
    """What a comparison has come to so far."""

    planned: int = TURNS
    """Turns of each block."""

    turns: list[Turn] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
    baseline_transcripts: list[Transcript] = field(default_factory=list)
    last: Pair | None = None
    """The engines of the last block, which are closed, and tell how and where they computed."""

    @property
    def blocks(self) -> list[float]:
        """What each block tells that counts."""
        return blocks_of(self.turns, self.planned)

    @property
    def is_busy(self) -> bool:
        """Whether too few blocks count for a verdict, since others used the machine meanwhile."""
        return are_too_few(self.turns, self.planned)

    @property
    def ratio(self) -> PairedRatio:
        """What the blocks tell that count; of a busy comparison, all turns of all blocks."""
        return ratio_in(self.turns, self.planned)

    def verdict(self, limit: float) -> Verdict:
        """Return what the comparison says of a limit."""
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
    """Let two sides take turns until it is decided which side of the limit their ratio lies on.

    It ends after the last of LOOKS as well, and where a further block would take longer than the
    minutes that it may. The seed decides the order of the calls.

    Raises:
        TooLongError: The first blocks alone would take longer than the minutes.
        NoRoomError: The engines of both sides do not fit into the memory at once.
    """
    found = RunningComparison()
    order, listener = random.Random(seed), listener or Listener()
    end, longest, done = time.monotonic() + 60 * minutes, 0.0, 0
    for number in count():
        begin = time.monotonic()
        if number >= LOOKS[0] and begin + longest > end:
            break
        _Block(sides, rules, found, order, listener, number).take(minutes)
        longest = max(longest, time.monotonic() - begin)
        before, done = done, len(found.blocks)
        if done == before:
            if number + 1 - done > SPARE_BLOCKS:
                break
        elif is_due(done) and (done == LOOKS[-1] or found.verdict(limit) is not Verdict.UNDECIDED):
            break
    return found


class _Block:
    """A fresh engine of each side, and the turns that they take."""

    def __init__(
        self,
        sides: Sides,
        rules: Rules,
        found: RunningComparison,
        order: random.Random,
        listener: Listener,
        number: int,
    ) -> None:
        self._sides = sides
        self._rules = rules
        self._found = found
        self._order = order
        self._listener = listener
        self._number = number

    def take(self, minutes: float) -> None:
        """Start both engines, take a turn that does not count, then those that do."""
        pair = Pair(self._sides.ours(), self._sides.baseline())
        self._found.last = pair
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
        finally:
            for engine in pair:
                engine.close()

    def _shuffled(self, pair: Pair) -> list[Engine]:
        engines = list(pair)
        self._order.shuffle(engines)
        return engines

    def _start(self, engine: Engine) -> None:
        """Start an engine as any other process is started, and hand the audio over."""
        sides, rules = self._sides, self._rules
        time_start(
            *(engine, self._number, sides.first_clip, sides.first_audio, sides.settings, rules),
            self._tell,
        )
        with engine.limited(rules.call_limit(engine.case, sides.clip.seconds)):
            engine.hear(sides.clip.name, sides.audio)

    def _plan(self, start: float, turn: float, minutes: float) -> None:
        """Decide how many turns each block has, by what the first start and turn have taken.

        The blocks before the first look are to fit into the minutes, with their discarded turns.
        """
        room = 60 * minutes / LOOKS[0] - start
        self._found.planned = min(TURNS, int(room / turn) - 1)
        if self._found.planned < LEAST_TURNS:
            needed = ceil(LOOKS[0] * (start + (LEAST_TURNS + 1) * turn) / 60)
            raise TooLongError(
                f"a comparison takes about {needed} minutes at least, as its first turn took "
                f"{turn:.0f} s and its engines {start:.0f} s to start: expected at most "
                f"{minutes:g}; choose --minutes={needed} or more"
            )

    def _take_turns(self, pair: Pair) -> None:
        """Take the turns of the block, half of them with the baseline first."""
        planned = self._found.planned
        firsts = [turn % 2 == 0 for turn in range(planned)]
        self._order.shuffle(firsts)
        for number, baseline_first in enumerate(firsts):
            for attempt in range(1 + RETAKES):
                self._tell(Activity.TIMED_CALL, number + 1, planned, again=attempt > 0)
                turn = self._turn(pair, baseline_first=baseline_first)
                self._found.turns.append(turn)
                if not turn.contaminated:
                    break

    def _turn(self, pair: Pair, *, baseline_first: bool) -> Turn:
        """Let both sides make a call, one right after the other."""
        order = (pair.baseline, pair.ours) if baseline_first else (pair.ours, pair.baseline)
        taken: dict[Engine, float] = {}
        contaminated = False
        for engine, other in zip(order, reversed(order), strict=True):
            await_rest(other)
            watch = ContentionMeter(engine.pid)
            seconds = taken[engine] = self._transcribe(engine)
            allowed = self._rules.most_beside(engine)
            contaminated |= is_contaminated(watch.end(), seconds, allowed)
        return Turn(
            block=self._number,
            baseline_first=baseline_first,
            seconds=taken[pair.ours],
            baseline_seconds=taken[pair.baseline],
            contaminated=contaminated,
        )

    def _transcribe(self, engine: Engine) -> float:
        """Let an engine make one call; return what the call alone takes, in seconds."""
        clip, settings, found = self._sides.clip, self._sides.settings, self._found
        assert found.last is not None
        heard = found.transcripts if engine is found.last.ours else found.baseline_transcripts
        with engine.limited(self._rules.call_limit(engine.case, clip.seconds)):
            return seconds_of(lambda: heard.append(engine.transcribe(clip.name, settings)))

    def _tell(
        self, activity: Activity, call: int = 0, calls: int = 0, *, again: bool = False
    ) -> None:
        step = Step(activity, self._number + 1, LOOKS[-1], call, calls, again)
        self._listener.tell(step)


def await_rest(engine: Engine) -> None:
    """Wait until an engine that has answered takes no processor from the other side.

    Threads that share a computation spin for a while after it, up to 0.2 s in some libraries, for
    the next to begin at once. A library whose threads never rest is not waited for.
    """
    before = read(engine.pid)
    for _ in range(MOST_LOOKS):
        time.sleep(REST)
        now = read(engine.pid)
        if now.engine - before.engine < RESTING * (now.when - before.when):
            return
        before = now
