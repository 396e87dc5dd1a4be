"""Fills in the record of one measurement, step by step, so that a failure keeps what was known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from adapters import adapter_class, files_of
from whisper_speedtest.measure.judging import score_of
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.result import (
    ClipFacts,
    Comparison,
    ModelFacts,
    Provenance,
    Repeats,
    Result,
    Sample,
    Side,
)
from whisper_speedtest.measure.suite import code_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from adapters.base import Case, DecodeSettings, Transcript
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.hub.model import VerifiedModel
    from whisper_speedtest.measure.clock import Calls
    from whisper_speedtest.measure.machine import Machine, State
    from whisper_speedtest.measure.measures import Measure
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.turns import Compared
    from whisper_speedtest.speech.clip import Clip

UNTOLD = "left out, as --private was given, and it may quote what a recording says"
"""The reason of a failure that may quote what is said in a private recording."""


def provenance_of(engine: Engine) -> Provenance:
    """Return how and where an engine computes; its load was verified before."""
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
    """Return what a result holds of a verified model."""
    return ModelFacts(
        repo=model.repo,
        revision=model.revision,
        commit=model.commit,
        listed_as=model.listed_as,
        files={name: proof for name, (_, proof) in model.files.items()},
    )


def _once_each(processes: Processes) -> Repeats:
    count = len(processes.starts())
    return Repeats(processes=count, calls=1, max_others=processes.rules.max_others)


class Recorder:
    """Records one measurement; `result` is what is known of it so far."""

    def __init__(
        self,
        test: str,
        measure: Measure,
        case: Case,
        clip: Clip | None,
        settings: DecodeSettings | None,
        *,
        private: bool = False,
    ) -> None:
        """Begin with what is known before anything runs.

        Settings that the library ignores stand in the record with the values it uses anyway. A
        private record takes no words: no transcript, and no failure, which may quote one.
        """
        self._private = private
        files = files_of(case)
        ignored = adapter_class(case.adapter).ignored_settings
        self.result = Result(
            test=test,
            measure=measure,
            case=case,
            model=ModelFacts(repo=files.repo, revision=files.revision),
            clip=ClipFacts(name=clip.name, sha256=clip.sha256, seconds=clip.seconds)
            if clip
            else None,
            settings=replace(settings, **ignored) if settings else None,
            code=code_hash(),
        )

    def model(self, model: VerifiedModel) -> None:
        """Record which files the measurement is of, as they were verified."""
        self._add(model=model_facts(model))

    def calls(self, processes: Processes, clip: Clip, calls: Calls) -> None:
        """Record timed calls of warm engines."""
        self._processes(processes, calls.repeats, calls.samples, calls.empty_call)
        self._heard(clip, calls.transcripts)

    def loads(self, processes: Processes) -> None:
        """Record the load of each start."""
        samples = [
            msgspec.structs.replace(each.sample, seconds=each.phases.load)
            for each in processes.starts()
        ]
        self._processes(processes, _once_each(processes), samples)

    def starts(self, processes: Processes) -> None:
        """Record the starts: the samples are the sums of their phases."""
        starts = processes.starts()
        samples = [each.sample for each in starts]
        self._processes(processes, _once_each(processes), samples)
        self._add(starts=tuple(each.phases for each in starts))
        self._heard(processes.clip, [each.transcript for each in starts])

    def compared(
        self, found: Compared, clip: Clip, name: str, code: str | None, limit: float | None
    ) -> None:
        """Record what turns with another side have come to.

        That side has a name; `code` is the sha256 of its Python files where it is another checkout.
        `limit` is how much slower it may be, as a share; without one it is 0, and not in the
        record.
        """
        assert found.last is not None, "no block was taken"
        ours, baseline = found.last
        self.model(ours.model)
        ratio = found.ratio
        self._add(
            provenance=provenance_of(ours),
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
        processes: Processes,
        repeats: Repeats,
        samples: Sequence[Sample],
        empty_call: float | None = None,
    ) -> None:
        """Record which model was timed how often, how it computes, and the memory that it took."""
        engine = processes.starts()[-1].engine
        self.model(engine.model)
        self._add(
            repeats=repeats,
            samples=tuple(samples),
            memory=processes.memory,
            provenance=msgspec.structs.replace(provenance_of(engine), empty_call=empty_call),
        )

    def _heard(self, clip: Clip, transcripts: Sequence[Transcript]) -> None:
        """Record what was heard in the last call, and how near it comes to what was said."""
        text = transcripts[-1].text
        self._add(
            transcript=None if self._private else text,
            fallback=any(each.fallback for each in transcripts),
            score=score_of(clip, text),
        )

    def around(self, machine: Machine, before: State, after: State) -> None:
        """Record the machine, and the state that it was in before and after the measurement."""
        self._add(machine=machine, before=before, after=after)

    @property
    def provenance(self) -> Provenance:
        """How and where it was computed, once that was recorded."""
        assert self.result.provenance is not None, "nothing was recorded yet"
        return self.result.provenance

    def ended(self, outcome: Outcome, reason: str = "", cause: str = "") -> Result:
        """Record how it ended, and return the result."""
        if self._private and outcome is Outcome.FAILED:
            reason, cause = UNTOLD, ""
        self._add(outcome=outcome, reason=reason, cause=cause)
        return self.result

    def _add(self, **fields: Any) -> None:
        self.result = msgspec.structs.replace(self.result, **fields)
