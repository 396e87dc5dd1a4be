"""Defines the result: one measurement, with everything that is needed to trust it.

Results are frozen and typed. `to_json` and `from_json` are exact inverses of each other, and
`json_schema` describes the JSON, and docs/results.md names the parts. Every number carries its
unit in its name or its description: times are seconds, sizes are bytes.
"""

from __future__ import annotations

import json
from functools import cached_property
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

# msgspec reads these annotations when the program runs.
from adapters.base import Case, DecodeSettings, Device
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.machine import Machine, State
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.part import Part, Seconds
from whisper_speedtest.measure.samples import Repeats, Sample, Start, Turn
from whisper_speedtest.speech.scoring import Score

if TYPE_CHECKING:
    from whisper_speedtest.measure.estimate import Estimate

SCHEMA = Path(__file__).with_name("result.schema.json")
"""The JSON Schema of results, for other programs; `write_schema` writes it."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Moment = Annotated[str, Meta(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?$")]
"""A time in UTC, as `2026-11-26T07:14:33.250Z`, so that sorting the texts sorts the times; "" if it
is not known."""


class ClipFacts(Part, frozen=True, kw_only=True):
    """The audio that was transcribed."""

    name: str
    sha256: Sha256
    """Of the file."""

    seconds: Seconds
    """Its length."""


class ClipScore(Part, frozen=True, kw_only=True):
    """The call on one clip of a corpus, and its score."""

    name: str
    """Its path in the corpus; if it is private, `own-` and the beginning of its hash."""

    sha256: Sha256
    """Of the file."""

    seconds: Seconds
    """Its length."""

    call: Seconds
    """Seconds of the call that transcribed it."""

    transcript: str | None = None
    """None if it is private."""

    score: Score | None = None


class ModelFacts(Part, frozen=True, kw_only=True):
    """The model that was measured."""

    repo: str
    """A Hugging Face id, `embedded/…` for a model of this project, or the URL of a folder."""

    revision: str
    commit: str | None = None
    """The commit of the revision; None until the files were verified."""

    listed_as: str = ""
    """The repo with the same commit to which the hub redirected; "" where it did not redirect."""

    unconfirmed: bool = False
    """Whether some files could only be compared with the hash in the name of their own blob, which
    no host has confirmed."""

    files: dict[str, Proof] = msgspec.field(default_factory=dict)
    """Each file's name, size in bytes and sha256, as verified right before and after the load."""


class Provenance(Part, frozen=True, kw_only=True):
    """How and where it was computed, according to the engine's process."""

    device: Device
    device_confirmed: bool
    """Whether the library itself says that the model computes there; False where it cannot be
    asked."""

    dtype: str
    """The type that the model computes in, as `float16`."""

    threads: int | None
    """CPU threads that the library computes with; None where that is not known."""

    versions: dict[str, str]
    """Distribution → version, of the library and of the packages that it computes with."""

    mends: tuple[str, ...]
    """What had to be done for the library to load at all; empty where it runs as released."""

    compiler: str | None
    """The compiler that mlx has compiled parts of the model with, as `x86_64-linux-gnu-g++-13`; it
    does so on the CPU. None where nothing was compiled. Earlier versions of the suite named the
    compiler that the engine's process could find, for every library and device."""

    environment: dict[str, str]
    """Environment variables of the engine's process: those that the suite sets, and those that
    affect its speed. Of the shell's, only variables that select a GPU reach the engine. `~` is the
    engine's own folder, and no other path is included."""

    empty_call: Seconds | None = None
    """Seconds of a call through the engine that transcribes nothing, but has the request and answer
    of a transcription: the median of some, made after the timed calls on a clip or a corpus, and
    after the turns of a comparison by our side. None where starts were measured, and of a
    baseline."""


class Side(Part, frozen=True, kw_only=True):
    """The other side of a comparison."""

    name: str
    """What the user called it: a case, or another checkout of the suite by its commit."""

    case: Case
    model: ModelFacts
    provenance: Provenance
    code: Sha256 | None = None
    """The hash of its Python files, where it is another checkout."""


class Comparison(Part, frozen=True, kw_only=True):
    """The ratio of our call to the baseline's call, measured in turns."""

    baseline: Side
    turns: tuple[Turn, ...]
    planned: Annotated[int, Meta(ge=1)] = 10
    """How many turns each block was to have, without those that are taken again. A block counts if
    at least half as many turns are clean."""

    ratio: Annotated[float, Meta(gt=0)]
    """Seconds of our call over seconds of the baseline's: more than 1 is slower."""

    low: Annotated[float, Meta(gt=0)]
    high: Annotated[float, Meta(gt=0)]
    """The ends of the ratio's interval, at the confidence of the whole comparison."""

    limit: Annotated[float, Meta(ge=0)] | None = None
    """How much slower we may be, as a share: 0.05 is 5 %. None where no limit was given."""

    verdict: Verdict


