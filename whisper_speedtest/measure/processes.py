"""Starts and keeps the processes of one case; a process is the unit of replication."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whisper_speedtest.engine.errors import EngineTimeoutError
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.starts import time_start
from whisper_speedtest.measure.steps import Listener, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapters.base import Audio, DecodeSettings
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.protocol import Rules
    from whisper_speedtest.measure.starts import Started
    from whisper_speedtest.measure.steps import Activity
    from whisper_speedtest.speech.clip import Clip


@dataclass(slots=True)
class Processes:
    """The processes of one case on one device, each with an engine, which all tests share.

    They are started one after another, and always in the same way: launch, import, load, first call
    with `clip`, reading the peak of memory, verification. So the tests of starts measure the starts
    of these very processes.

    All engines live at once if the memory, going by the peak of the first one, has room for them.
    If it has not, there are fewer processes; but if the user has chosen their number, one engine
    lives at a time, and each test starts them anew. A process whose start takes longer than its
    limit is left out, unless it is the first.
    """

    new_engine: Callable[[], Engine]
    room_for: Callable[[Engine], int]
    """Returns how many engines like this one, whose model is loaded, have room; at least 1."""

    wanted: int
    rules: Rules
    clip: Clip
    audio: Audio
    settings: DecodeSettings
    listener: Listener = field(default_factory=Listener)
    """Is told of each step of the starts and of the timed calls."""

    end_engines: Callable[[], None] = lambda: None
    """Ends every engine of the case, also those with other settings."""

    timed_out: int = 0
    """How many processes were left out because their start took longer than its limit."""

    _starts: list[Started] = field(default_factory=list)
    _engines: list[Engine] = field(default_factory=list)
    _count: int = 0
    _one_by_one: bool = False
    _failure: Exception | None = None

    @property
    def count(self) -> int:
        """How many processes there are; before the first start, how many are wanted."""
        return self._count or self.wanted

    @property
    def starts(self) -> Sequence[Started]:
        """The first start of each process that has been started so far."""
        return self._starts

    def start_all(self) -> Sequence[Started]:
        """Start the processes that were not yet started; return the first start of each.

        After a start has failed, every further call raises its error, as another try would fail as
        well. A start that takes too long only loses its own process, unless it is the first.
        """
        self._start_until(None)
        return self._starts

    def _start_until(self, most: int | None) -> None:
        """Start processes until so many have been started; None: all of them."""
        if self._failure:
            raise self._failure
        try:
            # `count` is settled by the first start, and lowered by each one that takes too long.
            while len(self._starts) < (self.count if most is None else most):
                self._start_next()
        except Exception as error:
            self._failure = error
            raise

    def _start_next(self) -> None:
        """Start one more process, or leave it out if its start takes too long."""
        try:
            started = self._start(len(self._starts))
        except EngineTimeoutError:
            if not self._starts:
                raise
            self._count -= 1
            self.timed_out += 1
            return
        self._starts.append(started)
        self._engines.append(started.engine)
        if not self._count:
            self._decide_count(self.room_for(started.engine))

    def first(self) -> Engine:
        """Return the engine of the first process, which has transcribed, and start no other."""
        self._start_until(1)
        return self._open(0)

    def start_all_from_disk(self) -> Sequence[Started]:
        """Start each process once more, with none of the model's files in the page cache.

        Every engine of the case is ended before each start, and after the last one, as engines that
        have the files mapped keep them in the cache. Later tests start theirs anew.

        Raises:
            FilesInMemoryError: The files cannot be evicted from the page cache.
        """
        found = []
        try:
            for number in range(self.wanted):
                self.end_engines()
                found.append(self._start(number, cold_files=True))
        finally:
            self.end_engines()
        return found

    def each(self) -> Iterator[Engine]:
        """Yield the engine of each process, which has transcribed before.

        An engine that failed after its start, or was ended to make room, is started anew.
        """
        for number in range(len(self.start_all())):
            yield self._open(number)

    def _open(self, number: int) -> Engine:
        """Return the engine of a process, after starting it anew if it was closed."""
        if self._engines[number].closed:
            self._engines[number] = self._start(number).engine
        return self._engines[number]

    def _decide_count(self, room: int) -> None:
        """Decide how many processes there are, and whether one lives at a time.

        `room` is how many engines the memory has room for.
        """
        chosen_by_user = self.rules.processes is not None
        self._one_by_one = chosen_by_user and room < self.wanted
        self._count = self.wanted if chosen_by_user else min(self.wanted, room)

    def _start(self, number: int, *, cold_files: bool = False) -> Started:
        """Time the start of a new engine; close the others before if one lives at a time."""
        if self._one_by_one:
            for engine in self._engines:
                engine.close()

        def tell(activity: Activity) -> None:
            self.listener.tell(Step(activity, number + 1, self.count))

        return time_start(
            self.new_engine(),
            number,
            self.clip,
            self.audio,
            self.settings,
            self.rules,
            tell,
            cold_files=cold_files,
        )


def peak_memory(starts: Sequence[Started]) -> Memory:
    """Return the highest peaks of host memory and of accelerator memory among some starts."""
    peaks = [start.memory for start in starts]
    known = [peak.accelerator for peak in peaks if peak.accelerator is not None]
    return Memory(max(peak.footprint for peak in peaks), max(known, default=None))
