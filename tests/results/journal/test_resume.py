"""What a session takes over from a journal: what it would measure the same way, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fixtures.audio import clips
from tests.helpers.results import CLIP, MODEL, PROVENANCE, SETTINGS, warm
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.measure.machine import Machine
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.result import ClipFacts
from whisper_speedtest.measure.samples import Repeats
from whisper_speedtest.results.journal.resume import (
    ABSENT,
    COMPARED,
    Decision,
    Planned,
    decide,
    differences,
)
from whisper_speedtest.speech.clip import OWN_ORIGIN
from whisper_speedtest.speech.scoring import score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.base import Device
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.speech.clip import Clip

CODE = "ab" * 32
MACHINE = Machine(
    chip="Apple M4",
    model="Mac16,8",
    virtual=False,
    system="macOS 15.5",
    architecture="arm64",
    memory=1 << 34,
    cores={"performance": 10},
    gpus=(),
    suite="12" * 20,
)
RULES = Rules()
UNMEASURED: dict[str, Any] = {
    "samples": (),
    "memory": None,
    "transcript": None,
    "fallback": None,
    "score": None,
    "provenance": None,
}
SHORT = clips()["short"]
ANOTHER_SHA256 = "ef" * 32


def stored(**changes: Any) -> Result:
    """Return a result of a journal."""
    return warm(1.0, **{"code": CODE, "machine": MACHINE, **changes})


def planned(
    clip: Clip | None = SHORT,
    versions: Mapping[str, str] = PROVENANCE.versions,
    device: Device | None = PROVENANCE.device,
    rules: Rules = RULES,
    **changes: Any,
) -> Planned:
    """Return the test of `stored` as it would be run now."""
    return Planned(stored(**UNMEASURED, **changes), clip, versions, rules, lambda _: device)


def differing(old: Result, new: Planned) -> list[str]:
    """Return in what they differ."""
    return list(differences(old, new))


def test_result_of_the_same_measurement_is_taken_over() -> None:
    """A result of the same measurement is taken over from the journal, and nothing is run."""
    result = stored()

    assert differing(result, planned()) == []
    assert decide([planned()], [result]) == Decision({result.test: result}, {})


def test_test_of_which_the_journal_knows_nothing_is_run() -> None:
    """A test of which the journal has no result is run."""
    assert decide([planned(test="test_x")], [stored()]).run == {"test_x": ABSENT}
    assert decide([planned(test="test_x")], [stored()]).taken_over == {}
    assert decide([], [stored()]) == Decision({}, {})


def test_comparison_says_nothing_of_the_test_of_its_name() -> None:
    """A comparison in the journal is not taken for a result of the test of its name.

    It is another measurement, however it ended; where the journal has both, that one is taken.
    Nothing was run before, so nothing is run again.
    """
    compared = stored(measure=Measure.RATIO)
    failed = stored(measure=Measure.RATIO, outcome=Outcome.FAILED)

    decision = decide([planned()], [compared, failed])

    assert decision == Decision({}, {compared.test: COMPARED})
    assert decision.lines() == ["compared with another side in the journal: 1 test is run"]
    assert decide([planned()], [stored(), compared]).taken_over == {compared.test: stored()}


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.PASSED])
def test_what_did_not_pass_is_run_again(outcome: Outcome) -> None:
    """A test that failed, was skipped, timed out or was busy is run again for that reason."""
    decision = decide([planned()], [stored(outcome=outcome)])

    assert decision == Decision({}, {stored().test: outcome.value})


def test_one_result_that_passed_is_enough() -> None:
    """A result that passed is taken over whatever else became of its test before and after.

    Of several the last one is taken.
    """
    first, last = stored(transcript="first"), stored(transcript="last")
    failed = stored(outcome=Outcome.FAILED, provenance=None)
    other = stored(code=None)

    for results in ([first, failed, last, other], [failed, other, first, last]):
        assert decide([planned()], results).taken_over == {last.test: last}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"repo": "o/another"}, "repo mlx-community/whisper-tiny-mlx-4bit → o/another"),
        (
            {"commit": "34" * 20},
            "mlx-community/whisper-tiny-mlx-4bit 121212121212 → 343434343434",
        ),
        ({"commit": None}, "mlx-community/whisper-tiny-mlx-4bit 121212121212 → unknown"),
        (
            {"files": {"weights.npz": Proof(23_456_789, ANOTHER_SHA256)}},
            "mlx-community/whisper-tiny-mlx-4bit has other bytes in weights.npz",
        ),
        (
            {"files": {**MODEL.files, "b": Proof(1, ANOTHER_SHA256), "a": Proof(1, "ab" * 32)}},
            "mlx-community/whisper-tiny-mlx-4bit has other bytes in a, b",
        ),
    ],
    ids=["repo", "commit", "no commit", "bytes", "files"],
)
def test_another_model_is_measured(change: dict[str, Any], reason: str) -> None:
    """A test is run again where its model has another repo, commit, or bytes of a file."""
    new = planned(model=msgspec.structs.replace(MODEL, **change))

    assert differing(stored(), new) == [reason]


def test_name_under_which_the_hub_lists_a_repo_is_no_difference() -> None:
    """A result is taken over even if the hub now lists its model's repo under another name.

    The bytes are the same.
    """
    new = planned(model=msgspec.structs.replace(MODEL, listed_as="o/renamed", revision="v1"))

    assert differing(stored(), new) == []


def test_other_versions_are_measured() -> None:
    """A test is run again where versions differ, and each is named with the earlier one."""
    new = planned(versions={"lightning-whisper-mlx": "0.0.10", "mlx": "0.33.0", "a": "1"})
    gone = planned(versions={"mlx": "0.32.4"})

    assert differing(stored(), new) == ["a absent → 1", "mlx 0.32.4 → 0.33.0"]
    assert differing(stored(), gone) == ["lightning-whisper-mlx 0.0.10 → absent"]


def test_other_settings_are_measured() -> None:
    """A test is run again where its settings differ, and each that does is named.

    A load has none.
    """
    new = planned(settings=replace(SETTINGS, threads=2, beam_size=5))

    assert differing(stored(), new) == ["settings beam size 1 → 5", "settings threads 4 → 2"]
    assert differing(stored(settings=None), planned(settings=None)) == []
    assert differing(stored(settings=None), planned()) == ["settings unknown before"]
    assert differing(stored(), planned(settings=None)) == ["settings unknown now"]


@pytest.mark.parametrize(
    ("rules", "reasons"),
    [
        (Rules(), []),
        (Rules(processes=3, calls=2), []),
        (Rules(processes=5), ["processes 3 → 5"]),
        (Rules(calls=1), ["calls 2 → 1"]),
        (Rules(max_others=0.5), ["max others 0.1 → 0.5"]),
        (Rules(max_others=None), ["max others 0.1 → any"]),
        (Rules(budget=1.0), []),
    ],
)
def test_other_numbers_of_calls_are_measured_where_they_were_asked_for(
    rules: Rules, reasons: list[str]
) -> None:
    """A test is run again for other numbers of processes or calls only if they are asked for.

    What is left to the suite comes out as it did; what may stand beside a call is a rule.
    """
    repeats = Repeats(processes=3, calls=2, max_others=0.1)

    assert differing(stored(repeats=repeats), planned(rules=rules)) == reasons
    of_start = stored(measure=Measure.COLD, repeats=repeats)
    calls_alone = Rules(calls=1)
    assert differing(of_start, planned(rules=calls_alone, measure=Measure.COLD)) == []
    assert differing(stored(repeats=None), planned(rules=rules)) == []


def test_another_budget_and_pause_are_measured_where_they_were_asked_for() -> None:
    """A test is run again for another budget or pause only if that is asked for.

    A budget decides nothing where the calls were chosen; a pause is one measure's alone.
    """
    repeats = Repeats(processes=3, calls=2, max_others=0.1, budget=20.0, pause=5.0)
    old = stored(repeats=repeats)
    paused = stored(repeats=repeats, measure=Measure.AFTER_PAUSE)

    def asked(result: Result, **rules: Any) -> list[str]:
        return differing(result, planned(rules=Rules(**rules), measure=result.measure))

    assert asked(old, budget=2.5) == ["budget 20 s → 2.5 s"]
    assert asked(old, budget=20.0) == asked(old, budget=2.5, calls=2) == asked(old) == []
    assert asked(old, pause=1.0) == []
    assert asked(paused, pause=1.0) == ["pause 5 s → 1 s"]
    assert asked(paused, pause=5.0) == asked(paused) == []


def test_another_measure_is_measured() -> None:
    """A test is run again where it takes another measure, even if its name is the same."""
    assert differing(stored(), planned(measure=Measure.TUNED)) == ["measure warm → tuned"]


def test_another_sound_is_measured() -> None:
    """A test is run again where its clip has another sound, is gone or is new."""
    other = ClipFacts(name="short", sha256=ANOTHER_SHA256, seconds=12.0)
    clip = clips()["short"]

    def now(clip: Clip | None, facts: ClipFacts | None) -> Planned:
        new = planned(clip)
        return replace(new, result=msgspec.structs.replace(new.result, clip=facts))

    assert differing(stored(clip=other), now(clip, CLIP)) == ["clip short has another sound"]
    assert differing(stored(clip=None), now(clip, CLIP)) == ["the clip"]
    assert differing(stored(clip=CLIP), now(None, None)) == ["the clip"]
    assert differing(stored(clip=None), now(None, None)) == []


def test_another_suite_is_measured() -> None:
    """A test is run again where the suite's code has changed or is not known."""
    assert differing(stored(), planned(code="cd" * 32)) == ["the code of this suite"]
    assert differing(stored(code=None), planned()) == ["the code of this suite"]


