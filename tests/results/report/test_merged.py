"""Results put together: like with like, each once, whatever the order of their journals."""

from __future__ import annotations

import random
from dataclasses import replace as replaced
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.results import (
    CLIP,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    cold,
    load,
    measured,
    samples,
    warm,
)
from tests.results.test_aspects import COMPARISON
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.journal.journal_file import HEADER, line_of
from whisper_speedtest.results.journal.sources import read_all
from whisper_speedtest.results.order import place
from whisper_speedtest.results.report.folder import FILES
from whisper_speedtest.results.report.merged import UNKNOWN, Merged, merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.report.merged import OnMachine

replace = msgspec.structs.replace

OTHER = replace(MACHINE, chip="Apple M1", cores={"performance": 4})
UNMEASURED: dict[str, Any] = {"samples": (), "provenance": None, "reason": "it did not end well"}


def day(number: int) -> str:
    """Return the time of a day in November 2026."""
    return f"2026-11-{number:02}T08:00:00.000Z"


def one(*results: Result) -> OnMachine:
    """Return what is told of the one machine that these results are of."""
    (machine,) = merge(results).machines
    return machine


def on(**changes: Any) -> Result:
    """Return a warm result of MACHINE."""
    return warm(**{"machine": MACHINE} | changes)


def test_the_same_result_counts_once() -> None:
    """A result counts once, however many journals hold it.

    The least difference makes another one.
    """
    result, other = on(when=day(1)), on(when=day(2))

    merged = merge(
        [result, other, msgspec.json.decode(msgspec.json.encode(result), type=type(result))]
    )

    assert merged.results == (result, other)
    assert len(merge([on(transcript="a"), on(transcript="b")]).results) == 2


def test_results_of_one_time_stand_by_what_they_hold() -> None:
    """Results of the same time stand in the order of what they hold.

    So the same results make the same report in each process.
    """
    found = merge([on(when=day(1), transcript=each) for each in "dbfaec"]).results

    assert [each.transcript for each in found] == list("abcdef")


def test_last_measurement_counts_and_the_others_are_its_history() -> None:
    """The last measurement of a test counts, and the others are its history, oldest first.

    They go by the time at which they ended; one without a time is older than any.
    """
    results = [on(when=when) for when in (day(3), "", day(1), day(2))]

    (series,) = one(*results).series

    assert series.latest.when == day(3)
    assert [each.when for each in series.earlier] == ["", day(1), day(2)]
    assert series.differs == ""
    assert [each.when for each in merge(results).results] == ["", day(1), day(2), day(3)]


def test_busy_measurement_is_a_point_of_the_same_history() -> None:
    """A busy measurement is a point of its test's history, and counts only if all are busy.

    Then the last of them counts. What failed or was skipped is no measurement.
    """
    busy = [on(when=day(each), outcome=Outcome.BUSY) for each in (2, 4)]
    machine = one(on(when=day(1)), busy[0], on(when=day(3)), busy[1])
    (series,) = machine.series

    assert (series.latest.outcome, series.latest.when) == (Outcome.PASSED, day(3))
    assert [each.when for each in series.earlier] == [day(1), day(2), day(4)]
    assert machine.comparable == (series.latest,)
    machine = one(*busy)
    (series,) = machine.series
    assert (series.latest.outcome, series.latest.when) == (Outcome.BUSY, day(4))
    assert machine.comparable == (series.latest,)
    assert series.latest.is_measured
    assert not on(outcome=Outcome.FAILED).is_measured
    assert not on(outcome=Outcome.TIMED_OUT).is_measured
    assert not on(outcome=Outcome.SKIPPED).is_measured
    assert not on(samples=()).is_measured


def test_comparison_that_failed_takes_no_measurement_away() -> None:
    """A failed comparison takes nothing away from the measurement whose test has its id."""
    warm_one = on(when=day(1))
    failed = on(when=day(2), outcome=Outcome.FAILED, measure=Measure.RATIO, **UNMEASURED)
    machine = one(warm_one, failed)

    assert [each.latest for each in machine.series] == [warm_one]
    assert machine.unmeasured == (failed,)
    assert {each.measure for each in machine.comparable} == {Measure.WARM, Measure.RATIO}


