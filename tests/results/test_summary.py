"""The answer in a sentence: what it names as the fastest, and what it never ranks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.helpers.reports import compared
from tests.helpers.results import CLIP, MACHINE, PROVENANCE, SETTINGS, cold, load, measured
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.results import ranking
from whisper_speedtest.results.ranking import rankings
from whisper_speedtest.results.summary import TOO_SMALL, nothing_measured, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whisper_speedtest.measure.result import Result

FAST = measured("faster-whisper int8", 0.20, 0.21, 0.22)
NEXT = measured("mlx-whisper fp16", 0.39, 0.40, 0.41)
LAST = measured("whisper.cpp q5_0", 0.80, 0.81, 0.82)
LIKE_NEXT = measured("whisper.cpp q8_0", 0.38, 0.41, 0.44)
LIKE_FAST = measured("openai-whisper fp16", 0.20, 0.22, 0.24)
ONE = measured("lightning-whisper-mlx fp16", 0.01)
VAGUE = measured("transformers fp16", 0.1, 0.9, 3.0)
LONG = msgspec.structs.replace(CLIP, name="window", sha256="ef" * 32, seconds=24.0)

ANSWER = (
    "fastest of those that were right, small: faster-whisper int8, RTFx 57.2, 1.9 times as fast as "
    "the next (mlx-whisper fp16), interval 1.7 to 2.2"
)


def sentence(results: Sequence[Result]) -> str:
    """Return the one sentence on these results."""
    found = sentences(results)
    assert len(found) == 1, f"expected one sentence, got {found}"
    return found[0]


def test_answer_names_the_fastest_and_how_far_the_next_is_behind() -> None:
    """The answer names the fastest and how far the next is behind it, with the interval.

    A third that is decidedly slower is not named.
    """
    assert sentence([FAST, NEXT, LAST]) == ANSWER
    assert sentence([LAST, NEXT, FAST]) == ANSWER, "the order of the results changes nothing"


def test_rows_that_cannot_be_told_apart_are_not_ordered() -> None:
    """The answer does not order what cannot be told from the row with the smallest time."""
    assert sentence([LIKE_FAST, NEXT, FAST]) == (
        "fastest of those that were right, small: faster-whisper int8 (RTFx 57.2) and "
        "openai-whisper fp16 (RTFx 54.7) cannot be told apart"
    )


def test_next_is_said_to_be_no_faster_than_those_it_cannot_be_told_from() -> None:
    """The answer says which rows the next after the fastest cannot be told from."""
    assert sentence([FAST, NEXT, LIKE_NEXT]) == (
        "fastest of those that were right, small: faster-whisper int8, RTFx 57.2, 1.9 times as "
        "fast as the next (mlx-whisper fp16, which cannot be told from whisper.cpp q8_0), interval "
        "1.7 to 2.2"
    )


def test_ends_of_an_interval_near_1_have_the_decimals_that_show_it() -> None:
    """An interval of a ratio that ends near 1 has the decimals that tell its ends from 1.

    `1.0` would say that the order is not decided.
    """
    near = measured("mlx-whisper fp16", 0.2050, 0.2051, 0.2052)
    exact = measured("faster-whisper int8", 0.2000, 0.2001, 0.2002)

    assert sentence([near, exact]) == (
        "fastest of those that were right, small: faster-whisper int8, RTFx 60.0, 1.02 times as "
        "fast as the next (mlx-whisper fp16), interval 1.02 to 1.03"
    )


def test_lower_end_alone_asks_for_more_decimals() -> None:
    """A ratio has two decimals where with one the lower end of its interval would be 1.0.

    `1.1 times, interval 1.0 to 1.2` would say that the order is not decided.
    """
    slower = measured("mlx-whisper fp16", 2.15, 2.2, 2.25)
    faster = measured("faster-whisper int8", 2.0, 2.0, 2.0)

    assert sentence([slower, faster]).endswith(
        "1.10 times as fast as the next (mlx-whisper fp16), interval 1.04 to 1.16"
    )


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.FAILED, Outcome.TIMED_OUT])
def test_what_is_not_to_be_trusted_ranks_nothing(outcome: Outcome) -> None:
    """A busy, failed or timed-out result is not ranked, however fast it was, but counted."""
    wrong = msgspec.structs.replace(ONE, outcome=outcome)
    more = measured("transformers fp16", 0.01, 0.01, outcome=outcome)

    assert sentence([wrong, NEXT, FAST]) == f"{ANSWER}; left out: 1 {outcome}"
    assert sentence([wrong, NEXT, more, FAST]) == f"{ANSWER}; left out: 2 {outcome}"
    busy = msgspec.structs.replace(ONE, case=FAST.case, outcome=Outcome.BUSY)
    left_out = "2 busy" if outcome is Outcome.BUSY else f"1 busy, 1 {outcome}"
    assert sentence([wrong, busy]) == f"small: nothing can be ranked; left out: {left_out}"


def test_all_that_is_left_out_is_counted_by_its_reason() -> None:
    """The results that the answer leaves out are counted by reason, in alphabetical order."""
    wrong = [
        measured(f"whisper.cpp {number}", 0.1, 0.1, outcome=outcome)
        for number, outcome in enumerate([Outcome.FAILED, Outcome.BUSY, Outcome.FAILED])
    ]

    assert sentences([*wrong, FAST, NEXT]) == [f"{ANSWER}; left out: 1 busy, 2 failed"]


def test_skipped_rows_and_other_measures_are_not_spoken_of() -> None:
    """The answer does not speak of skipped results, nor of any measure but warm calls.

    Starts, tuned settings, long audio and what has no clip are other questions.
    """
    others = [
        cold(0.01, case=FAST.case, machine=MACHINE),
        load(0.01, case=FAST.case, machine=MACHINE),
        measured("whisper.cpp q5_1", outcome=Outcome.SKIPPED),
        *(
            measured("whisper.cpp q5_1", 0.01, 0.01, measure=measure)
            for measure in Measure
            if measure is not Measure.WARM
        ),
    ]

    assert sentence([*others, FAST, NEXT]) == ANSWER
    assert sentences(others) == []
    assert sentences([]) == []


def test_interval_of_all_of_the_time_has_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result whose interval is exactly at the limit is ranked, and one above it is not."""
    margin = LIKE_NEXT.estimate.margin
    assert margin is not None
    for limit, places in ((margin, 1), (margin * 0.999, 0)):
        monkeypatch.setattr(ranking, "MOST_MARGIN", limit)
        assert [len(each.ranked) for each in rankings([LIKE_NEXT])] == [places]


