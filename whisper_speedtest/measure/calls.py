"""Timed calls of the processes of a case: of one clip, and of each clip of a corpus."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from whisper_speedtest.measure.clock import seconds_of
from whisper_speedtest.measure.contention import ContentionMeter, averaged, is_contaminated
from whisper_speedtest.measure.protocol import MOST_CALLS, RETAKES, UNTIMED_SECONDS
from whisper_speedtest.measure.samples import Repeats, Sample
from whisper_speedtest.measure.steps import Activity, Listener, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.base import Audio, DecodeSettings, Transcript
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.contention import Contention
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.protocol import Rules
    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus

EMPTY_CALLS = 21
"""How many empty calls tell what a call through an engine costs; odd, so that one is the median."""

BURST_SECONDS = 0.25
"""Calls that are shorter are made one right after another until they have taken so long together:
systems count processor time in steps of 10 ms, which says too little of one brief call."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What timed calls took, and what was heard in each of them."""

    repeats: Repeats
    samples: tuple[Sample, ...]
    transcripts: tuple[Transcript, ...]
    empty_call: float
    """What a call through the engine costs by itself, in seconds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one call made of one clip of a corpus."""

    clip: Clip
    seconds: float
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class CorpusCalls:
    """What the calls took that transcribed a corpus, each clip once."""

    repeats: Repeats
    sample: Sample
    """Of all calls together."""

    heard: tuple[Heard, ...]


def time_calls(
    processes: Processes,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
    pause: float = 0.0,
) -> Calls:
    """Time transcriptions of a clip by each of a case's processes; then some empty calls.

    The first timed call tells how many of them there will be. With a `pause`, in seconds, none of
    the processes computes anything for so long before each of them.
    """
    rules = processes.rules
    tell = processes.listener.tell
    taken = _Taken(clip, audio, settings, rules, processes.listener, pause)
    count = calls = 0
    for number, engine in enumerate(processes.each()):
        count = count or processes.count
        tell(Step(Activity.UNTIMED_CALL, number + 1, count))
        taken.prepare(engine, processes)
        done = taken.time(engine, Step(Activity.TIMED_CALL, number + 1, count, 1, calls), 1)
        if number == 0:
            first = taken.samples[-1].seconds
            count, calls = rules.repeats(first, processes.count, engine.device, pause)
        while done < calls:
            step = Step(Activity.TIMED_CALL, number + 1, count, done + 1, calls)
            done += taken.time(engine, step, calls - done)
        if number + 1 == count:
            break
    tell(Step(Activity.EMPTY_CALLS, count, count))
    empty_call = time_empty_calls(engine, clip, settings)
    repeats = Repeats(
        processes=count,
        calls=calls,
        max_others=rules.max_others,
        budget=None if rules.calls else rules.budget_on(engine.device),
        pause=pause,
        chosen=rules.chosen,
        timed_out=processes.timed_out,
    )
    return Calls(repeats, tuple(taken.samples), tuple(taken.transcripts), empty_call)


class _Taken:
    """The samples of one measurement, as they are taken."""

    def __init__(
        self,
        clip: Clip,
        audio: Audio,
        settings: DecodeSettings,
        rules: Rules,
        listener: Listener,
        pause: float,
    ) -> None:
        self.samples: list[Sample] = []
        self.transcripts: list[Transcript] = []
        self._clip = clip
        self._audio = audio
        self._settings = settings
        self._rules = rules
        self._listener = listener
        self._pause = pause
        self._idle_since = 0.0

    def prepare(self, engine: Engine, processes: Processes) -> None:
        """Hand the audio over, and make the untimed calls that stand right before timed ones.

        On a GPU they are the same as these, since the first of its kind may compile something, and
        the first after a pause is slow. On a CPU they are of the clip that every process began
        with.
        """
        limit = self._rules.call_limit(engine.case, self._clip.seconds)
        clip = self._clip if engine.device == "gpu" else processes.clip
        with engine.limited(limit):
            engine.hear(self._clip.name, self._audio)
        _settle(engine, clip.name, self._settings, limit)
        self._idle_since = time.perf_counter()

    def time(self, engine: Engine, step: Step, most: int) -> int:
        """Time some calls, at most so many, and again where others took the machine meanwhile.

        The first of them is the call of the step. Whether they are made again is decided by what
        the others did, and never by the times, since who throws slow ones away gets fast ones.
        Returns how many calls it were in the end: one where a pause comes before each.
        """
        most = 1 if self._pause else most
        for attempt in range(1 + RETAKES):
            self._be_idle(step)
            watch = ContentionMeter(engine.pid)
            seconds: list[float] = []
            gaps: list[float] = []
            while len(seconds) < most and sum(seconds) < BURST_SECONDS:
                call = step.call + len(seconds)
                self._listener.tell(step._replace(call=call, again=attempt > 0))
                with engine.limited(self._rules.call_limit(engine.case, self._clip.seconds)):
                    gaps.append(time.perf_counter() - self._idle_since)
                    seconds.append(seconds_of(lambda: self._call(engine)))
                    self._idle_since = time.perf_counter()
            contention = watch.end()
            allowed = self._rules.most_beside(engine)
            contaminated = is_contaminated(contention, sum(seconds), allowed)
            for each, gap in zip(seconds, gaps, strict=True):
                self.samples.append(
                    Sample(
                        process=step.process - 1,
                        order=len(self.samples),
                        seconds=each,
                        gap=gap,
                        contention=contention,
                        contaminated=contaminated,
                    )
                )
            if not contaminated:
                break
        return len(seconds)

    def _be_idle(self, step: Step) -> None:
        """Wait until none of the processes has computed anything for as long as the pause is."""
        if self._pause:
            self._listener.tell(step._replace(activity=Activity.PAUSE))
        while (left := self._idle_since + self._pause - time.perf_counter()) > 0:
            time.sleep(left)

    def _call(self, engine: Engine) -> None:
        self.transcripts.append(engine.transcribe(self._clip.name, self._settings))