class Result(Part, frozen=True, kw_only=True, dict=True):  # `dict` keeps cached properties
    """One measurement of one case, however it ended."""

    version: Literal[2] = 2
    """The version of this format. It grows with a change that an older reader would misread."""

    test: str
    """The test's id without its file, which is a stored key."""

    measure: Measure
    case: Case
    outcome: Outcome = Outcome.PASSED
    reason: str = ""
    """Why it did not pass; "" where it passed."""

    cause: str = ""
    """The part of the reason that results of other cases share; "" where there is none."""

    when: Moment = ""
    """When it ended."""

    model: ModelFacts
    clip: ClipFacts | None = None
    """The clip, or the corpus: its name, a hash of all its clips, and their length together."""

    settings: DecodeSettings | None = None
    """What the library decoded with; a field is None where the library has no such setting, or its
    value is not known."""

    repeats: Repeats | None = None
    samples: tuple[Sample, ...] = ()
    starts: tuple[Start, ...] = ()
    """The phases of each start, where starts were measured, in the order of the samples."""

    memory: Memory | None = None
    """The highest peaks of its processes, read after the first call and before the load was
    verified, as that takes memory, too."""

    transcript: str | None = None
    """The transcript of the last call."""

    fallback: bool | None = None
    """Whether the library decoded something again at a higher temperature, in any of the calls."""

    score: Score | None = None
    """The score of the transcript; None without a reference text. For a corpus it is pooled: the
    errors of all clips over the words of all clips."""

    clips: tuple[ClipScore, ...] = ()
    """The clips of a corpus, in its order."""

    comparison: Comparison | None = None
    """The comparison with a baseline, in turns; None where there was none."""

    provenance: Provenance | None = None
    code: Sha256 | None = None
    """The hash of the suite's Python files: results that have it in common were measured alike."""

    machine: Machine | None = None
    before: State | None = None
    """The state of the machine right before the first sample."""

    after: State | None = None
    """The state of the machine right after the last sample."""

    first: State | None = None
    """The state of the machine when the session began, which its drift is relative to; None where
    an older version of the suite measured."""

    @property
    def seconds(self) -> list[float]:
        """Seconds of each sample that counts, in the order in which they were taken."""
        return [each.seconds for each in sorted(self.counted, key=lambda each: each.order)]

    @cached_property
    def counted(self) -> tuple[Sample, ...]:
        """The samples that the estimate is made of: the clean ones, or all if the result is busy.

        The first of several cold starts is left out: a library may compile something in it, and
        keep that for the next starts.
        """
        busy = self.outcome is Outcome.BUSY
        counted = tuple(each for each in self.samples if busy or not each.contaminated)
        if self.measure in {Measure.COLD, Measure.COLD_FILES}:
            return tuple(each for each in counted if each.process > 0) or counted
        return counted

    @property
    def is_measured(self) -> bool:
        """Whether it has times, even if they were measured beside other work."""
        return self.outcome.was_right and bool(self.counted or self.comparison)

    @property
    def is_contaminated(self) -> bool:
        """Whether fewer than half of the planned calls were timed without contamination."""
        if self.comparison is not None:
            from whisper_speedtest.measure.comparing import are_too_few  # imports numpy

            return are_too_few(self.comparison.turns, self.comparison.planned)
        if self.repeats is None:
            return False
        clean = sum(not each.contaminated for each in self.samples)
        return 2 * clean < self.repeats.processes * self.repeats.calls

    @cached_property
    def estimate(self) -> Estimate:
        """What a call takes. Raises ValueError if no sample counts."""
        from whisper_speedtest.measure.estimate import BETWEEN_SESSIONS, estimate  # imports scipy

        if not self.counted:
            raise ValueError(f"{self.test}: expected samples, got none; it {self.outcome}")
        shared = self.machine is not None and self.machine.virtual
        return estimate(self.counted, BETWEEN_SESSIONS if shared else 0.0)

    @property
    def rtfx(self) -> float | None:
        """Seconds of audio transcribed per second; None for a start, a busy result or no sample."""
        if self.clip is None or self.measure.of_a_start or self.outcome is Outcome.BUSY:
            return None
        return self.clip.seconds / self.estimate.seconds if self.counted else None


def to_json(result: Result) -> dict[str, Any]:
    """Return a result as plain dicts, lists, strings and numbers, ready for JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(result)
    return plain


def from_json(plain: object) -> Result:
    """Return the result that `to_json` gave.

    Raises:
        ValueError: A field is missing, unknown, of another type or out of its range; the message
            names it.
    """
    return msgspec.convert(plain, Result)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a result, draft 2020-12."""
    schema = msgspec.json.schema(Result)
    for each in schema["$defs"].values():
        if "description" in each:  # the docstring, which is indented up to Python 3.12
            each["description"] = cleandoc(each["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_schema(path: Path = SCHEMA) -> None:
    """Write the JSON Schema of a result to a file."""
    path.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
