"""The processes of one case: the unit of which a measurement needs several."""

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
    """The engines of one case with one set-up, which all its tests share.

    They are started one after another, each in the same way, whichever tests are selected: launch,
    import, load, first call with `clip`, peak of the memory, verification. So their starts are what
    the tests of starts measure.

    They live at once, as far as there is memory for them, going by the peak of the first. Where
    there is too little, there are fewer; where the user has chosen their number, one lives at a
    time, and each test starts them anew. There are fewer, too, where a start other than the first
    takes longer than its limit.
    """

    new_engine: Callable[[], Engine]
    room_for: Callable[[Engine], int]
    """How many engines like one that has loaded may live at once; at least 1."""

    wanted: int
    rules: Rules
    clip: Clip
    audio: Audio
    settings: DecodeSettings
    listener: Listener = field(default_factory=Listener)
    """Told of each step of the starts and of the timed calls."""

    end_engines: Callable[[], None] = lambda: None
    """Ends every engine of the case, also those of another set-up."""

    timed_out: int = 0
    """How many starts took longer than their limit, so that there are fewer processes."""

    _starts: list[Started] = field(default_factory=list)
    _engines: list[Engine] = field(default_factory=list)
    _count: int = 0
    _one_by_one: bool = False
    _failure: Exception | None = None

    @property
    def count(self) -> int:
        """How many processes there are, once the first one has told what memory it takes."""
        return self._count or self.wanted

    def starts(self) -> Sequence[Started]:
        """Return the first start of each process; starts those that have not been.

        Where one fails, every further call fails as well: a new one would fare no better. One that
        takes too long costs no more than its own process, if another was started before it.
        """
        self._start_until(None)
        return self._starts

    def _start_until(self, most: int | None) -> None:
        """Start processes that have not been started until there are so many; None: all."""
        if self._failure:
            raise self._failure
        try:
            while len(self._starts) < (self.count if most is None else most):
                try:
                    started = self._start(len(self._starts))
                except EngineTimeoutError:
                    if not self._starts:
                        raise
                    self._count -= 1
                    self.timed_out += 1
                    continue
                self._starts.append(started)
                self._engines.append(started.engine)
                if not self._count:
                    self._decide(self.room_for(started.engine))
        except Exception as error:
            self._failure = error
            raise

    @property
    def begun(self) -> Sequence[Started]:
        """The first start of each process that has been started so far."""
        return self._starts

    def first(self) -> Engine:
        """Return the engine of the first process, which has transcribed before; start no other."""
        self._start_until(1)
        return self._open(0)

    def starts_from_disk(self) -> Sequence[Started]:
        """Start each process once more, while the system's memory holds none of the model's files.

        One engine of the case lives at a time, and none when this returns, as those that have the
        files mapped keep them in memory. Tests that come later start theirs anew.

        Raises:
            FilesInMemoryError: The files cannot be taken out of the system's memory here.
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

        One that failed after its start, or was ended to make room for others, is started anew.
        """
        for number, _ in enumerate(self.starts()):
            yield self._open(number)

    def _open(self, number: int) -> Engine:
        """Return the engine of a process, started anew where it was closed."""
        if self._engines[number].closed:
            self._engines[number] = self._start(number).engine
        return self._engines[number]

    def _decide(self, room: int) -> None:
        """Decide how many processes there are, and whether one lives at a time."""
        chosen = self.rules.processes is not None
        self._one_by_one = chosen and room < self.wanted
        self._count = self.wanted if chosen else min(self.wanted, room)

    def _start(self, number: int, *, cold_files: bool = False) -> Started:
        if self._one_by_one:
            for engine in self._engines:
                engine.close()

        def tell(activity: Activity) -> None:
            self.listener.tell(Step(activity, number + 1, self.count))

        return time_start(
            *(self.new_engine(), number, self.clip, self.audio, self.settings, self.rules, tell),
            cold_files=cold_files,
        )


def peak_memory(starts: Sequence[Started]) -> Memory:
    """Return the highest peak of the host's memory, and of the accelerator's, of some starts."""
    peaks = [start.memory for start in starts]
    known = [peak.accelerator for peak in peaks if peak.accelerator is not None]
    return Memory(max(peak.footprint for peak in peaks), max(known, default=None))