def test_another_machine_is_measured() -> None:
    """A test is run again on another machine or after an unknown one, and what differs is named."""
    other = msgspec.structs.replace(MACHINE, chip="Apple M2", memory=1 << 33)

    assert differing(stored(), planned(machine=other)) == [
        "machine chip Apple M4 → Apple M2",
        "machine memory 17179869184 → 8589934592",
    ]
    assert differing(stored(machine=None), planned()) == ["machine unknown before"]


def test_another_commit_of_the_suite_is_no_difference() -> None:
    """A result is taken over on another commit of the suite where the code is the same.

    The commit may have changed a text; what it has changed of the code is told by its hash.
    """
    later = msgspec.structs.replace(MACHINE, suite="34" * 20)

    assert differing(stored(), planned(machine=later)) == []


def test_another_device_is_measured() -> None:
    """A test is run again where it would compute on another device, or nobody knows on which."""
    asked: list[Device] = []

    def device(before: Device) -> Device:
        asked.append(before)
        return "cpu"

    assert differing(stored(), replace(planned(), device=device)) == ["device gpu → cpu"]
    assert asked == ["gpu"]
    assert differing(stored(), planned(device=None)) == ["device gpu → unknown"]


OWN = replace(
    clips()["short"],
    origin=OWN_ORIGIN,
    reference="the ship sails",
    sentences=(),
    name="memo",
    sha256="cd" * 32,
)