def test_rows_that_look_alike_say_by_what_they_differ() -> None:
    """Results with other versions or model bytes are never one series, and say how they differ."""
    newer = replace(PROVENANCE, versions=PROVENANCE.versions | {"mlx": "0.33.0"})
    moved = replace(MODEL, commit="ff" * 20, files={})
    machine = one(on(when=day(1)), on(when=day(2), provenance=newer), on(when=day(3), model=moved))

    assert [each.differs for each in machine.series] == [
        "commit 121212121212, mlx 0.32.4",
        "commit 121212121212, mlx 0.33.0",
        "commit ffffffffffff, mlx 0.32.4",
    ]
    assert [each.earlier for each in machine.series] == [(), (), ()]


def test_tests_of_other_cases_and_clips_look_like_no_other() -> None:
    """Results of unlike cases or measures do not say by what they differ.

    Their rows show it anyway.
    """
    machine = one(measured("mlx-whisper fp16"), measured("mlx-whisper 4bit"), load(machine=MACHINE))

    assert [each.differs for each in machine.series] == ["", "", ""]


def test_results_stand_by_machine() -> None:
    """A report's results stand by machine, those of an unknown machine last.

    The checkout that measured is nothing of the machine.
    """
    unsaid = replace(MACHINE, suite=None)
    results = [on(machine=None), on(), on(machine=OTHER), on(machine=unsaid, when=day(1))]

    merged = merge(results)

    assert [(each.name, len(each.series[0].earlier)) for each in merged.machines] == [
        ("Apple M1", 0),
        ("Apple M4 Pro", 1),
        (UNKNOWN, 0),
    ]
    assert [each.machine for each in merged.machines] == [
        replace(OTHER, suite=None),
        unsaid,
        None,
    ]


def test_machines_stand_by_name() -> None:
    """Machines of a report stand by name, one without a known chip by its architecture."""
    nameless = replace(MACHINE, chip=None, architecture="AMD64")

    found = merge([on(), on(machine=nameless)]).machines

    assert [each.name for each in found] == ["AMD64", "Apple M4 Pro"]


@pytest.mark.parametrize("days", [(1, 2), (2, 1)])
def test_number_of_a_machine_does_not_go_by_when_it_measured(days: tuple[int, int]) -> None:
    """Machines that only their cores tell apart keep their numbers whenever they measured."""
    fewer = replace(MACHINE, cores={"performance": 8}, suite=None)
    more = replace(MACHINE, cores={"performance": 9}, suite=None)

    found = merge([on(machine=fewer, when=day(days[0])), on(machine=more, when=day(days[1]))])

    assert [each.machine for each in found.machines] == [fewer, more]
    assert [each.name[-5:] for each in found.machines] == ["no. 1", "no. 2"]


def test_what_could_not_be_measured_stands_until_it_is() -> None:
    """A failure or skip stands in a report until its test is measured later on that machine.

    The last of several stands.
    """
    failed = on(when=day(2), outcome=Outcome.FAILED, **UNMEASURED)
    skipped = replace(failed, when=day(1), outcome=Outcome.SKIPPED)

    assert one(failed, skipped).unmeasured == (failed,)
    assert one(failed, on(when=day(3))).unmeasured == ()
    assert one(failed, on(when=day(2))).unmeasured == (failed,)
    assert one(failed, on(when=day(1))).unmeasured == (failed,)
    assert one(failed, on(when=day(3), test="test_other")).unmeasured == (failed,)
    elsewhere = merge([failed, on(when=day(3), machine=OTHER)]).machines
    assert [each.unmeasured for each in elsewhere] == [(), (failed,)]


def test_only_what_was_measured_last_is_compared() -> None:
    """Of a test and device only the last measurement is compared, unless the test failed since.

    A skip changes nothing.
    """
    old, new = on(when=day(1)), on(when=day(3), transcript="b")
    newer = replace(PROVENANCE, versions={"mlx": "1"})
    upgraded = on(when=day(2), provenance=newer)
    on_cpu = on(when=day(2), provenance=replace(PROVENANCE, device="cpu"))
    failed = on(when=day(4), outcome=Outcome.FAILED, **UNMEASURED)
    timed_out = replace(failed, outcome=Outcome.TIMED_OUT)
    skipped = replace(failed, outcome=Outcome.SKIPPED)
    before = replace(failed, when=day(2))

    assert one(old, new).comparable == (new,)
    assert one(old, upgraded).comparable == (upgraded,)
    assert one(new, on_cpu).comparable == (on_cpu, new)
    assert one(new, on_cpu, failed).comparable == (failed,)
    assert one(new, timed_out).comparable == (timed_out,)
    assert one(new, before).comparable == (new,)
    assert one(new, skipped).comparable == (new,)
    assert one(skipped).comparable == (skipped,)


