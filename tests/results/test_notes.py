"""The notes under the table: each fact once, and nothing that a user would miss left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.reports import compared
from tests.helpers.results import (
    CASE,
    CLIP,
    MODEL,
    PROVENANCE,
    SETTINGS,
    cold,
    load,
    measured,
    samples,
    score,
    state,
    warm,
)
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.result import ClipFacts, ClipScore, ModelFacts
from whisper_speedtest.measure.samples import Repeats
from whisper_speedtest.results.note import printed
from whisper_speedtest.results.notes import notes

if TYPE_CHECKING:
    from typing import Any

    from whisper_speedtest.measure.result import Result

NO_COST = msgspec.structs.replace(PROVENANCE, empty_call=None)
AS_RELEASED = "as released it does not load this model, so the suite changed it"
ABSENT = ModelFacts(repo="mlx-community/whisper-tiny-mlx-4bit", revision="main")


def noted(*arguments: Any, **more: Any) -> list[str]:
    """Return the lines of the notes on results, and on whatever else is given."""
    return printed(notes(*arguments, **more))


def quiet(**changes: Any) -> Result:
    """Return a result of which there is nothing to say."""
    return warm(**{"provenance": NO_COST, **changes})


def skipped(cause: str, **changes: Any) -> Result:
    """Return a result that was skipped."""
    return quiet(
        **{"outcome": Outcome.SKIPPED, "reason": f"all of it: {cause}", "cause": cause, **changes}
    )


def test_there_is_nothing_to_say_of_a_plain_result() -> None:
    """There is no note on a plain result."""
    assert noted([quiet()]) == []
    assert noted([]) == []


def test_cost_of_a_call_is_the_largest_of_all_results() -> None:
    """The cost of a call through an engine is told once: the largest of results that passed."""
    small, large, huge = (
        msgspec.structs.replace(PROVENANCE, empty_call=cost) for cost in (64e-6, 71e-6, 9.0)
    )

    assert noted(
        [
            warm(provenance=small),
            warm(provenance=large),
            warm(provenance=huge, outcome=Outcome.FAILED, test="t", reason="r"),
        ]
    )[:1] == ["harness:  a call through an engine takes 71.0 µs more than the library's own"]


def after_pause(seconds: float, **changes: Any) -> Result:
    """Return the result of calls that took so many seconds after a pause of 5 s."""
    repeats = Repeats(processes=1, calls=1, max_others=0.1, pause=5.0)
    return quiet(samples=samples(seconds), measure=Measure.AFTER_PAUSE, repeats=repeats, **changes)


def test_call_after_a_pause_is_compared_with_one_right_after_another() -> None:
    """A call after a pause is compared with a usual one of the same case and clip.

    Both have to be on equal terms. Where there is no such call, the time of the first is told
    alone.
    """
    long = msgspec.structs.replace(CLIP, name="long")
    told = "lightning-whisper-mlx[tiny-4bit]: short takes"
    usual = quiet(samples=samples(2.0))
    others = [
        quiet(samples=samples(9.0), clip=long),
        quiet(samples=samples(9.0), measure=Measure.TUNED),
        quiet(samples=samples(9.0), case=replace(CASE, size="base")),
        quiet(samples=samples(9.0), outcome=Outcome.BUSY),
    ]

    (line,) = noted([after_pause(3.8), usual])
    assert line == (
        f"pause:    {told} 1.9 times as long after 5 s of idleness (3.80 s, and 2.00 s right after "
        "another call)"
    )
    assert noted([*others, after_pause(3.8)])[0] == f"pause:    {told} 3.80 s after 5 s of idleness"
    assert noted([after_pause(3.8, outcome=Outcome.SKIPPED, cause="c"), usual])[0][:8] == "skipped:"


def test_start_from_the_disk_is_compared_with_one_from_memory() -> None:
    """A start with its files on the disk alone is compared with one that has them in memory.

    The first start of each stands apart, since what it compiles the others find.
    """
    from_disk = cold(99.0, 12.0, measure=Measure.COLD_FILES, provenance=NO_COST)
    from_memory = cold(77.0, 8.0, provenance=NO_COST)
    told = "lightning-whisper-mlx[tiny-4bit]: a cold start takes"

    (line,) = noted([from_disk, load(provenance=NO_COST), from_memory])
    assert line == (
        f"disk:     {told} 1.5 times as long with its files on the disk alone (12.0 s, and 8.00 s "
        "with them in memory)"
    )
    assert noted([from_disk, cold(8.0, case=replace(CASE, size="base"), provenance=NO_COST)]) == [
        f"disk:     {told} 12.0 s with its files on the disk alone"
    ]


def test_time_is_compared_with_one_on_the_same_device_alone() -> None:
    """Notes on pauses and on starts from the disk compare only times of the same device.

    A report may hold results of both: a call on the CPU takes longer whatever came before it.
    """
    on_cpu = {"provenance": msgspec.structs.replace(NO_COST, device="cpu")}
    told = "lightning-whisper-mlx[tiny-4bit]:"
    from_disk = cold(99.0, 12.0, measure=Measure.COLD_FILES, provenance=NO_COST)

    (line,) = noted([after_pause(3.8), quiet(samples=samples(2.0)), warm(8.0, **on_cpu)])

    assert line == (
        f"pause:    {told} short takes 1.9 times as long after 5 s of idleness (3.80 s, and 2.00 s "
        "right after another call)"
    )
    assert noted([after_pause(3.8), warm(8.0, **on_cpu)]) == [
        f"pause:    {told} short takes 3.80 s after 5 s of idleness"
    ]
    assert noted([from_disk, cold(77.0, 8.0, **on_cpu)]) == [
        f"disk:     {told} a cold start takes 12.0 s with its files on the disk alone"
    ]


def test_processes_that_are_missing_are_told_once_a_case() -> None:
    """Processes that took too long to start are told once a case, with their number."""
    repeats = Repeats(processes=1, calls=2, max_others=0.1, timed_out=2)
    whole = Repeats(processes=3, calls=2, max_others=0.1)

    (line,) = noted([quiet(repeats=repeats), quiet(repeats=repeats), quiet(repeats=whole)])
    assert line == (
        "fewer:    lightning-whisper-mlx[tiny-4bit]: 2 of its starts took longer than the limit, "
        "so fewer processes were measured"
    )
    one = Repeats(processes=2, calls=2, max_others=0.1, timed_out=1)
    assert "[tiny-4bit]: 1 of its starts took" in noted([quiet(repeats=one)])[0]


def test_calls_whose_interval_says_nothing_are_told() -> None:
    """Calls with an interval over ±100 % are told in one line, even of several models.

    A start has no interval that people are shown.
    """
    one, two = (measured(f"{name} fp16", 0.1, 0.9, 3.0) for name in ("mlx-whisper", "whisper.cpp"))
    start = cold(1.0, 2.0, 9.0)

    (line,) = [each for each in noted([one, start, two, warm()]) if each.startswith("vague:")]

    assert line == (
        "vague:    processes differ so much that nobody can tell how long the next one takes "
        "(over ±100%): mlx-whisper[small-fp16]: short; whisper.cpp[small-fp16]: short; run these "
        "again on a quieter machine, or with more --processes"
    )


def test_mend_is_said_once_a_case() -> None:
    """Each change that the suite made to a library is told once a case."""
    mended = msgspec.structs.replace(NO_COST, mends=("one thing", "another"))

    assert noted([load(provenance=mended), cold(provenance=mended)]) == [
        f"mended:   lightning-whisper-mlx[tiny-4bit]: {AS_RELEASED}: one thing",
        f"mended:   lightning-whisper-mlx[tiny-4bit]: {AS_RELEASED}: another",
    ]


def test_fallback_is_said_of_its_clip() -> None:
    """A note says on which clip a library fell back, with the batch size if there is one."""
    long_form = quiet(
        fallback=True, measure=Measure.LONG_FORM, settings=replace(SETTINGS, batch_size=6)
    )

    (line,) = noted([quiet(fallback=False), long_form])

    label = "lightning-whisper-mlx[tiny-4bit]"
    assert line == f"fallback: {label} on short ×6: decoded anew at a higher temperature"


def test_skips_are_told_by_cause_with_their_models() -> None:
    """Skips are told in a line for each cause, with the number of tests.

    Below it stands a line for each adapter and repo.
    """
    base = replace(CASE, size="base")
    absent = ModelFacts(repo="mlx-community/whisper-base-mlx-4bit", revision="main")

    assert noted(
        [
            skipped("offline", model=ABSENT),
            skipped("offline", model=ABSENT),
            skipped("offline", case=base, model=absent),
            skipped("too slow", model=MODEL),
        ]
    ) == [
        "skipped:  offline (3 tests)",
        "          lightning-whisper-mlx[tiny-4bit]: mlx-community/whisper-tiny-mlx-4bit",
        "          lightning-whisper-mlx[base-4bit]: mlx-community/whisper-base-mlx-4bit",
        "skipped:  too slow (1 test)",
        "          lightning-whisper-mlx[tiny-4bit]",
    ]


def test_variants_of_one_repo_share_a_line() -> None:
    """Skipped variants that a library makes from one repo share a line."""
    int8 = replace(CASE, variant="int8")
    both = [skipped("offline", model=ABSENT), skipped("offline", case=int8, model=ABSENT)]

    assert noted(both)[1] == (
        f"          lightning-whisper-mlx[tiny-4bit, tiny-int8]: {ABSENT.repo}"
    )


def cases_of(number: int) -> list[Case]:
    """Return so many cases of two adapters in turn, each of a size of its own."""
    return [Case(f"adapter{each % 2}", f"size{each}", "fp16") for each in range(number)]


def test_many_models_are_counted_by_adapter() -> None:
    """Of the models skipped for one cause, four are named, and more are counted by adapter.

    Dozens of lines would hide all else.
    """
    skips = [
        skipped("offline", case=case, model=ModelFacts(repo=f"org/{case.size}", revision="main"))
        for case in [*cases_of(5), cases_of(5)[0]]
    ]

    assert noted(skips[:4]) == [
        "skipped:  offline (4 tests)",
        *(f"          adapter{each % 2}[size{each}-fp16]: org/size{each}" for each in range(4)),
    ]
    assert noted(skips) == [
        "skipped:  offline (6 tests)",
        "          models: adapter0 3, adapter1 2; --check-models names each with its repo",
    ]


def test_names_below_a_line_are_those_of_that_line() -> None:
    """A name that belongs below two notes stands below each of them."""
    skips = [skipped(cause, model=MODEL) for cause in ("one", "two")]
    wrong = [failed(f"t{each % 5}", f"reason {each // 5}") for each in range(10)]

    assert noted(skips)[1::2] == ["          lightning-whisper-mlx[tiny-4bit]"] * 2
    assert noted(wrong).count(AND_ONE) == 2


def test_many_causes_are_counted() -> None:
    """Four causes of skips are told, and more are counted.

    The journal has the reason of each test.
    """
    skips = [skipped(f"cause {each // 2}", case=CASE, model=MODEL) for each in range(12)]

    lines = [line for line in noted(skips) if line.startswith("skipped:")]

    assert lines == [
        *(f"skipped:  cause {each} (2 tests)" for each in range(4)),
        "skipped:  4 tests for 2 more causes; the journal has each",
    ]


def test_libraries_that_are_not_installed_are_told_in_one_line_with_the_remedy() -> None:
    """All libraries that are not installed are told in one line, with the command to get them.

    Other skips are told as they are.
    """
    missing = {"x": "x is not installed; pip install x", "y": "y needs z, which is not installed"}
    reasons = {missing["x"]: Outcome.SKIPPED, "skipped by the user": Outcome.SKIPPED}

    assert noted([], reasons, missing=missing, install="pip install x y") == [
        "skipped:  skipped by the user",
        "missing:  x, y: pip install x y",
    ]
    assert noted([quiet()], missing=missing, install="pip install x y") == [
        "missing:  x, y: pip install x y"
    ]
    assert noted([quiet()], missing={}, install="") == []


def test_adapters_that_cannot_be_used_are_failures() -> None:
    """An adapter that cannot be used is told as a failure, after what was skipped."""
    left_out = {"x.py:1 raises": Outcome.FAILED, "y is not installed": Outcome.SKIPPED}

    for results in ([], [skipped("offline", case=CASE, model=MODEL)]):
        lines = noted(results, left_out)
        assert lines[-2:] == ["skipped:  y is not installed", "failed:   x.py:1 raises"]


def test_transcript_that_nobody_could_check_is_shown() -> None:
    """A transcript that nobody could score is shown in the notes, and a scored one is not."""
    assert noted([quiet(transcript="so it goes"), quiet(transcript="so it goes", score=None)]) == [
        "heard:    lightning-whisper-mlx[tiny-4bit] on short: so it goes"
    ]


def test_transcript_is_shown_whether_or_not_its_time_is_to_be_believed() -> None:
    """An unscored transcript is shown of a busy result too, but not of one that failed.

    The failure says all that there is to know.
    """
    busy = quiet(transcript="so it goes", score=None, outcome=Outcome.BUSY)
    broken = quiet(
        transcript="so it goes", score=None, outcome=Outcome.FAILED, reason="it broke", test="t"
    )

    assert noted([busy])[0] == "heard:    lightning-whisper-mlx[tiny-4bit] on short: so it goes"
    assert noted([broken]) == ["failed:   t: it broke"]


def test_long_transcript_is_shown_in_a_line_that_ends() -> None:
    """Of a long transcript the first hundred words are shown, and how many come after them."""
    words = [f"w{number}" for number in range(102)]

    (all_of_it,) = noted([quiet(transcript="\n".join(words[:100]), score=None)])
    (cut,) = noted([quiet(transcript=" ".join(words), score=None)])

    assert all_of_it.endswith(f"on short: {' '.join(words[:100])}")
    assert cut == f"{all_of_it} … and 2 more words"
    (by_one,) = noted([quiet(transcript=" ".join(words[:101]), score=None)])
    assert by_one == f"{all_of_it} … and 1 more word"


def test_recordings_that_micro_was_given_are_told_whatever_came_of_it() -> None:
    """A user's recordings that micro was given are told, even where the test failed.

    It knows no human voice. Other sizes and the project's own clips need no such line.
    """
    micro = replace(CASE, size="micro")
    clip = ClipFacts(name="memo", sha256="ab" * 32, seconds=4.0)
    failed = {"outcome": Outcome.FAILED, "reason": "r", "test": "t"}

    given = [quiet(case=micro, clip=clip), quiet(case=micro, clip=clip, **failed)]

    assert noted(given, recordings=["memo"])[0] == f"voices:   {NO_HUMAN_VOICE}: memo"
    assert noted([quiet(clip=clip), quiet(case=micro)], recordings=["memo"]) == []
    assert noted([load(case=micro, provenance=NO_COST)], recordings=["memo"]) == []


def test_failures_and_time_outs_are_told_by_test() -> None:
    """Each test that failed or timed out is told with its reason, and none that passed."""
    assert noted(
        [
            quiet(test="test_a[one]", outcome=Outcome.FAILED, reason="it crashed"),
            quiet(test="test_b[two]", outcome=Outcome.TIMED_OUT, reason="not within 3 s"),
            quiet(test="test_c[three]"),
        ]
    ) == ["failed:   test_a[one]: it crashed", "failed:   test_b[two]: not within 3 s"]


def failed(test: str, reason: str, **changes: Any) -> Result:
    """Return the result of a test that failed."""
    return quiet(test=test, outcome=Outcome.FAILED, reason=reason, **changes)


def test_failure_of_several_tests_is_told_once_and_counted() -> None:
    """A failure of several tests is told once, with their number and the names of four.

    Other failures stand for themselves.
    """
    alike = [failed(f"t{number}", f"{CASE.label} on memo: it broke") for number in range(6)]

    assert noted([*alike[:2], failed("other", "it crashed")]) == [
        f"failed:   {CASE.label} on memo: it broke (2 tests)",
        "          t0",
        "          t1",
        "failed:   other: it crashed",
    ]
    assert noted(alike[:5])[1:] == [*(f"          t{each}" for each in range(4)), AND_ONE]
    assert noted(alike)[-1] == "          and 2 more tests"


AND_ONE = "          and 1 more test"


def test_failure_of_several_cases_is_told_without_their_names() -> None:
    """A failure that several cases share is told once, with no case named in its reason.

    A library hears the same in each variant, and a time-out is like another.
    """
    other = replace(CASE, variant="8bit")
    cases = (CASE, other)
    heard = [failed(str(each), f"{each.label} on memo: it broke", case=each) for each in cases]
    too_long = {"outcome": Outcome.TIMED_OUT}
    late = [
        quiet(test=f"late {each}", case=each, reason=f"{each.label}: late", **too_long)
        for each in cases
    ]

    assert noted([*heard, *late]) == [
        "failed:   on memo: it broke (2 tests)",
        f"          {CASE}",
        f"          {other}",
        "failed:   late (2 tests)",
        f"          late {CASE}",
        f"          late {other}",
    ]


def test_failures_are_the_same_wherever_their_reason_names_the_case() -> None:
    """Failures that differ only in the case that their reasons name are told as one."""
    other = replace(CASE, variant="8bit")
    said = [
        failed(str(each), f"the GPU of {each.label} hangs", case=each) for each in (CASE, other)
    ]

    assert noted(said) == [
        "failed:   the GPU of the case hangs (2 tests)",
        f"          {CASE}",
        f"          {other}",
    ]


def test_lines_stand_in_the_order_of_what_they_are_about() -> None:
    """The notes come in one order: cost, mends, fallbacks, skips, libraries, failures."""
    lines = noted(
        [
            quiet(outcome=Outcome.FAILED, reason="it crashed"),
            skipped("offline", model=MODEL),
            warm(
                fallback=True,
                provenance=msgspec.structs.replace(PROVENANCE, mends=("one thing",)),
            ),
        ],
        {"x is not installed": Outcome.SKIPPED},
    )

    assert [line.split(":")[0] for line in lines] == [
        "harness",
        "mended",
        "fallback",
        "skipped",
        "          lightning-whisper-mlx[tiny-4bit]",
        "skipped",
        "failed",
    ]


def beside(before: float, after: float, first: float = 0.1, **changes: Any) -> Result:
    """Return a warm result around which the reference computation took so many seconds.

    It took `first` as the session began. The samples are of one process: there is no interval.
    """
    return warm(before=state(before), after=state(after), first=state(first), **changes)


def drifts(*results: Result) -> list[str]:
    """Return what is said of drift."""
    return [
        line.removeprefix("drift:    ") for line in noted(results) if line.startswith("drift:    ")
    ]


SINCE = "than when the session began, while these were measured:"
ONCE = "run these again to compare them with what was measured before"
AGAIN = "run these again, or add --cooldown=60, which waits until it is as fast"


def test_model_that_no_host_has_confirmed_is_told_once() -> None:
    """A model that no host has confirmed is told once, with what to do, however many its tests."""
    doubtful = msgspec.structs.replace(MODEL, unconfirmed=True)

    (told,) = [line for line in noted([warm(model=doubtful)] * 2) if line.startswith("model: ")]

    assert told == (
        "model:    mlx-community/whisper-tiny-mlx-4bit@121212121212: unconfirmed: no host has said "
        "what its files must be, and they have the hashes that the hub cache names them by; to "
        "know, delete the repo's folder there and fetch it anew"
    )
    assert not [line for line in noted([warm()]) if line.startswith("model: ")]
    failed = warm(model=doubtful, outcome=Outcome.FAILED, reason="wrong words")
    assert told in noted([failed]), "an unconfirmed model may be why a test failed"


def test_drift_is_told_with_its_rows_and_the_largest() -> None:
    """Tests beside which the machine's speed drifted are told with the largest drift.

    What was up to 5 % off is not told. The first reading of the session is what all go by.
    """
    long = msgspec.structs.replace(CLIP, name="long")
    other = replace(CASE, size="base")

    assert drifts(
        beside(0.100, 0.105),
        beside(0.104, 0.112, clip=long),
        beside(0.109, 0.107, case=other),
        beside(0.100, 0.080, case=other, clip=long),
        beside(0.100, 0.090),
    ) == [
        f"the machine was up to 12% slower {SINCE} {CASE.label}: long; {other.label}: short; "
        + AGAIN,
        f"the machine was up to 20% faster {SINCE} {other.label}: long; {CASE.label}: short; "
        + ONCE,
    ]


def test_drift_beside_many_models_is_counted() -> None:
    """Drift beside three models is told with their names, and beside four with their number.

    Beside four, a list would hide what is to be done.
    """
    cases = [replace(CASE, size=size) for size in ("tiny", "base", "small", "medium")]
    results = [beside(0.1, 0.12, case=case) for case in cases]

    (three,) = drifts(*results[:3])
    (four,) = drifts(*results, beside(0.1, 0.11, case=cases[0], measure=Measure.LOAD))

    assert three.count(": short") == 3
    assert four == f"the machine was up to 20% slower {SINCE} 5 tests of 4 models; {AGAIN}"


def test_drift_beside_a_start_is_not_hidden_by_that_beside_a_call() -> None:
    """Drift beside a cold start is told although a call of the same clip drifted less.

    The start is called by what it is.
    """
    cold_start = cold(5.0, 5.0, before=state(0.1), after=state(0.15), first=state(0.1))

    assert drifts(beside(0.1, 0.1), cold_start, beside(0.1, 0.108)) == [
        f"the machine was up to 50% slower {SINCE} {CASE.label}: cold, short; {AGAIN}"
    ]


def test_drift_is_reckoned_from_the_beginning_of_its_own_session() -> None:
    """Drift is reckoned from the first reading of the session that measured the result.

    A report may hold several sessions in any order, and other days have other first readings.
    """
    steady = beside(0.2, 0.2, first=0.2, case=replace(CASE, size="base"))
    slower = beside(0.1, 0.108, first=0.1)

    for results in ((steady, slower), (slower, steady)):
        (line,) = drifts(*results)
        assert f"{SINCE} {CASE.label}: short;" in line


def test_drift_of_a_session_that_does_not_tell_its_beginning_is_that_within_a_test() -> None:
    """Where a session's first reading is unknown, drift is reckoned within each test.

    Older versions of the suite recorded none.
    """
    unknown = {"first": None}

    assert drifts(warm(before=state(0.2), after=state(0.2), **unknown)) == []
    (line,) = drifts(warm(before=state(0.2), after=state(0.22), **unknown))
    assert "up to 10% slower" in line


def test_drift_of_the_gpu_is_told_of_what_was_computed_on_it() -> None:
    """Drift of the GPU is told of a test that computed on the GPU, and not of one on the CPU."""
    around = {"before": state(0.1, 0.5), "after": state(0.1, 0.6), "first": state(0.1, 0.5)}
    on_cpu = msgspec.structs.replace(PROVENANCE, device="cpu")

    assert drifts(warm(**around, provenance=on_cpu)) == []
    (line,) = drifts(warm(**around))
    assert line == f"the machine was up to 20% slower {SINCE} {CASE.label}: short; {AGAIN}"


def test_drift_is_told_with_the_libraries_that_timed_the_gpu() -> None:
    """A note on drift names once each library that timed the GPU, and none for the CPU."""
    on_cpu = msgspec.structs.replace(PROVENANCE, device="cpu")
    first, after = state(0.1), [state(0.2, 0.5, by) for by in ("mlx", "torch", "mlx")]
    on_gpu = [warm(before=first, after=each, first=first) for each in after]

    (line,) = drifts(*on_gpu)
    (of_cpu,) = drifts(warm(before=first, after=after[0], first=first, provenance=on_cpu))

    assert f"{CASE.label}: short (the GPU's speed as mlx and torch computed it); {AGAIN}" in line
    assert "GPU" not in of_cpu


def test_drift_beside_a_comparison_is_nothing_to_speak_of() -> None:
    """Drift beside a comparison is not told: both sides took turns, so it is in both."""
    assert drifts(compared(Verdict.NOT_SLOWER, before=state(0.1), after=state(0.2))) == []


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.FAILED])
def test_drift_beside_what_ranks_nothing_is_nothing_to_speak_of(outcome: Outcome) -> None:
    """Drift beside a busy or failed test is not told.

    Its time is not to be believed anyway, and its own line says why.
    """
    assert drifts(beside(0.1, 0.2, outcome=outcome, reason="why")) == []


def test_steady_machine_is_nothing_to_speak_of() -> None:
    """There is no note on drift of a machine that was steady or whose state nobody noted."""
    assert drifts(beside(0.1, 0.1), warm()) == []


def test_busy_results_are_counted_in_a_line() -> None:
    """The busy tests are counted in one note, which says what to do."""
    lines = noted([warm(outcome=Outcome.BUSY), warm()])

    assert lines[-1] == (
        "busy:     1 of 2 tests were timed while other processes used the machine, so that their "
        "times say little; close other programs, and run these tests again"
    )


def clip_score(wer: float, words: int = 1000) -> ClipScore:
    """Return what became of a clip of a corpus."""
    scored = replace(score(wer), reference_words=words)
    return ClipScore(name="a.wav", sha256="ab" * 32, seconds=1.0, call=0.5, score=scored)


TALKS = ClipFacts(name="talks", sha256="ab" * 32, seconds=9.0)


def test_corpus_is_told_pooled_and_by_its_clips() -> None:
    """A corpus is told by its error rate over all words and by that of its median clip."""
    result = quiet(
        measure=Measure.CORPUS,
        clip=TALKS,
        score=replace(score(0.042), reference_words=1234),
        clips=tuple(map(clip_score, (0.5, 0.0, 0.1))),
    )

    (line,) = noted([result])

    assert line == (
        f"corpus:   {CASE.label} on talks: WER 4.2% pooled over 1,234 words of 3 clips; 10.0% in "
        "the median clip"
    )


def test_clip_of_whose_reference_nothing_is_left_is_no_median() -> None:
    """A clip whose reference has no words does not count towards a corpus's median clip.

    Its rate is a number of words, not a share. A rate of letters is called CER.
    """
    result = quiet(
        measure=Measure.CORPUS,
        clip=TALKS,
        score=replace(score(0.042), cer=0.042),
        clips=(clip_score(9.0, words=0), clip_score(0.2)),
    )

    (line,) = noted([result])

    assert line == (
        f"corpus:   {CASE.label} on talks: CER 4.2% pooled over 1,000 letters of 2 clips; 20.0% "
        "in the median clip"
    )


def test_words_in_silence_are_told() -> None:
    """Words that were heard while nobody speaks are told, of a failed test as well."""
    one, four = (replace(score(), words_in_silence=words) for words in (1, 4))

    lines = noted(
        [
            quiet(score=one),
            quiet(score=four, measure=Measure.TUNED),
            quiet(score=replace(score(), words_in_silence=0), measure=Measure.LONG_FORM),
            quiet(score=four, outcome=Outcome.FAILED, reason="wrong", test="t"),
        ]
    )

    assert lines == [
        f"silence:  {CASE.label} on short: 1 word heard while nobody speaks",
        f"silence:  {CASE.label} on short tuned: 4 words heard while nobody speaks",
        f"silence:  {CASE.label} on short: 4 words heard while nobody speaks",
        "failed:   t: wrong",
    ]


def test_quality_of_a_quantised_model_is_told() -> None:
    """A note says on how many clips a quantised model is no worse than the unquantised one.

    One clip alone on which it is no worse says nothing.
    """
    full, quantised = (replace(CASE, variant=variant) for variant in ("fp16", "8bit"))
    other = msgspec.structs.replace(CLIP, sha256="ef" * 32)

    one = [quiet(case=full), quiet(case=quantised)]
    two = [quiet(case=full, clip=other), quiet(case=quantised, clip=other, score=score(0.2))]

    assert noted(one) == []
    assert noted(two) == [f"quality:  {quantised.label}: no worse than fp16 on 0 of 1 clip (0%)"]
    assert noted([*one, *two]) == [
        f"quality:  {quantised.label}: no worse than fp16 on 1 of 2 clips (50%)"
    ]