def test_comparisons_are_counted_by_their_verdicts_the_slower_ones_first() -> None:
    """Comparisons are counted by other side and verdict, with the slower ones first.

    One that failed for its words, or is busy, has no verdict.
    """
    slower, undecided, kept = (
        compared(verdict) for verdict in (Verdict.SLOWER, Verdict.UNDECIDED, Verdict.NOT_SLOWER)
    )
    too_slow = compared(Verdict.SLOWER, outcome=Outcome.FAILED, reason="too slow")
    wrong = compared(Verdict.NOT_SLOWER, outcome=Outcome.FAILED, reason="wrong words")
    busy = compared(Verdict.SLOWER, outcome=Outcome.BUSY)
    told = "in turns with main: 2 slower, 1 busy, 1 failed, 1 not slower, 2 undecided"
    results = [undecided, kept, slower, wrong, busy, too_slow, undecided]
    assert undecided.comparison is not None
    unlimited = msgspec.structs.replace(
        undecided.comparison,
        limit=None,
        verdict=Verdict.NOT_SLOWER,
        baseline=msgspec.structs.replace(undecided.comparison.baseline, name="other"),
    )
    other = compared(Verdict.NOT_SLOWER, comparison=unlimited)

    assert sentences(results) == [told]
    assert sentences([*results, other, FAST, NEXT]) == [
        ANSWER,
        told,
        "in turns with other: 1 faster",
    ]
    micro = msgspec.structs.replace(FAST, case=replace(FAST.case, size="micro"))
    assert sentences([micro, kept]) == [TOO_SMALL, "in turns with main: 1 not slower"]


def test_what_one_process_has_measured_has_no_place() -> None:
    """A result of one process has no interval and so no place, but the answer names it."""
    without = "without a place, as one process has no interval: lightning-whisper-mlx fp16"
    assert sentence([ONE, NEXT, FAST]) == f"{ANSWER}; {without} (RTFx 1,200.0)"
    assert sentence([ONE, FAST]) == (
        "fastest of those that were right, small: faster-whisper int8, RTFx 57.2; "
        f"{without} (RTFx 1,200.0)"
    )