def test_failure_at_an_unknown_time_is_not_hidden_by_a_measurement_at_one() -> None:
    """A failure at an unknown time stands against a measurement at an unknown time.

    Nobody knows which came first, so that nothing is ranked.
    """
    failed = on(outcome=Outcome.FAILED, **UNMEASURED)

    assert one(failed, on()).comparable == (failed,)
    assert one(failed, on(when=day(1))).comparable == (on(when=day(1)),)


def test_the_same_on_several_machines_stands_side_by_side() -> None:
    """Results of one test on several machines stand side by side, with what else differs."""
    newer = replace(PROVENANCE, versions={"mlx": "1"}, threads=8)
    here, there = on(when=day(2)), on(machine=OTHER, provenance=newer)

    (across,) = merge([on(when=day(1)), here, there]).across

    assert across.results == (("Apple M1", there), ("Apple M4 Pro", here))
    assert across.differs == ("mlx", "threads", "lightning-whisper-mlx")
    assert merge([here, on(machine=OTHER)]).across[0].differs == ()


def test_threads_that_go_by_the_machine_keep_nothing_apart() -> None:
    """Results with other numbers of threads stand side by side across machines.

    The threads are said, as a machine with fewer fast cores is told fewer of them.
    """
    (across,) = merge([on(), on(machine=OTHER, settings=replaced(SETTINGS, threads=2))]).across

    assert across.differs == ("threads told",)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"model": replace(MODEL, commit="ff" * 20)}, id="commit"),
        pytest.param({"model": replace(MODEL, files={})}, id="files"),
        pytest.param({"clip": replace(CLIP, sha256="ef" * 32)}, id="sound"),
        pytest.param({"settings": replaced(SETTINGS, beam_size=5)}, id="settings"),
        pytest.param({"machine": None}, id="unknown machine"),
        pytest.param({"outcome": Outcome.FAILED, **UNMEASURED}, id="failed"),
        pytest.param({"machine": MACHINE}, id="one machine"),
    ],
)
def test_unlike_models_settings_and_sounds_never_stand_side_by_side(
    changes: dict[str, Any],
) -> None:
    """Results of unlike models, settings or sounds never stand side by side across machines.

    Nor do results of one machine or an unknown one, or what failed.
    """
    assert merge([on(), on(**{"machine": OTHER} | changes)]).across == ()


def test_devices_of_one_machine_stand_beside_no_other_machine() -> None:
    """Results on two devices of one machine are no comparison of machines."""
    machine = one(on(), on(provenance=replace(PROVENANCE, device="cpu")))

    assert len(machine.comparable) == 2
    assert merge(machine.comparable).across == ()


def test_each_device_stands_for_itself_where_a_machine_has_measured_on_several() -> None:
    """A machine's result on each device stands beside what other machines took on that device.

    So it is where a machine has measured on several, and none of its times is lost.
    """
    cpu = replace(PROVENANCE, device="cpu")
    here, there = on(), on(machine=OTHER)
    here_cpu, there_cpu = on(provenance=cpu), on(machine=OTHER, provenance=cpu)

    gpu_row, cpu_row = merge([here, here_cpu, there, there_cpu]).across
    (row,) = merge([here, here_cpu, there_cpu]).across
    (unlike,) = merge([here, there_cpu]).across

    rows = {each.device: dict(each.results) for each in (gpu_row, cpu_row)}
    assert rows == {
        "gpu": {"Apple M4 Pro": here, "Apple M1": there},
        "cpu": {"Apple M4 Pro": here_cpu, "Apple M1": there_cpu},
    }
    assert (row.device, dict(row.results)) == (
        "cpu",
        {"Apple M4 Pro": here_cpu, "Apple M1": there_cpu},
    )
    assert (unlike.device, unlike.differs) == ("", ("device",))


def test_ratio_alone_stands_beside_no_other_machines() -> None:
    """A comparison's ratio does not stand beside that of another machine.

    It says nothing of how long a call takes, and is of two sides on one machine.
    """
    ratio = on(measure=Measure.RATIO, comparison=COMPARISON, samples=())

    merged = merge([ratio, replace(ratio, machine=OTHER)])
    assert merged.across == ()
    assert [len(machine.series) for machine in merged.machines] == [1, 1]
    assert [len(machine.comparable) for machine in merged.machines] == [1, 1]