@pytest.mark.parametrize(
    ("reference", "transcript", "same"),
    [
        ("the ship sails", "the ship", True),
        ("the ship sinks", "the ship", True),
        ("that ship sails", "the ship", False),
        ("the ship", "the ship", False),
        (None, "the ship", False),
        ("the ship sails", None, True),
        ("that ship sinks", None, True),
        ("the ship", None, False),
        (None, None, False),
    ],
)
def test_recording_with_another_reference_is_measured(
    reference: str | None, transcript: str | None, same: bool
) -> None:
    """A recording is measured again where its reference would now give another score.

    Without its transcript, the number of words is compared.
    """
    old = stored(transcript=transcript, score=score("the ship sails", "the ship"))

    found = differing(old, planned(clip=replace(OWN, reference=reference)))

    assert found == ([] if same else ["clip short has another reference"])


def test_recording_is_scored_anew_in_its_language() -> None:
    """A recording's score is compared as its own language's normaliser gives it.

    English would make "color" of "colour".
    """
    settings = replace(SETTINGS, language="de")
    scored = score("colour", "color", "de")
    old = stored(transcript="color", score=scored, settings=settings)

    assert differing(old, planned(clip=replace(OWN, reference="colour"), settings=settings)) == []


def test_corpus_is_measured_once_whatever_number_of_processes_is_chosen() -> None:
    """A result of a corpus is taken over whatever number of processes and calls is chosen.

    Each clip of it is transcribed by one process, once; other words are another corpus.
    """
    facts = ClipFacts(name="talks", sha256="ab" * 32, seconds=9.0)
    once = Repeats(processes=1, calls=1, max_others=0.1)
    old = stored(measure=Measure.CORPUS, clip=facts, repeats=once)
    rules = replace(RULES, processes=5, calls=7)

    def new(clip: ClipFacts, rules: Rules = RULES) -> Planned:
        result = stored(**UNMEASURED, measure=Measure.CORPUS, clip=clip)
        return Planned(result, None, PROVENANCE.versions, rules, lambda _: PROVENANCE.device)

    assert differing(old, new(facts, rules)) == []
    assert differing(old, new(facts, replace(rules, max_others=None))) == ["max others 0.1 → any"]
    other = msgspec.structs.replace(facts, sha256="cd" * 32)
    assert differing(old, new(other)) == ["the clip"]