def test_no_order_is_certain_where_each_was_measured_by_one_process() -> None:
    """No order is certain where each result has no place, and the answer says why for each.

    The rows are named fastest first.
    """
    other = measured("transformers fp16", 0.5)

    assert sentence([other, ONE]) == (
        "small: no order is certain; without a place, as one process has no interval: "
        "lightning-whisper-mlx fp16 (RTFx 1,200.0) and transformers fp16 (RTFx 24.0)"
    )
    assert sentence([VAGUE, ONE]) == (
        "small: no order is certain; without a place, as one process has no interval: "
        "lightning-whisper-mlx fp16 (RTFx 1,200.0); without a place, as the interval is over "
        "±100%: transformers fp16 (RTFx 18.6)"
    )


def test_interval_that_says_nothing_gives_no_place() -> None:
    """A result with an interval over ±100 % has no place, and the others keep theirs."""
    faster = measured("transformers fp16", 0.001, 0.009, 0.03)
    for vague, rtfx in ((VAGUE, "18.6"), (faster, "1,856.6")):
        assert sentence([FAST, vague, NEXT]) == (
            f"{ANSWER}; without a place, as the interval is over ±100%: transformers fp16 "
            f"(RTFx {rtfx})"
        )


def test_one_row_alone_is_compared_with_nothing() -> None:
    """The answer calls a row that is alone the only one, and not the fastest."""
    assert sentences([FAST]) == [
        "the only one that was right, small: faster-whisper int8 (RTFx 57.2)"
    ]


def test_transcripts_that_nobody_could_check_are_not_called_right() -> None:
    """The answer does not call right what nobody could check, as it has no reference."""
    unchecked = [msgspec.structs.replace(each, score=None) for each in (FAST, NEXT)]

    assert sentences(unchecked) == [
        ANSWER.replace("fastest of those that were right", "fastest, transcripts unchecked")
    ]
    assert sentence([FAST, unchecked[1]]) == sentence(unchecked), (
        "two rows are not called right where one of them is unchecked"
    )
    assert sentences(unchecked[:1]) == [
        "the only one, transcript unchecked, small: faster-whisper int8 (RTFx 57.2)"
    ]


def test_many_names_are_cut_short() -> None:
    """Of many rows that cannot be told apart, four are named and the others are counted."""
    alike = [
        measured(f"whisper.cpp {number}", 0.20, 0.22 + number / 1000, 0.24) for number in range(6)
    ]

    (line,) = sentences(alike)

    assert line == (
        "fastest of those that were right, small: whisper.cpp 0 (RTFx 54.7), whisper.cpp 1 (RTFx "
        "54.6), whisper.cpp 2 (RTFx 54.5), whisper.cpp 3 (RTFx 54.5) and 2 more cannot be told "
        "apart"
    )


def test_each_size_has_its_sentence_the_smallest_first() -> None:
    """Each size has an answer of its own, the smallest first and unknown sizes last.

    Rows of unlike sizes are never compared.
    """
    sizes = [
        measured(f"faster-whisper int8 {size}", 0.20, 0.21, 0.22)
        for size in ("large-v3", "odd", "tiny")
    ]

    assert [each.split(": ")[0] for each in sentences([*sizes, FAST, NEXT])] == [
        "the only one that was right, tiny",
        "fastest of those that were right, small",
        "the only one that was right, large-v3",
        "the only one that was right, odd",
    ]


def test_machines_are_never_compared_and_each_is_named() -> None:
    """Where there are several machines, each has an answer of its own with its name.

    The suite's commit makes no other machine.
    """
    other = msgspec.structs.replace(MACHINE, chip="Apple M1")
    commit = msgspec.structs.replace(MACHINE, suite="ff" * 20)
    slower = measured("faster-whisper int8", 0.40, 0.41, 0.42, machine=other)

    assert sentences(
        [slower, FAST, measured("mlx-whisper fp16", 0.39, 0.40, 0.41, machine=commit)]
    ) == [
        "the only one that was right, small, Apple M1: faster-whisper int8 (RTFx 29.3)",
        ANSWER.replace("small", "small, Apple M4 Pro"),
    ]


def test_rows_of_a_machine_that_is_not_known_rank_nothing() -> None:
    """Results of an unknown machine are not ranked, as it may have been another one."""
    unknown = [msgspec.structs.replace(each, machine=None) for each in (FAST, NEXT)]

    assert sentences(unknown) == ["small: nothing can be ranked; left out: 2 of an unknown machine"]