def test_results_stand_in_the_order_of_cases_and_clips() -> None:
    """Results stand in the listed order of libraries and sizes, the unquantised variant first.

    In each case starts stand first, then short clips.
    """
    cases = [
        Case("lightning-whisper-mlx", "tiny", "fp16"),
        Case("lightning-whisper-mlx", "tiny", "4bit"),
        Case("lightning-whisper-mlx", "base", "fp16"),
        Case("mlx-whisper", "tiny", "fp16"),
        Case("mlx-whisper", "unheard", "fp16"),
        Case("someone's", "tiny", "fp16"),
    ]
    long = replace(CLIP, name="a long one", seconds=60.0)
    many = replaced(SETTINGS, batch_size=6)
    of_a_case = [
        cold(),
        load(),
        warm(),
        warm(clip=replace(CLIP, name="shorter name, same length")),
        warm(clip=long),
        warm(measure=Measure.LONG_FORM, clip=long),
        warm(measure=Measure.LONG_FORM, clip=long, settings=many),
    ]
    ordered = [
        replace(each, case=case, test=f"{9 - number}", machine=MACHINE)
        for case in cases
        for number, each in enumerate(of_a_case)
    ]

    shuffled = random.Random(1).sample(ordered, len(ordered))

    assert sorted(shuffled, key=place) == ordered
    assert [each.latest for each in one(*shuffled).series] == ordered


def test_sentence_names_the_machine_where_there_are_several() -> None:
    """A report's answer names the machine where there are several, one in each sentence."""
    here = [measured("mlx-whisper fp16", 1.0, 1.0, 1.01), measured("whisper.cpp fp16")]
    there = [replace(each, machine=OTHER) for each in here]

    (alone,) = merge(here).sentences()
    assert alone.startswith("fastest of those that were right, small: mlx-whisper fp16, RTFx")
    assert merge([*here, *there]).sentences() == [
        f"Apple M1: {alone}",
        f"Apple M4 Pro: {alone}",
    ]


def test_what_tells_of_no_machine_and_measured_nothing_is_no_further_machine() -> None:
    """A skip that tells of no machine counts as a result, but not as a further machine.

    What was measured on no known machine is apart.
    """
    here = [measured("mlx-whisper fp16", 1.0, 1.0, 1.01), measured("whisper.cpp fp16")]
    skipped = on(machine=None, outcome=Outcome.SKIPPED, test="s", **UNMEASURED)
    elsewhere = on(machine=None)

    both = merge([*here, skipped])
    assert both.sentences() == merge(here).sentences()
    assert both.remarks()[0] == "3 results on 1 machine: 2 passed, 1 skipped"
    assert [each.name for each in both.distinct] == ["Apple M4 Pro"]
    assert [each.split(":")[0] for each in merge([*here, elsewhere]).sentences()] == [
        "Apple M4 Pro",
        UNKNOWN,
    ]
    failed = on(machine=OTHER, outcome=Outcome.FAILED, test="f", **UNMEASURED)
    assert merge([*here, failed]).remarks()[0].startswith("3 results on 2 machines")
    assert merge([skipped]).remarks() == ["1 result on 1 machine: 1 skipped"]


def test_no_sentence_ranks_what_was_busy_or_failed() -> None:
    """A report's answer ranks nothing that was busy or has failed since, however fast it was."""
    slow, next_ = measured("whisper.cpp fp16"), measured("transformers fp16", 3.0, 3.0, 3.01)
    fast = measured("mlx-whisper fp16", 0.1, 0.1, 0.1, when=day(1))
    busy = replace(fast, outcome=Outcome.BUSY, when=day(2))
    failed = replace(fast, outcome=Outcome.FAILED, when=day(2), samples=(), reason="no")

    for those, why in (([busy], "busy"), ([fast, failed], "failed")):
        (sentence,) = merge([slow, next_, *those]).sentences()
        assert "mlx-whisper" not in sentence, f"a {why} row is ranked: {sentence}"
        assert sentence.endswith(f"left out: 1 {why}")


def test_report_of_what_has_failed_since_does_not_say_that_nothing_was_measured() -> None:
    """A report of what was measured and has failed since does not say that nothing was measured.

    Its table shows what was measured before; without that, nothing was.
    """
    fast = measured("mlx-whisper fp16", when=day(1))
    failed = replace(fast, outcome=Outcome.FAILED, when=day(2), samples=(), reason="no")

    (sentence,) = merge([fast, failed]).sentences()
    assert sentence.endswith("nothing can be ranked; left out: 1 failed")
    (sentence,) = merge([failed]).sentences()
    assert sentence.startswith("nothing was measured: ")


