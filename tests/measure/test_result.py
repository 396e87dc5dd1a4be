"""A result: what is computed from its samples, and its way to JSON and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.helpers.comparisons import compared, comparison
from tests.helpers.results import CLIP, MACHINE, cold, load, samples, warm
from whisper_speedtest.measure.contention import Contention
from whisper_speedtest.measure.machine import Gpu, Machine, State
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.result import (
    SCHEMA,
    ClipFacts,
    ClipScore,
    ModelFacts,
    Provenance,
    Result,
    from_json,
    json_schema,
    to_json,
    write_schema,
)
from whisper_speedtest.measure.samples import Repeats, Sample, Start

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.measure.part import Part

PARTS = (
    *(Sample, Contention, Start, Repeats, ClipFacts, ClipScore, ModelFacts, Provenance),
    *(Machine, Gpu, State),
)


def test_seconds_are_in_the_order_in_which_they_were_taken() -> None:
    """The seconds of a result are in the order in which its samples were taken."""
    mixed = (
        Sample(process=1, order=2, seconds=3.0),
        Sample(process=0, order=0, seconds=1.0),
        Sample(process=1, order=1, seconds=2.0),
    )

    assert warm(samples=mixed).seconds == [1.0, 2.0, 3.0]


def marked(*marks: bool, calls: int = 1) -> Result:
    """Return a result with a sample for each mark, the first of 1 s, the second of 2 s and so on.

    There were to be so many calls, of one process.
    """
    taken = tuple(
        Sample(process=0, order=order, seconds=1.0 + order, contaminated=mark)
        for order, mark in enumerate(marks)
    )
    return warm(samples=taken, repeats=Repeats(processes=1, calls=calls, max_others=0.1))


def test_result_without_samples_has_no_estimate() -> None:
    """A result without samples has no estimate, and says so with its test and outcome."""
    failed = warm(samples=(), outcome=Outcome.FAILED)

    with pytest.raises(ValueError, match=r"test_transcribe\[.*\]: expected samples, .*failed"):
        _ = failed.estimate


def test_estimate_is_computed_once_for_each_result() -> None:
    """A result computes its estimate once, and a result with other samples has another estimate."""
    result = warm(2.0, 2.0)

    assert result.estimate is result.estimate
    assert msgspec.structs.replace(result, samples=samples(3.0)).estimate.seconds == 3.0
    assert result == warm(2.0, 2.0), "an estimate that was computed is no part of a result"


@pytest.mark.parametrize(("virtual", "margin"), [(True, 0.08155), (False, 0.0), (None, 0.0)])
def test_interval_allows_for_other_sessions_on_a_virtual_machine(
    virtual: bool | None, margin: float
) -> None:
    """On a virtual machine alone, the interval allows for 4 % between sessions."""
    alike = tuple(Sample(process=number, order=number, seconds=1.0) for number in range(3))
    machine = msgspec.structs.replace(MACHINE, virtual=virtual)

    found = warm(samples=alike, machine=machine).estimate.margin

    assert found == pytest.approx(margin, abs=1e-5)


def test_contaminated_samples_count_in_nothing() -> None:
    """Contaminated samples stay in a result, but count neither in its estimate nor in its RTFx."""
    result = marked(True, False, True)

    assert len(result.samples) == 3
    assert result.seconds == [2.0]
    assert result.estimate.seconds == 2.0
    assert result.rtfx == 6.0


def test_busy_result_shows_all_its_samples_and_no_rtfx() -> None:
    """A busy result has the seconds of all its samples, and no RTFx."""
    busy = msgspec.structs.replace(marked(True, True, True), outcome=Outcome.BUSY)

    assert busy.seconds == [1.0, 2.0, 3.0]
    assert busy.estimate.seconds == 2.0
    assert busy.rtfx is None


def test_first_cold_start_stands_apart() -> None:
    """The first cold start does not count in the estimate, unless it is the only clean one."""
    for measure in (Measure.COLD, Measure.COLD_FILES):
        assert cold(9.0, 2.0, 2.0, measure=measure).estimate.seconds == pytest.approx(2.0)
    assert cold(9.0).estimate.seconds == 9.0
    assert load(9.0, 9.0, 9.0).estimate.calls == (1, 1, 1)
    first, second = cold(9.0, 2.0).samples
    dirty = msgspec.structs.replace(second, contaminated=True)
    assert cold(9.0, 2.0, samples=(first, dirty)).estimate.seconds == 9.0


@pytest.mark.parametrize(
    ("result", "contaminated"),
    [
        (marked(True, calls=1), True),
        (marked(True, False, calls=1), False),
        (marked(False, True, True, True, calls=2), False),  # one of two calls
        (marked(False, *[True] * 6, calls=3), True),  # one of three
        (marked(False, True, True, True, False, calls=3), False),
        (warm(), False),
    ],
    ids=["all", "made-again", "half", "most", "fewer", "unknown"],
)
def test_result_is_contaminated_where_most_of_its_calls_are(
    result: Result, contaminated: bool
) -> None:
    """A result is contaminated if over half of its calls are clean in none of their tries."""
    assert result.is_contaminated is contaminated


@pytest.mark.parametrize(("busy_blocks", "contaminated"), [(2, False), (3, True)])
def test_comparison_is_contaminated_where_too_few_blocks_count(
    busy_blocks: int, contaminated: bool
) -> None:
    """A comparison is contaminated if fewer than four of its blocks count."""
    turns = tuple(
        msgspec.structs.replace(turn, contaminated=turn.block < busy_blocks)
        for turn in comparison().turns
    )

    assert compared(comparison(turns=turns)).is_contaminated is contaminated


def test_calls_of_all_processes_count_together() -> None:
    """Whether a result is contaminated is decided over the calls of all its processes together."""
    repeats = Repeats(processes=2, calls=1, max_others=0.1)
    clean = Sample(process=1, order=1, seconds=2.0)
    dirty = Sample(process=0, order=0, seconds=9.0, contaminated=True)

    assert not warm(samples=(dirty, clean), repeats=repeats).is_contaminated
    assert warm(samples=(dirty,), repeats=repeats).is_contaminated


def test_rtfx_is_seconds_of_audio_in_a_second() -> None:
    """RTFx is the seconds of audio that are transcribed in a second."""
    assert CLIP.seconds == 12.0
    assert warm(2.0).rtfx == 6.0
    assert warm(24.0).rtfx == 0.5


def test_rtfx_is_of_a_timed_transcription_alone() -> None:
    """Only a timed transcription has an RTFx: a start or a result without samples has none."""
    assert cold(2.0).rtfx is None
    assert load(2.0).rtfx is None
    assert warm(samples=()).rtfx is None
    assert warm(2.0, measure=Measure.TUNED).rtfx == 6.0
    assert warm(2.0, measure=Measure.LONG_FORM).rtfx == 6.0


def test_busy_result_was_right_and_measured() -> None:
    """A busy result counts as right and as measured, just as one that passed."""
    right = {Outcome.PASSED, Outcome.BUSY}

    assert {outcome for outcome in Outcome if outcome.was_right} == right
    assert {outcome for outcome in Outcome if warm(outcome=outcome).is_measured} == right
    assert not warm(samples=()).is_measured


def test_total_of_a_start_is_the_sum_of_its_phases() -> None:
    """The total of a start is the sum of its phases."""
    start = Start(process=0, launch=1.0, import_library=20.0, load=300.0, first_call=4000.0)

    assert start.total == 4321.0


def test_starts_are_measures_of_the_model_and_not_of_a_clip() -> None:
    """Cold starts and loads, and no other measures, are measures of a start."""
    starts = {Measure.COLD, Measure.COLD_FILES, Measure.LOAD}

    assert {measure for measure in Measure if measure.of_a_start} == starts


def test_result_cannot_be_changed() -> None:
    """No field of a result can be changed."""
    with pytest.raises(AttributeError):
        warm().transcript = "another"  # type: ignore[misc]


def test_json_holds_plain_values_under_the_documented_names() -> None:
    """The JSON of a result has plain values under the documented names."""
    written = json.loads(json.dumps(to_json(cold(5.0))))

    assert written["version"] == 2
    assert written["measure"] == "cold"
    assert written["outcome"] == "passed"
    assert written["case"] == {
        "adapter": "lightning-whisper-mlx",
        "size": "tiny",
        "variant": "4bit",
    }
    assert written["samples"] == [
        {
            "process": 0,
            "order": 0,
            "seconds": 5.0,
            "gap": None,
            "contention": None,
            "contaminated": False,
        }
    ]
    assert written["repeats"] == {
        "processes": 1,
        "calls": 1,
        "max_others": 0.1,
        "budget": None,
        "pause": 0.0,
        "chosen": [],
        "timed_out": 0,
    }
    assert written["starts"] == [
        {"process": 0, "launch": 0.5, "import_library": 1.0, "load": 1.5, "first_call": 2.0}
    ]
    assert written["memory"] == {"footprint": 324_600_000, "accelerator": 44_000_000}
    assert written["model"]["files"] == {
        "weights.npz": {"size": 23_456_789, "sha256": "ab" * 16 + "ef" * 16},
    }
    assert written["settings"]["threads"] == 4
    assert written["provenance"]["threads"] is None
    assert written["provenance"]["empty_call"] == 0.000_064


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("invented",), 1, "unknown field `invented`"),
        (("version",), 1, r"Invalid enum value 1 - at `\$.version`"),
        (("outcome",), "great", "Invalid enum value 'great'"),
        (("measure",), "lukewarm", "Invalid enum value 'lukewarm'"),
        (("samples", 0, "seconds"), -0.001, r">= 0.* - at `\$.samples\[0\].seconds`"),
        (("samples", 0, "seconds"), "fast", r"Expected `float`, got `str`"),
        (("samples", 0, "seconds"), "2.5", r"Expected `float`, got `str`"),
        (("samples", 0, "process"), -1, r">= 0"),
        (("samples", 0, "order"), -1, r">= 0"),
        (("clip", "sha256"), "not a hash", r"matching regex .* - at `\$.clip.sha256`"),
        (("provenance", "device"), "tpu", "Invalid enum value 'tpu'"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_json_that_is_no_result_is_refused_by_name(
    path: tuple[str | int, ...], value: object, complaint: str
) -> None:
    """JSON with an unknown field, or a value of a wrong type or range, is refused by that name."""
    written: Any = json.loads(json.dumps(to_json(warm())))
    part = written
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value

    with pytest.raises(ValueError, match=complaint):
        from_json(written)


def test_json_that_lacks_a_field_is_refused_by_name() -> None:
    """JSON of a result that lacks a field is refused by the name of that field."""
    written = to_json(warm())
    del written["case"]

    with pytest.raises(ValueError, match="missing required field `case`"):
        from_json(written)


def test_result_of_an_earlier_version_of_the_suite_is_read() -> None:
    """The JSON of an earlier version of the suite is read, with defaults for later fields."""
    written = to_json(warm())
    del written["clips"], written["first"]
    for name in ("time_error", "boundaries", "words_in_silence", "cer", "normaliser"):
        del written["score"][name]

    read = from_json(written)

    assert read == warm()
    assert read.score is not None
    assert (read.score.time_error, read.score.boundaries, read.score.cer) == (None, 0, None)
    assert (read.score.words_in_silence, read.score.normaliser) == (None, "whisper english")


def test_schema_is_the_documented_one() -> None:
    """The documented schema describes the JSON of results as it is really written."""
    documented = json.loads(SCHEMA.read_text(encoding="utf-8"))

    assert json.loads(json.dumps(json_schema())) == documented, (
        f"{SCHEMA.name} does not describe what is written; if the change is meant, let "
        "`python -c 'from whisper_speedtest.measure.result import *; write_schema()'` write it "
        "anew, and raise Result.version where an older reader would misread it"
    )


def test_schema_is_written_as_documented(tmp_path: Path) -> None:
    """The schema is written as the documented file, byte for byte."""
    write_schema(tmp_path / "schema.json")

    assert (tmp_path / "schema.json").read_bytes() == SCHEMA.read_bytes()


@pytest.mark.parametrize("part", [Result, *PARTS], ids=lambda part: part.__name__)
def test_every_part_is_frozen_named_and_strict(part: type[Part]) -> None:
    """No part of a result can be changed, or be made by position or with a field it lacks."""
    config = part.__struct_config__

    assert (config.frozen, config.forbid_unknown_fields) == (True, True)
    with pytest.raises(TypeError, match="Extra positional arguments"):
        part(*range(len(part.__struct_fields__)))


@pytest.mark.property
def test_results_survive_json() -> None:
    """Any result comes back from JSON as it was, whatever its texts, counts and times are."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    seconds = st.floats(0, 1e6, allow_nan=False)
    part = st.builds(Sample, process=st.integers(0, 9), order=st.integers(0, 99), seconds=seconds)

    @settings(deadline=None)
    @given(
        outcome=st.sampled_from(Outcome),
        measure=st.sampled_from(Measure),
        taken=st.lists(part, max_size=5),
        transcript=st.none() | st.text(),
        reason=st.text(),
        empty_call=st.none() | seconds,
    )
    def survive(
        outcome: Outcome,
        measure: Measure,
        taken: list[Sample],
        transcript: str | None,
        reason: str,
        empty_call: float | None,
    ) -> None:
        provenance = warm().provenance
        assert provenance is not None
        result = warm(
            outcome=outcome,
            measure=measure,
            samples=tuple(taken),
            transcript=transcript,
            reason=reason,
            provenance=msgspec.structs.replace(provenance, empty_call=empty_call),
        )
        assert from_json(json.loads(json.dumps(to_json(result)))) == result

    survive()