def test_devices_of_one_machine_are_compared_and_named() -> None:
    """Results on the CPU and the GPU of one machine are compared, with the devices named."""
    on_cpu = msgspec.structs.replace(PROVENANCE, device="cpu")
    other = measured("faster-whisper int8", 0.39, 0.40, 0.41, provenance=on_cpu)

    assert sentence([other, FAST]) == (
        "fastest of those that were right, small: faster-whisper int8 on the gpu, RTFx 57.2, 1.9 "
        "times as fast as the next (faster-whisper int8 on the cpu), interval 1.7 to 2.2"
    )


def test_rows_with_other_settings_than_most_are_left_out() -> None:
    """The answer leaves out results with other settings than most.

    Those may be of an earlier session with other threads. What a library ignores is no setting of
    its.
    """
    faster = measured("transformers fp16", 0.1, 0.1, settings=replace(SETTINGS, threads=8))
    ignoring = [
        measured("mlx-whisper fp16", 0.39, 0.40, 0.41, settings=replace(SETTINGS, threads=None)),
        measured("lightning-whisper-mlx fp16", 0.8, 0.8, settings=replace(SETTINGS, fallback=True)),
    ]

    assert sentences([faster, FAST, LAST, *ignoring]) == [
        f"{ANSWER}; left out: 1 with other settings"
    ]


def test_order_of_the_results_decides_nothing() -> None:
    """The order of the results does not change the answer.

    It decides neither between rows of the same time, nor which of two settings is the usual one.
    """
    alike = [measured(f"whisper.cpp {name}", 0.5) for name in ("q5_0", "q8_0")]
    other = measured("transformers fp16", 0.1, 0.1, settings=replace(SETTINGS, threads=8))

    assert sentence(alike) == sentence(alike[::-1])
    assert sentence([FAST, other]) == sentence([other, FAST])


def test_adapter_of_another_checkout_is_ranked_too() -> None:
    """A result of an adapter that only another checkout has is ranked with the others.

    Nobody knows what it ignores, so all its settings have to be the usual ones.
    """
    foreign = measured("their-whisper fp16", 0.39, 0.40, 0.41)

    assert sentences([FAST, foreign]) == [ANSWER.replace("mlx-whisper", "their-whisper")]


def test_last_result_of_a_case_counts() -> None:
    """The last result of a case that passed and has samples counts, whatever came after it."""
    earlier = measured("faster-whisper int8", 0.01, 0.01)
    failed = msgspec.structs.replace(FAST, outcome=Outcome.FAILED)
    empty = msgspec.structs.replace(FAST, samples=())

    assert sentence([earlier, FAST, failed, NEXT]) == ANSWER
    assert sentence([FAST, NEXT, empty]) == ANSWER


def test_answer_is_about_the_short_clip_where_it_was_measured() -> None:
    """The answer is about the short clip, or else about the one that most cases share.

    A clip other than the short one is named.
    """
    on_long = [
        measured("faster-whisper int8", 2.0, 2.1, 2.2, clip=LONG),
        measured("mlx-whisper fp16", 3.9, 4.0, 4.1, clip=LONG),
    ]
    of_long = (
        "fastest of those that were right, small on window: faster-whisper int8, RTFx 11.4, 1.9 "
        "times as fast as the next (mlx-whisper fp16), interval 1.7 to 2.2"
    )
    own = msgspec.structs.replace(CLIP, name="memo", sha256="aa" * 32)
    memo = measured("whisper.cpp q5_0", 0.1, 0.1, clip=own)

    assert sentence([*on_long, FAST, NEXT, LAST]) == ANSWER
    assert sentence([memo, *on_long]) == of_long
    assert sentence([*on_long, memo]) == of_long
    busy = msgspec.structs.replace(FAST, outcome=Outcome.BUSY)
    assert sentence([busy, *on_long]) == of_long, "a clip that was only busy answers nothing"