def test_remarks_count_what_there_is() -> None:
    """A report's remarks count its results, how they ended and when, and repetitions.

    They also count the versions of the suite's code.
    """
    failed = on(when=day(2), outcome=Outcome.FAILED, test="f", **UNMEASURED)

    assert merge([on()]).remarks() == ["1 result on 1 machine: 1 passed"]
    assert merge([on(when=day(3)), failed, on(machine=OTHER, code="cc" * 32)]).remarks() == [
        "3 results on 2 machines: 2 passed, 1 failed; 2026-11-02 to 2026-11-03",
        (
            "2 versions of this suite's code measured what counts: where that was changed, so may "
            "have been what is timed"
        ),
    ]
    assert merge([on(when=day(3)), on(when=day(3), code="cc" * 32)]).remarks() == [
        "2 results on 1 machine: 2 passed; 2026-11-03",
        "Of repetitions the last that is not busy counts; 1 other is in results.csv",
    ]
    assert merge([on(when=day(each)) for each in (1, 2, 3)]).remarks()[1] == (
        "Of repetitions the last that is not busy counts; 2 others are in results.csv"
    )


def test_nothing_at_all_is_a_report_of_nothing() -> None:
    """A report of no results has no machine and says so."""
    assert merge([]) == Merged((), (), ())
    assert merge([]).sentences() == []
    assert merge([]).remarks() == ["0 results on 0 machines"]


def test_number_that_is_none_is_no_result() -> None:
    """A result with a time that is no number is refused in a report.

    JSON cannot hold it, so that no journal could be made of it again.
    """
    with pytest.raises(ValueError, match="seconds"):
        merge([on(samples=samples(float("nan")))])


def files(merged: Merged) -> dict[str, str]:
    """Return the files of a report but for the page, which takes long, and is made of the same."""
    return {name: made(merged) for name, made in FILES.items() if name != "index.html"}


def journals(folder: Path, *contents: Sequence[Result]) -> list[str]:
    """Write journals with these results to a folder; return their names."""
    paths = [folder / f"{number}.jsonl" for number in range(len(contents))]
    for path, results in zip(paths, contents, strict=True):
        path.write_bytes(HEADER + b"".join(map(line_of, results)))
    return [str(path) for path in paths]


@pytest.mark.property
def test_reports_of_journals_are_the_report_of_their_union(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Journals make the report of their union, byte for byte, in any order and however often.

    So do reports that are merged again.
    """
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from tests.helpers.any_results import any_results

    @settings(deadline=None, max_examples=60, derandomize=True, database=None)
    @given(any_results(), any_results(), st.randoms(use_true_random=False))
    def holds(one: list[Result], other: list[Result], chance: random.Random) -> None:
        union = merge([*one, *other])
        expected = files(union)
        shuffled = [*other, *one, *other]
        chance.shuffle(shuffled)
        of_parts = [*merge(other).results, *merge(one).results]

        assert merge(shuffled) == union
        assert files(merge(shuffled)) == expected
        assert files(merge(of_parts)) == expected
        assert merge(union.results) == union
        if shuffled:
            names = journals(tmp_path_factory.mktemp("journals"), other, one, union.results)
            assert files(merge(read_all(names[:2]).results)) == expected
            assert files(merge(read_all(names[2:]).results)) == expected

    holds()


@pytest.mark.property
def test_each_result_stands_in_one_place() -> None:
    """Each measured result stands in one series, together only with results of equal aspects."""
    from hypothesis import given, settings

    from tests.helpers.any_results import any_results

    @settings(deadline=None, max_examples=100, derandomize=True, database=None)
    @given(any_results(20))
    def holds(results: list[Result]) -> None:
        merged = merge(results)
        placed = [
            each
            for machine in merged.machines
            for series in machine.series
            for each in (*series.earlier, series.latest)
        ]
        assert len(placed) == sum(each.is_measured for each in merged.results)
        for machine in merged.machines:
            for series in machine.series:
                times = [each.when for each in (*series.earlier, series.latest)]
                assert times == sorted(times), "a history is out of order"
                for each in series.earlier:
                    assert (each.test, each.case, each.model, each.clip, each.settings) == (
                        series.latest.test,
                        series.latest.case,
                        series.latest.model,
                        series.latest.clip,
                        series.latest.settings,
                    ), "a series mixes what is unlike"
                    assert each.provenance == series.latest.provenance
            alike = [series.latest.test for series in machine.series]
            for series in machine.series:
                assert bool(series.differs) == (alike.count(series.latest.test) > 1)
        for across in merged.across:
            models = {each.model.commit for _, each in across.results}
            assert len(models) == 1, "machines are compared by unlike models"

    holds()
