"""Builds the result of one measurement step by step, so that a failure keeps what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from adapters import adapter_class, files_of
from whisper_speedtest.measure.judging import score_of
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.processes import peak_memory
from whisper_speedtest.measure.result import (
    ClipFacts,
    ClipScore,
    Comparison,
    ModelFacts,
    Provenance,
    Result,
    Side,
)
from whisper_speedtest.measure.samples import Repeats, Sample
from whisper_speedtest.measure.suite import code_hash
from whisper_speedtest.speech.clip import private_name
from whisper_speedtest.speech.languages import ENGLISH
from whisper_speedtest.speech.pooling import pooled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from adapters.base import Case, DecodeSettings, Transcript
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.calls import Calls, CorpusCalls, Heard
    from whisper_speedtest.measure.machine import Machine, State
    from whisper_speedtest.measure.measures import Measure
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.starts import Started
    from whisper_speedtest.measure.turns import RunningComparison
    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus

UNTOLD = "left out, as --private was given, and it may quote what a recording says"
"""The reason that a result gives for a failure that may quote a private recording."""


def provenance_of(engine: Engine) -> Provenance:
    """Return how and where an engine computes, whose load was verified."""
    facts = engine.facts
    return Provenance(
        device=engine.device,
        device_confirmed=facts.device is not None,
        dtype=facts.dtype,
        threads=facts.threads,
        versions=dict(facts.versions),
        mends=facts.mends,
        compiler=facts.compiler,
        environment=dict(facts.environment),
    )


def model_facts(model: VerifiedModel) -> ModelFacts:
    """Return the part of a result that describes a verified model."""
    return ModelFacts(
        repo=model.repo,
        revision=model.revision,
        commit=model.commit,
        listed_as=model.listed_as,
        unconfirmed=model.unconfirmed,
        files={name: proof for name, (_, proof) in model.files.items()},
    )


def clip_facts(clip: Clip | Corpus) -> ClipFacts:
    """Return the part of a result that describes a clip or a corpus."""
    return ClipFacts(name=clip.name, sha256=clip.sha256, seconds=clip.seconds)


def now() -> str:
    """Return the present time as results write it: in UTC, with milliseconds."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def _one_start_each(processes: Processes, starts: Sequence[Started]) -> Repeats:
    """Return how often starts were measured: once in each process."""
    rules = processes.rules
    return Repeats(
        processes=len(starts),
        calls=1,
        max_others=rules.max_others,
        chosen=tuple(each for each in rules.chosen if each == "processes"),
        timed_out=processes.timed_out,
    )