def test_answer_is_about_the_clip_that_most_cases_share() -> None:
    """Without the short clip, the answer is about the clip that most cases share.

    Cases of one process count. Of clips shared alike, what was left out decides.
    """
    memo = msgspec.structs.replace(CLIP, name="memo", sha256="aa" * 32)
    alone = [measured(f"whisper.cpp {name}", 0.5, clip=LONG) for name in ("q5_0", "q5_1")]
    of_memo = measured("mlx-whisper fp16", 0.39, 0.40, 0.41, clip=memo)

    assert sentence([of_memo, *alone]).startswith("small on window: no order is certain")

    busy = measured("faster-whisper int8", 0.1, 0.1, outcome=Outcome.BUSY, clip=LONG)
    of_long = measured("mlx-whisper fp16", 0.78, 0.80, 0.82, clip=LONG)
    assert sentence([of_memo, of_long, busy]) == (
        "the only one that was right, small on window: mlx-whisper fp16 (RTFx 30.0); left out: 1 "
        "busy"
    )


def test_clips_of_one_name_and_another_content_are_not_compared() -> None:
    """Results on clips of the same name with different content are not compared."""
    clips = [msgspec.structs.replace(CLIP, name="memo", sha256=each * 32) for each in ("aa", "bb")]

    assert sentences(
        [
            measured("faster-whisper int8", 0.2, 0.2, clip=clips[0]),
            measured("mlx-whisper fp16", 0.4, 0.4, clip=clips[1]),
        ]
    ) == ["the only one that was right, small on memo: faster-whisper int8 (RTFx 60.0)"]


def test_that_nothing_was_measured_is_the_only_sentence() -> None:
    """Where nothing was measured, the only sentence says so, and whether anything failed.

    What ended without a result counts as well.
    """
    failed, skipped, timed_out = (
        measured("faster-whisper int8 micro", outcome=outcome, samples=())
        for outcome in (Outcome.FAILED, Outcome.SKIPPED, Outcome.TIMED_OUT)
    )
    only_skips = "nothing was measured: every test that was begun was skipped"
    failures = "nothing was measured: every test that was begun failed or was skipped"

    assert sentences([skipped]) == [only_skips]
    assert sentences([], [Outcome.SKIPPED]) == [only_skips]
    assert sentences([skipped], [Outcome.FAILED]) == [failures]
    for results in ([failed], [timed_out], [failed, skipped], [skipped, timed_out]):
        assert sentences(results) == [failures]
    assert sentences([]) == []


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.BUSY])
def test_session_that_measured_something_does_not_say_that_it_measured_nothing(
    outcome: Outcome,
) -> None:
    """A session with one load that passed or was busy has measured something.

    All else may have been skipped or failed.
    """
    failed = measured("faster-whisper int8", outcome=Outcome.FAILED, samples=())

    assert nothing_measured([failed], [Outcome.SKIPPED])
    assert not nothing_measured([failed, load(0.5, outcome=outcome)], [Outcome.SKIPPED])


def test_comparison_that_failed_as_it_is_slower_was_measured() -> None:
    """A comparison that failed because its side is slower counts as measured."""
    assert not nothing_measured([compared(Verdict.SLOWER, 1.2, outcome=Outcome.FAILED)])


def test_micro_ranks_nothing() -> None:
    """The size micro is never ranked, and only where it is alone does the answer speak of it."""
    micro = [measured("faster-whisper int8 micro", 0.1), measured("mlx-whisper fp16 micro", 0.2)]

    assert sentences(micro) == [TOO_SMALL]
    assert sentence([*micro, FAST, NEXT]) == ANSWER


def test_recordings_with_the_same_sound_are_ranked_apart() -> None:
    """Recordings of different names are ranked apart, even if their sound is the same."""
    copied = msgspec.structs.replace(CLIP, name="copied")
    other = measured("mlx-whisper fp16", 9.0, 9.0, 9.1, clip=copied)

    found = {each.clip: each.ranked for each in rankings([NEXT, other])}
    assert found == {"short": (NEXT,), "copied": (other,)}


def test_sizes_come_from_small_to_large_and_of_each_long_audio_last() -> None:
    """Rankings come from the smallest size to the largest, and long audio last in each."""
    long = msgspec.structs.replace(CLIP, name="long", sha256="ff" * 32)
    results = [
        measured(f"mlx-whisper fp16 {size}", measure=measure, clip=clip)
        for size in ("small", "tiny")
        for clip, measure in ((long, Measure.LONG_FORM), (CLIP, Measure.WARM))
    ]

    found = [(each.size, each.clip.split()[0]) for each in rankings(results)]

    assert found == [("tiny", "short"), ("tiny", "long"), ("small", "short"), ("small", "long")]
