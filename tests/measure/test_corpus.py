"""A corpus under the clock: each clip once, in one process, and all of them together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters.base import DecodeSettings, Segment
from fixtures.audio import clips
from tests.helpers.fake_engine import CASE
from tests.helpers.fake_processes import processes_of, three
from whisper_speedtest.measure.calls import EMPTY_CALLS, time_corpus
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.recording import Recorder
from whisper_speedtest.measure.result import ClipFacts, from_json, to_json
from whisper_speedtest.measure.samples import Repeats
from whisper_speedtest.measure.steps import Activity, Listener, Step
from whisper_speedtest.speech.corpus import CorpusError

if TYPE_CHECKING:
    from adapters.base import Device
    from tests.helpers.fake_engine import FakeEngine
    from tests.measure.conftest import Machine
    from whisper_speedtest.measure.calls import CorpusCalls
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.speech.corpus import Corpus

SETTINGS = DecodeSettings()


class Told(Listener):
    """A listener that keeps the steps that it is told, which takes its time on the clock."""

    def __init__(self, engine: FakeEngine) -> None:
        self.steps: list[Step] = []
        self._engine = engine

    def tell(self, step: Step) -> None:
        self.steps.append(step)
        self._engine.clock.take(1e6)


def timed(engine: FakeEngine, corpus: Corpus, *seconds: float) -> tuple[Processes, CorpusCalls]:
    """Time a corpus whose calls take so many seconds, after 30 s of a start and 50 s untimed."""
    engine.calls = [30.0, 50.0, *seconds]
    processes = processes_of([engine])
    return processes, time_corpus(processes, corpus, SETTINGS)


def recorded(engine: FakeEngine, corpus: Corpus, *seconds: float, private: bool = False) -> Result:
    """Return the result of a corpus whose calls take so many seconds."""
    record = Recorder("test_corpus[id]", Measure.CORPUS, CASE, corpus, SETTINGS, private=private)
    record.corpus(*timed(engine, corpus, *seconds))
    return record.ended(Outcome.PASSED)


def test_each_clip_is_transcribed_once_by_one_process(engine: FakeEngine, corpus: Corpus) -> None:
    """One process transcribes each clip of a corpus once, and only these calls are timed."""
    engines = three(engine)
    engines[0].calls = [30.0, 50.0, 2.0, 3.0, 5.0]
    engines[0].texts = ["start", "untimed", "one", "two", "three"]

    calls = time_corpus(processes_of(engines), corpus, SETTINGS)

    assert [(each.clip.name, each.seconds, each.transcript.text) for each in calls.heard] == [
        ("short", 2.0, "one"),
        ("paragraph", 3.0, "two"),
        ("silence", 5.0, "three"),
    ]
    assert (calls.sample.process, calls.sample.order, calls.sample.seconds) == (0, 0, 10.0)
    assert calls.repeats == Repeats(processes=1, calls=1, max_others=0.1)
    assert engines[1].log == engines[2].log == []


@pytest.mark.parametrize(("device", "untimed"), [("cpu", "short"), ("gpu", "talks/short")])
def test_each_clip_is_heard_with_the_settings_that_are_asked_for(
    engine: FakeEngine, corpus: Corpus, device: Device, untimed: str
) -> None:
    """Each clip of a corpus is transcribed with the settings that the test asks for."""
    engine.device, engine.calls = device, [30.0, 50.0, 2.0]
    processes = processes_of([engine])
    asked = DecodeSettings(language="de")

    time_corpus(processes, corpus, asked)

    names = ["talks/short", "talks/paragraph", "talks/silence"]
    of_clips = list(zip(names, (59_680, 197_920, 80_000), strict=True))
    untimed_clips = of_clips[:1] if device == "gpu" else []
    assert engine.sent == [("short", 16_000), *untimed_clips, *of_clips]
    assert engine.told[:2] == [("short", processes.settings), (untimed, asked)]
    empty = [(names[-1], asked)] * (1 + EMPTY_CALLS)
    assert engine.told[2:] == [*((name, asked) for name in names), *empty]


def test_audio_is_held_no_longer_than_its_call_takes(engine: FakeEngine, corpus: Corpus) -> None:
    """An engine is told to forget the audio of a clip as soon as the clip is transcribed."""
    timed(engine, corpus, 2.0)

    steps = engine.log[engine.log.index("verify_load") :]
    asked = [step for step in steps if step.startswith(("hear", "transcribe", "forget"))]
    assert asked == [
        "transcribe short",  # of the project: what every process began with
        *(
            f"{step} talks/{name}"
            for name in ("short", "paragraph", "silence")
            for step in ("hear", "transcribe", "forget")
        ),
    ]


def test_first_clip_is_transcribed_untimed_on_a_gpu(engine: FakeEngine, corpus: Corpus) -> None:
    """On a GPU the first clip of a corpus is transcribed once untimed before it is timed."""
    engine.device = "gpu"

    _, calls = timed(engine, corpus, 2.0, 3.0, 5.0)

    assert [each.seconds for each in calls.heard] == [2.0, 3.0, 5.0]
    steps = engine.log[engine.log.index("verify_load") :]
    assert [step for step in steps if step.startswith("transcribe")] == [
        f"transcribe talks/{name}" for name in ("short", "short", "paragraph", "silence")
    ]


@pytest.mark.parametrize(("device", "untimed"), [("cpu", [240]), ("gpu", [2400, 2400])])
def test_each_call_has_the_limit_of_its_clip(
    engine: FakeEngine, corpus: Corpus, device: Device, untimed: list[int]
) -> None:
    """Each call has the limit of its clip: one of 20 minutes has ten times that of a short one."""
    engine.device = device
    long = replace(clips()["paragraph"], seconds=1200.0)
    timed(engine, replace(corpus, clips=(long, corpus.clips[0])), 2.0)

    limits = [step for step in engine.log if step.startswith("limited")]
    of_the_start = [240, 240]
    expected = [*of_the_start, *untimed, 2400, 240]
    assert limits == [f"limited to {each} s" for each in expected]


def test_each_clip_is_told_with_its_number(engine: FakeEngine, corpus: Corpus) -> None:
    """Each clip of a corpus is told with its number, outside the clock."""
    engine.calls = [30.0, 50.0, 2.0]
    processes = processes_of([engine])
    processes.listener = told = Told(engine)

    calls = time_corpus(processes, corpus, SETTINGS)

    assert told.steps[-5:] == [
        Step(Activity.UNTIMED_CALL, 1, 1),
        *(Step(Activity.CLIP, 1, 1, number, 3) for number in (1, 2, 3)),
        Step(Activity.EMPTY_CALLS, 1, 1),
    ]
    assert calls.sample.seconds == 6.0
    assert str(Activity.CLIP) == "clip"
    assert Activity.CLIP.timed
    assert not Activity.CLIP.of_a_start


@pytest.mark.parametrize(
    ("others", "free", "contaminated"),
    [([0.0, 0.0, 0.6], 0, True), ([0.0, 0.0, 0.6], 1, False), ([0.0, 0.6, 0.0], 0, False)],
    ids=["too much", "of a free processor", "briefly"],
)
def test_others_are_averaged_over_all_calls(
    engine: FakeEngine,
    corpus: Corpus,
    machine: Machine,
    others: list[float],
    free: int,
    contaminated: bool,
) -> None:
    """What others take is averaged over all calls of a corpus, weighted by their seconds.

    Others may take a tenth of a processor on average, and half of each that the library leaves
    free.
    """
    machine.free, machine.others = free, [0.0, *others, 0.0]

    _, calls = timed(engine, corpus, 4.0, 1.0, 5.0)

    assert calls.sample.contaminated is contaminated
    assert calls.sample.contention is not None
    assert calls.sample.contention.others == pytest.approx(0.06 if others[1] else 0.3)
    assert len(calls.heard) == 3, "no call is made again"


def test_changed_clip_is_not_measured(engine: FakeEngine, corpus: Corpus) -> None:
    """A clip that has changed since the session began is refused and not measured."""
    stamps = {**corpus.stamps, "paragraph": (1, 1)}

    with pytest.raises(CorpusError, match="has changed since this session began"):
        timed(engine, replace(corpus, stamps=stamps), 2.0)


def test_record_has_each_clip_and_the_pooled_score(engine: FakeEngine, corpus: Corpus) -> None:
    """A corpus's result has each clip's time and score, and one score of all words together."""
    short, paragraph = corpus.clips[:2]
    assert short.reference is not None
    engine.texts = ["a", "b", short.reference.replace("polite", "noisy"), "", "thank you"]
    engine.fallbacks = [False, False, False, True, False]

    result = recorded(engine, corpus, 2.0, 3.0, 5.0)

    assert result.clip == ClipFacts(name="talks", sha256="ef" * 32, seconds=corpus.seconds)
    assert corpus.seconds == pytest.approx(3.73 + 12.37 + 5.0)
    assert [(each.name, each.sha256, each.seconds, each.call) for each in result.clips] == [
        (clip.name, clip.sha256, clip.seconds, call)
        for clip, call in zip(corpus.clips, (2.0, 3.0, 5.0), strict=True)
    ]
    assert [each.transcript for each in result.clips] == engine_texts(short.reference)
    rates = [each.score.wer if each.score else None for each in result.clips]
    assert rates == [1 / 9, 1.0, 2.0]
    assert result.score is not None
    assert (result.score.reference_words, result.score.substitutions) == (43, 1)
    assert result.score.wer == 35 / 43
    assert result.score.words_in_silence == 2
    assert result.provenance is not None
    assert result.provenance.empty_call == pytest.approx(0.001)
    assert paragraph.reference is not None
    assert result.fallback is True
    assert result.transcript is None
    assert (result.repeats, result.seconds) == (
        Repeats(processes=1, calls=1, max_others=0.1),
        [10.0],
    )
    assert result.rtfx == pytest.approx(2.11)
    assert result.estimate.low is None
    assert result.memory is not None
    assert result.provenance is not None
    assert from_json(to_json(result)) == result


def test_clips_are_scored_in_the_language_that_is_spoken(
    engine: FakeEngine, corpus: Corpus
) -> None:
    """A corpus and its clips are scored with the normaliser of the language that is spoken."""
    asked = replace(SETTINGS, language="de")
    record = Recorder("test_corpus[id]", Measure.CORPUS, CASE, corpus, asked)

    record.corpus(*timed(engine, corpus, 2.0))

    result = record.ended(Outcome.PASSED)
    scores = [*(each.score for each in result.clips), result.score]
    assert {each and each.normaliser for each in scores} == {"whisper basic, marks kept"}


def engine_texts(said: str) -> list[str]:
    """Return what was heard of the three clips."""
    return [said.replace("polite", "noisy"), "", "thank you"]


def test_segments_of_a_clip_are_held_to_its_sentences(engine: FakeEngine, corpus: Corpus) -> None:
    """If a clip's sentence times are known, its score has the time error of the segments."""
    short = corpus.clips[0]
    engine.segments = (Segment(0.5, 3.5, short.reference or ""),)
    engine.texts = [short.reference or ""]

    result = recorded(engine, replace(corpus, clips=(short,)), 2.0)

    (clip,) = result.clips
    assert clip.score is not None
    assert clip.score.time_error == pytest.approx((0.3 + 0.27) / 2)
    assert clip.score.boundaries == 2


def test_memory_is_that_of_the_process_that_has_transcribed_it(
    engine: FakeEngine, corpus: Corpus
) -> None:
    """The memory of a corpus is that of the process that transcribed it, and of no other."""
    engine.calls = [2.0]
    processes = processes_of(three(engine))
    assert [start.memory.footprint for start in processes.start_all()] == [100, 101, 102]
    record = Recorder("test_corpus[id]", Measure.CORPUS, CASE, corpus, SETTINGS)

    record.corpus(processes, time_corpus(processes, corpus, SETTINGS))

    assert record.result.memory is not None
    assert record.result.memory.footprint == 100


def test_private_corpus_keeps_neither_names_nor_words(engine: FakeEngine, corpus: Corpus) -> None:
    """The result of a private corpus has hashes and scores, but neither clip names nor words."""
    engine.texts = ["the secret"]

    result = recorded(engine, replace(corpus, name="own-efefefef"), 2.0, private=True)

    assert [each.name for each in result.clips] == [
        f"own-{clip.sha256[:8]}" for clip in corpus.clips
    ]
    assert [each.transcript for each in result.clips] == [None] * 3
    assert all(each.score for each in result.clips)
    assert "secret" not in str(to_json(result))
    assert "paragraph" not in str(to_json(result))
