"""Times calls of a case's processes: on one clip many times, or on each clip of a corpus once."""

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
"""How many empty calls are timed; odd, so that one of them is the median."""

BURST_SECONDS = 0.25
"""Brief calls are made in a burst, one right after another, that takes at least so many seconds.

Contention is measured over the whole burst, since systems count processor time in steps of 10 ms,
which are too coarse for one brief call."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The samples and transcripts of the timed calls of one test."""

    repeats: Repeats
    samples: tuple[Sample, ...]
    transcripts: tuple[Transcript, ...]
    empty_call: float
    """Seconds that a call through the engine takes in which nothing is transcribed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One call on one clip of a corpus."""

    clip: Clip
    seconds: float
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class CorpusCalls:
    """The calls that transcribed a corpus, each clip once."""

    repeats: Repeats
    sample: Sample
    """All calls together, as one sample."""

    heard: tuple[Heard, ...]

    empty_call: float
    """Seconds of a call through the engine that transcribes nothing, after the last clip's."""


def time_calls(
    processes: Processes,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
    pause: float = 0.0,
) -> Calls:
    """Time transcriptions of a clip in each process of a case; then time some empty calls.

    The seconds of the first timed call decide how many processes and calls there are (see
    `Rules.repeats`). With a `pause`, in seconds, no process of the case computes anything for so
    long before each timed call.
    """
    rules = processes.rules
    tell = processes.listener.tell
    sampler = _Sampler(clip, audio, settings, rules, processes.listener, pause)
    processes.start_all()  # Only after the starts is it known how many processes there are.
    count, calls = processes.count, 0
    for number, engine in enumerate(processes.each(), start=1):
        tell(Step(Activity.UNTIMED_CALL, number, count))
        sampler.prepare(engine, processes)
        done = sampler.time_burst(engine, Step(Activity.TIMED_CALL, number, count, 1, calls), 1)
        if number == 1:
            first = sampler.samples[-1].seconds
            count, calls = rules.repeats(first, count, engine.device, pause)
        while done < calls:
            step = Step(Activity.TIMED_CALL, number, count, done + 1, calls)
            done += sampler.time_burst(engine, step, calls - done)
        if number == count:
            break
    tell(Step(Activity.EMPTY_CALLS, count, count))
    empty_call = time_empty_calls(engine, clip.name, settings)
    repeats = Repeats(
        processes=count,
        calls=calls,
        max_others=rules.max_others,
        budget=None if rules.calls else rules.budget_on(engine.device),
        pause=pause,
        chosen=rules.chosen,
        timed_out=processes.timed_out,
    )
    return Calls(repeats, tuple(sampler.samples), tuple(sampler.transcripts), empty_call)


class _Sampler:
    """Takes the samples of one test."""

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
        """Hand the audio over to an engine, and make its untimed calls.

        On a GPU they are on the clip that is timed, since the first call on it may compile
        something, and the first call after a pause is slow. On a CPU they are on the clip that
        every process starts with.
        """
        limit = self._rules.call_limit(engine.case, self._clip.seconds)
        clip = self._clip if engine.device == "gpu" else processes.clip
        with engine.limited(limit):
            engine.hear(self._clip.name, self._audio)
        _make_untimed_calls(engine, clip.name, self._settings, limit)
        self._idle_since = time.perf_counter()

    def time_burst(self, engine: Engine, step: Step, most: int) -> int:
        """Time a burst of at most so many calls, beginning with that of `step`; return how many.

        The burst ends after BURST_SECONDS, and with a pause it is one call. If other processes used
        the machine meanwhile, the burst is timed again, up to RETAKES times. The times themselves
        never decide that: whoever throws slow calls away gets fast ones.
        """
        most = 1 if self._pause else most
        for attempt in range(1 + RETAKES):
            self._be_idle(step)
            burst = self._burst(engine, step._replace(again=attempt > 0), most)
            self.samples += burst
            if not burst[0].contaminated:
                break
        return len(burst)

    def _burst(self, engine: Engine, step: Step, most: int) -> list[Sample]:
        """Time a burst once; return the sample of each call. All have the burst's contention."""
        meter = ContentionMeter(engine.pid)
        seconds: list[float] = []
        gaps: list[float] = []
        while len(seconds) < most and sum(seconds) < BURST_SECONDS:
            self._listener.tell(step._replace(call=step.call + len(seconds)))
            with engine.limited(self._rules.call_limit(engine.case, self._clip.seconds)):
                gaps.append(time.perf_counter() - self._idle_since)
                seconds.append(seconds_of(lambda: self._call(engine)))
                self._idle_since = time.perf_counter()
        contention = meter.end()
        allowed = self._rules.most_beside(engine)
        contaminated = is_contaminated(contention, sum(seconds), allowed)
        return [
            Sample(
                process=step.process - 1,
                order=len(self.samples) + number,
                seconds=call_seconds,
                gap=gap,
                contention=contention,
                contaminated=contaminated,
            )
            for number, (call_seconds, gap) in enumerate(zip(seconds, gaps, strict=True))
        ]

    def _be_idle(self, step: Step) -> None:
        """Wait until no process of the case has computed anything for the length of the pause."""
        if self._pause:
            self._listener.tell(step._replace(activity=Activity.PAUSE))
        while (left := self._idle_since + self._pause - time.perf_counter()) > 0:
            time.sleep(left)

    def _call(self, engine: Engine) -> None:
        self.transcripts.append(engine.transcribe(self._clip.name, self._settings))