def test_recording_without_a_reference_is_taken_over_without_one() -> None:
    """A recording without a reference is taken over as long as it has none.

    With one now, it has a score to be found.
    """
    old = stored(transcript="the ship", score=None)

    assert differing(old, planned(clip=replace(OWN, reference=None))) == []
    assert differing(old, planned(clip=OWN)) == ["clip short has another reference"]


def test_reference_of_a_clip_of_the_project_is_not_looked_at() -> None:
    """A result on a clip of the project is taken over with no look at the clip's reference.

    It belongs to the suite, whose code and clips do not change by themselves.
    """
    assert differing(stored(score=None), planned(clip=replace(OWN, origin="espeak-ng"))) == []


def test_reasons_are_told_with_the_number_of_tests() -> None:
    """The reasons why tests are run are told with the number of tests of each.

    The last result that passed says what differs; without one, all that became of the test.
    """
    tests = [planned(test=f"t{number}", versions={"mlx": "0.33.0"}) for number in range(5)]
    older = msgspec.structs.replace(PROVENANCE, versions={"mlx": "0.31.0"})
    known = msgspec.structs.replace(PROVENANCE, versions={"mlx": "0.32.4"})
    results = [
        stored(test="t0", provenance=older),
        stored(test="t0", provenance=known),
        stored(test="t0", outcome=Outcome.FAILED),
        stored(test="t1", provenance=known),
        stored(test="t2", outcome=Outcome.TIMED_OUT),
        stored(test="t2", outcome=Outcome.BUSY),
    ]

    assert decide(tests, results).lines() == [
        "mlx 0.32.4 → 0.33.0: 2 tests are run again",
        "busy, timed out: 1 test is run again",
        "not in the journal: 2 tests are run",
    ]
    assert decide([], results).lines() == []


def test_all_that_differs_of_a_test_is_one_reason() -> None:
    """All that differs of a test is told as one reason to run it again.

    So the numbers add up to the number of tests that are run.
    """
    new = planned(code=None, device="cpu")

    assert decide([new], [stored()]).lines() == [
        "the code of this suite; device gpu → cpu: 1 test is run again"
    ]


@pytest.mark.property
def test_order_decides_nothing_of_what_is_run() -> None:
    """The order of a journal's lines does not change which tests are run or taken over.

    Each test is one or the other.
    """
    from hypothesis import given, settings
    from hypothesis import strategies as st

    name = st.sampled_from(["a", "b", "c"])
    result = st.builds(
        lambda test, outcome, code: stored(test=test, outcome=outcome, code=code),
        name, st.sampled_from(Outcome), st.sampled_from([CODE, None]),
    )  # fmt: skip
    orders = st.lists(result, max_size=8).flatmap(
        lambda results: st.tuples(st.just(results), st.permutations(results))
    )

    @settings(deadline=None)
    @given(orders, st.permutations(["a", "b", "c"]))
    def hold(orders: tuple[list[Result], list[Result]], names: list[str]) -> None:
        tests = [planned(test=name) for name in names]
        one, other = (decide(tests, results) for results in orders)
        assert one.run.keys() == other.run.keys()
        assert one.taken_over.keys() == other.taken_over.keys()
        assert sorted([*one.run, *one.taken_over]) == ["a", "b", "c"]

    hold()


@pytest.mark.property
def test_resuming_again_runs_only_what_has_not_passed() -> None:
    """Resuming a journal again runs only those tests that have not passed since.

    What has passed is taken over from then on, and nothing else changes.
    """
    from hypothesis import given, settings
    from hypothesis import strategies as st

    ends = st.fixed_dictionaries({name: st.sampled_from(Outcome) for name in "abc"})
    before = st.builds(
        lambda test, outcome: stored(test=test, outcome=outcome),
        st.sampled_from("abcd"), st.sampled_from(Outcome),
    )  # fmt: skip

    @settings(deadline=None)
    @given(st.lists(before, max_size=5), ends)
    def hold(journal: list[Result], ends: dict[str, Outcome]) -> None:
        tests = [planned(test=name) for name in ends]
        first = decide(tests, journal)
        journal = [*journal, *(stored(test=name, outcome=ends[name]) for name in first.run)]
        second = decide(tests, journal)
        assert second.run.keys() == {name for name in first.run if ends[name] is not Outcome.PASSED}
        assert {**second.taken_over, **first.taken_over} == second.taken_over
        assert decide(tests, journal) == second

    hold()