def time_corpus(processes: Processes, corpus: Corpus, settings: DecodeSettings) -> CorpusCalls:
    """Time one transcription of each clip of a corpus, by one process.

    A clip is read right before its call, and then forgotten. No call is made again, and what others
    took of the machine is averaged over all of them: the speed stands beside the accuracy, which it
    is measured for. Before the first call stand untimed ones, as before those of other tests.
    """
    rules, tell = processes.rules, processes.listener.tell
    engine = processes.first()
    heard: list[Heard] = []
    taken: list[Contention] = []
    tell(Step(Activity.UNTIMED_CALL, 1, 1))
    if engine.device == "gpu":
        with _held(engine, corpus, corpus.clips[0], rules) as key:
            limit = rules.call_limit(engine.case, corpus.clips[0].seconds)
            _settle(engine, key, settings, limit)
    else:
        limit = rules.call_limit(engine.case, processes.clip.seconds)
        _settle(engine, processes.clip.name, settings, limit)
    for number, clip in enumerate(corpus.clips, start=1):
        tell(Step(Activity.CLIP, 1, 1, number, len(corpus.clips)))
        with _held(engine, corpus, clip, rules) as key:
            watch = ContentionMeter(engine.pid)
            seconds, transcript = _timed_transcript(engine, key, settings)
            taken.append(watch.end())
        heard.append(Heard(clip, seconds, transcript))
    contention = averaged([each.seconds for each in heard], taken)
    total = sum(each.seconds for each in heard)
    sample = Sample(
        process=0,
        order=0,
        seconds=total,
        contention=contention,
        contaminated=is_contaminated(contention, total, rules.most_beside(engine)),
    )
    repeats = Repeats(processes=1, calls=1, max_others=rules.max_others)
    return CorpusCalls(repeats, sample, tuple(heard))


def _settle(engine: Engine, name: str, settings: DecodeSettings, limit: float) -> None:
    """Make untimed calls of a clip until the engine runs as it will; `limit` is that of a call."""
    taken = 0.0
    for _ in range(MOST_CALLS):
        with engine.limited(limit):
            taken += seconds_of(lambda: engine.transcribe(name, settings))
        if taken >= UNTIMED_SECONDS:
            break


@contextmanager
def _held(engine: Engine, corpus: Corpus, clip: Clip, rules: Rules) -> Iterator[str]:
    """Let an engine hold the audio of a clip while the block runs; yield the name of it there."""
    key = f"{corpus.name}/{clip.name}"
    audio = corpus.audio_of(clip)
    with engine.limited(rules.call_limit(engine.case, clip.seconds)):
        engine.hear(key, audio)
        yield key
        engine.forget(key)


def _timed_transcript(
    engine: Engine, key: str, settings: DecodeSettings
) -> tuple[float, Transcript]:
    """Return what a transcription takes, in seconds, and what was heard in it."""
    transcripts: list[Transcript] = []
    seconds = seconds_of(lambda: transcripts.append(engine.transcribe(key, settings)))
    return seconds, transcripts[0]


def time_empty_calls(engine: Engine, clip: Clip, settings: DecodeSettings) -> float:
    """Return what a call through an engine costs by itself, in seconds: the median of some.

    Request and answer are those of a transcription of the clip, which the engine has made before.
    """

    def call() -> None:
        engine.echo(clip.name, settings)

    call()
    return median(seconds_of(call) for _ in range(EMPTY_CALLS))