class Recorder:
    """Records one measurement; `result` is what is known of it so far."""

    def __init__(
        self,
        test: str,
        measure: Measure,
        case: Case,
        clip: Clip | Corpus | None,
        settings: DecodeSettings | None,
        *,
        private: bool = False,
    ) -> None:
        """Begin with what is known before anything runs.

        A setting that the library ignores is recorded with the value that the library uses. A
        private record has no transcript, and no failure's message, which may quote one.
        """
        self._private = private
        files = files_of(case)
        ignored = adapter_class(case.adapter).ignored_settings
        self.result = Result(
            test=test,
            measure=measure,
            case=case,
            model=ModelFacts(repo=files.repo, revision=files.revision),
            clip=clip_facts(clip) if clip else None,
            settings=replace(settings, **ignored) if settings else None,
            code=code_hash(),
        )

    def model(self, model: VerifiedModel) -> None:
        """Record the model, as its files were verified."""
        self._add(model=model_facts(model))

    def calls(self, processes: Processes, clip: Clip, calls: Calls) -> None:
        """Record timed calls on one clip."""
        self._processes(processes.starts, calls.repeats, calls.samples, calls.empty_call)
        self._heard(clip, calls.transcripts)

    def corpus(self, processes: Processes, calls: CorpusCalls) -> None:
        """Record the calls on a corpus: the score of each clip, and the pooled score."""
        assert self.result.settings is not None, "a corpus is transcribed with some settings"
        language = self.result.settings.language
        self._processes(processes.starts[:1], calls.repeats, [calls.sample], calls.empty_call)
        clips = tuple(self._clip_score(each, language) for each in calls.heard)
        self._add(
            fallback=any(each.transcript.fallback for each in calls.heard),
            clips=clips,
            score=pooled(each.score for each in clips if each.score),
        )

    def _clip_score(self, heard: Heard, language: str) -> ClipScore:
        """Return the part of a result that describes one clip of a corpus."""
        clip, transcript = heard.clip, heard.transcript
        return ClipScore(
            name=private_name(clip.sha256) if self._private else clip.name,
            sha256=clip.sha256,
            seconds=clip.seconds,
            call=heard.seconds,
            transcript=None if self._private else transcript.text,
            score=score_of(clip, transcript.text, language, transcript.segments),
        )

    def loads(self, processes: Processes, starts: Sequence[Started]) -> None:
        """Record the load of each start."""
        samples = [
            msgspec.structs.replace(each.sample, seconds=each.phases.load) for each in starts
        ]
        self._processes(starts, _one_start_each(processes, starts), samples)

    def starts(self, processes: Processes, starts: Sequence[Started]) -> None:
        """Record some starts. Each sample is the sum of the phases of a start."""
        samples = [each.sample for each in starts]
        self._processes(starts, _one_start_each(processes, starts), samples)
        self._add(starts=tuple(each.phases for each in starts))
        self._heard(processes.clip, [each.transcript for each in starts])

    def compared(
        self, found: RunningComparison, clip: Clip, name: str, code: str | None, limit: float | None
    ) -> None:
        """Record a comparison with a baseline.

        `name` is the baseline's name, and `code` the sha256 of its Python files if it is another
        checkout. `limit` is how much slower we may be, as a share; without one, the verdict is of a
        limit of 0.
        """
        assert found.last is not None, "no block was taken"
        ours, baseline = found.last
        self.model(ours.model)
        ratio = found.ratio
        self._add(
            provenance=msgspec.structs.replace(provenance_of(ours), empty_call=found.empty_call),
            comparison=Comparison(
                baseline=Side(
                    name=name,
                    case=baseline.case,
                    model=model_facts(baseline.model),
                    provenance=provenance_of(baseline),
                    code=code,
                ),
                turns=tuple(found.turns),
                planned=found.planned,
                ratio=ratio.ratio,
                low=ratio.low,
                high=ratio.high,
                limit=limit,
                verdict=found.verdict(limit or 0.0),
            ),
        )
        self._heard(clip, found.transcripts)

    def _processes(
        self,
        starts: Sequence[Started],
        repeats: Repeats,
        samples: Sequence[Sample],
        empty_call: float | None = None,
    ) -> None:
        """Record the model, how often it was timed, how it computes, and its peak of memory."""
        engine = starts[-1].engine
        self.model(engine.model)
        self._add(
            repeats=repeats,
            samples=tuple(samples),
            memory=peak_memory(starts),
            provenance=msgspec.structs.replace(provenance_of(engine), empty_call=empty_call),
        )

    def _heard(self, clip: Clip, transcripts: Sequence[Transcript]) -> None:
        """Record the transcript of the last call and its score."""
        last, settings = transcripts[-1], self.result.settings
        language = settings.language if settings else ENGLISH
        self._add(
            transcript=None if self._private else last.text,
            fallback=any(each.fallback for each in transcripts),
            score=score_of(clip, last.text, language, last.segments),
        )

    def on(self, machine: Machine) -> None:
        """Record the machine; this is called for skipped measurements, too."""
        self._add(machine=machine)

    def around(self, first: State, before: State, after: State) -> None:
        """Record the machine's state when the session began, and around the measurement."""
        self._add(first=first, before=before, after=after)

    @property
    def provenance(self) -> Provenance:
        """How and where it was computed. It must have been recorded before."""
        assert self.result.provenance is not None, "nothing was recorded yet"
        return self.result.provenance

    def ended(self, outcome: Outcome, reason: str = "", cause: str = "") -> Result:
        """Record how the measurement ended, and return the result."""
        if self._private and outcome is Outcome.FAILED:
            reason, cause = UNTOLD, ""
        self._add(outcome=outcome, reason=reason, cause=cause, when=now())
        return self.result

    def _add(self, **fields: Any) -> None:
        """Set some fields of the result."""
        self.result = msgspec.structs.replace(self.result, **fields)