def time_corpus(processes: Processes, corpus: Corpus, settings: DecodeSettings) -> CorpusCalls:
    """Time one transcription of each clip of a corpus, in one process, after untimed calls.

    A clip is read right before its call, and forgotten after it. This is to measure accuracy more
    than speed: no call is made again, and the contention is averaged over all calls.
    """
    rules, tell = processes.rules, processes.listener.tell
    engine = processes.first()
    heard: list[Heard] = []
    contentions: list[Contention] = []
    tell(Step(Activity.UNTIMED_CALL, 1, 1))
    _prepare_for_corpus(engine, processes, corpus, settings)
    for number, clip in enumerate(corpus.clips, start=1):
        tell(Step(Activity.CLIP, 1, 1, number, len(corpus.clips)))
        with _audio_in(engine, corpus, clip, rules) as key:
            meter = ContentionMeter(engine.pid)
            seconds, transcript = _timed_transcript(engine, key, settings)
            contentions.append(meter.end())
            if number == len(corpus.clips):
                tell(Step(Activity.EMPTY_CALLS, 1, 1))
                empty_call = time_empty_calls(engine, key, settings)
        heard.append(Heard(clip, seconds, transcript))
    contention = averaged([call.seconds for call in heard], contentions)
    total = sum(call.seconds for call in heard)
    sample = Sample(
        process=0,
        order=0,
        seconds=total,
        contention=contention,
        contaminated=is_contaminated(contention, total, rules.most_beside(engine)),
    )
    repeats = Repeats(processes=1, calls=1, max_others=rules.max_others)
    return CorpusCalls(repeats, sample, tuple(heard), empty_call)


def _prepare_for_corpus(
    engine: Engine, processes: Processes, corpus: Corpus, settings: DecodeSettings
) -> None:
    """Make the untimed calls before a corpus, on the same clips as `_Sampler.prepare`."""
    rules = processes.rules
    if engine.device == "gpu":
        first = corpus.clips[0]
        with _audio_in(engine, corpus, first, rules) as key:
            limit = rules.call_limit(engine.case, first.seconds)
            _make_untimed_calls(engine, key, settings, limit)
    else:
        limit = rules.call_limit(engine.case, processes.clip.seconds)
        _make_untimed_calls(engine, processes.clip.name, settings, limit)


def _make_untimed_calls(
    engine: Engine, clip_name: str, settings: DecodeSettings, limit: float
) -> None:
    """Make calls on a clip for UNTIMED_SECONDS; each may take `limit` seconds."""
    taken = 0.0
    for _ in range(MOST_CALLS):
        with engine.limited(limit):
            taken += seconds_of(lambda: engine.transcribe(clip_name, settings))
        if taken >= UNTIMED_SECONDS:
            break


@contextmanager
def _audio_in(engine: Engine, corpus: Corpus, clip: Clip, rules: Rules) -> Iterator[str]:
    """Keep the audio of a clip in an engine while the block runs; yield its name there."""
    key = f"{corpus.name}/{clip.name}"
    audio = corpus.audio_of(clip)
    with engine.limited(rules.call_limit(engine.case, clip.seconds)):
        engine.hear(key, audio)
        yield key
        engine.forget(key)


def _timed_transcript(
    engine: Engine, key: str, settings: DecodeSettings
) -> tuple[float, Transcript]:
    """Return the seconds that a transcription takes, and the transcript."""
    transcripts: list[Transcript] = []
    seconds = seconds_of(lambda: transcripts.append(engine.transcribe(key, settings)))
    return seconds, transcripts[0]


def time_empty_calls(engine: Engine, key: str, settings: DecodeSettings) -> float:
    """Return the median seconds of some calls through an engine in which it transcribes nothing.

    Request and answer are as large as those of a transcription of the audio that the engine holds
    as `key`, which it must have made before.
    """

    def call() -> None:
        engine.echo(key, settings)

    call()
    return median(seconds_of(call) for _ in range(EMPTY_CALLS))
