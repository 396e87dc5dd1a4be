"""The clock goes round the timed calls, and round nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters.base import DecodeSettings
from fixtures.audio import clips
from tests.helpers.fake_processes import AUDIO, processes_of, three
from whisper_speedtest.measure.calls import (
    EMPTY_CALLS,
    time_calls,
)
from whisper_speedtest.measure.protocol import Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.base import Device
    from tests.helpers.fake_engine import FakeEngine
    from tests.measure.conftest import Machine
    from whisper_speedtest.measure.calls import Calls

SETTINGS = DecodeSettings()
START = 30.0
"""Seconds of the first call of each fake, which belongs to its start."""

UNTIMED = 50.0
"""Seconds of the call right before the timed ones."""


def taken(calls: Calls) -> list[tuple[int, int, float, bool]]:
    """Return the process, order, seconds and mark of each sample."""
    return [(each.process, each.order, each.seconds, each.contaminated) for each in calls.samples]


def of_one(engine: FakeEngine, *seconds: float, rules: Rules | None = None) -> Calls:
    """Time the clip `paragraph` in one process, whose timed calls take so many seconds."""
    engine.calls = [START, UNTIMED, *seconds]
    rules = rules or Rules(processes=1, calls=len(seconds))
    return time_calls(processes_of([engine], rules), clips()["paragraph"], AUDIO, SETTINGS)


def test_first_call_and_the_one_before_the_timed_ones_are_no_samples(engine: FakeEngine) -> None:
    """Neither the call of the start nor the untimed call is among the samples and transcripts."""
    engine.texts = ["start", "untimed", "second", "third"]

    calls = of_one(engine, 2.0, 3.0)

    assert taken(calls) == [(0, 0, 2.0, False), (0, 1, 3.0, False)]
    assert [transcript.text for transcript in calls.transcripts] == ["second", "third"]


@pytest.mark.parametrize(("device", "untimed"), [("cpu", "short"), ("gpu", "paragraph")])
def test_calls_are_of_the_audio_and_the_settings_that_are_asked_for(
    engine: FakeEngine, device: Device, untimed: str
) -> None:
    """All calls but the one of the start are made with the settings that the test asks for."""
    engine.device, engine.calls = device, [START, UNTIMED, 2.0]
    processes = processes_of([engine], Rules(processes=1, calls=2))
    asked = DecodeSettings(language="de", batch_size=6)
    audio = np.zeros(197_920, np.float32)

    time_calls(processes, clips()["paragraph"], audio, asked)

    assert engine.sent == [("short", 16_000), ("paragraph", 197_920)]
    assert engine.told[:2] == [("short", processes.settings), (untimed, asked)]
    assert engine.told[2:] == [("paragraph", asked)] * (2 + 1 + EMPTY_CALLS)


@pytest.mark.parametrize(("device", "clip"), [("cpu", "short"), ("gpu", "paragraph")])
def test_untimed_call_stands_right_before_the_timed_ones(
    engine: FakeEngine, device: str, clip: str
) -> None:
    """The untimed call before the timed ones is of their clip on a GPU, and of `short` on a CPU."""
    engine.device = "gpu" if device == "gpu" else "cpu"

    of_one(engine, 2.0)

    steps = [step for step in engine.log if step.startswith(("hear", "transcribe"))]
    assert steps[2:] == ["hear paragraph", f"transcribe {clip}", "transcribe paragraph"]


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.6, 1), (0.5, 1), (0.3, 2), (0.25, 2), (0.125, 4), (0.01, 10)]
)
def test_brief_untimed_calls_are_made_for_half_a_second(
    engine: FakeEngine, seconds: float, count: int
) -> None:
    """Brief untimed calls are repeated for half a second: at least one is made, at most ten."""
    engine.calls = [START, *[seconds] * count, 2.0]
    rules = Rules(processes=1, calls=1)

    calls = time_calls(processes_of([engine], rules), clips()["paragraph"], AUDIO, SETTINGS)

    assert taken(calls) == [(0, 0, 2.0, False)]
    steps = engine.log[engine.log.index("hear paragraph") :]
    heard = [step for step in steps if step.startswith("transcribe")]
    assert heard == [*["transcribe short"] * count, "transcribe paragraph"]


def test_samples_say_their_process_and_order(engine: FakeEngine) -> None:
    """Samples name their process, and are numbered in order over the calls of all processes."""
    engines = three(engine)
    for number, each in enumerate(engines):
        each.calls = [START, UNTIMED, 2.0 + number, 2.5 + number]
    rules = Rules(processes=3, calls=2)

    calls = time_calls(processes_of(engines, rules), clips()["paragraph"], AUDIO, SETTINGS)

    assert [(number, order, seconds) for number, order, seconds, _ in taken(calls)] == [
        *((0, 0, 2.0), (0, 1, 2.5)),
        *((1, 2, 3.0), (1, 3, 3.5)),
        *((2, 4, 4.0), (2, 5, 4.5)),
    ]
    assert (calls.repeats.processes, calls.repeats.calls) == (3, 2)


def test_first_timed_call_decides_how_many_there_are(engine: FakeEngine) -> None:
    """If the first timed call takes 2 s, each of three processes makes three calls within 20 s."""
    engines = three(engine)
    for each in engines:
        each.calls = [START, UNTIMED, 2.0, 9.0]

    calls = time_calls(processes_of(engines), clips()["paragraph"], AUDIO, SETTINGS)

    assert (calls.repeats.processes, calls.repeats.calls) == (3, 3)
    assert [sample.process for sample in calls.samples] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_long_call_is_made_once(engine: FakeEngine) -> None:
    """If one call of each of three processes would take 27 s, only one process makes a call."""
    engines = three(engine)
    for each in engines:
        each.calls = [START, UNTIMED, 9.0]

    calls = time_calls(processes_of(engines), clips()["paragraph"], AUDIO, SETTINGS)

    assert taken(calls) == [(0, 0, 9.0, False)]
    assert (calls.repeats.processes, calls.repeats.calls) == (1, 1)
    assert [each.log.count("transcribe paragraph") for each in engines] == [1, 0, 0]
    assert [each.log.count("echo paragraph") > 0 for each in engines] == [True, False, False]


def test_audio_is_handed_over_before_the_clock(engine: FakeEngine) -> None:
    """The time of a call does not include the half second that handing over the audio takes."""
    (sample,) = of_one(engine, 2.0).samples

    assert sample.seconds == 2.0


def test_every_call_has_its_limit(engine: FakeEngine) -> None:
    """The start of micro and each call of a clip of up to two minutes have a limit of 240 s."""
    of_one(engine, 2.0)

    limited = [step for step in engine.log if step.startswith("limited")]
    # The start, the verification, the audio, the untimed call and the timed call.
    assert limited == ["limited to 240 s"] * 5
    assert engine.log.count("unlimited") == 5


def test_empty_call_is_the_median_of_some_after_an_untimed_one(engine: FakeEngine) -> None:
    """The time of an empty call is the median of several, without the first, untimed one."""
    few = EMPTY_CALLS // 2
    engine.empty_calls = [500.0, *[0.001] * few, 0.002, *[9.0] * few]

    calls = of_one(engine, 2.0)

    assert calls.empty_call == pytest.approx(0.002)
    assert engine.log.count("echo paragraph") == 1 + EMPTY_CALLS
    assert EMPTY_CALLS % 2 == 1


# Gaps and pauses


def after_pause(engines: Sequence[FakeEngine], rules: Rules, pause: float = 5.0) -> Calls:
    """Time the clip `paragraph` after a pause before each call."""
    clip = clips()["paragraph"]
    return time_calls(processes_of(engines, rules), clip, AUDIO, SETTINGS, pause)


def test_gap_before_each_call_is_since_the_call_before_it(engine: FakeEngine) -> None:
    """The gap before a call begins at the end of the call before it, be that timed or untimed."""
    calls = of_one(engine, 2.0, 3.0)

    assert [sample.gap for sample in calls.samples] == [0.0, 0.0]
    assert calls.repeats.pause == 0.0


def test_gap_holds_all_that_came_between_two_calls(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    """The gap before a call includes the time that the suite spends between two calls."""
    watch = machine.watch

    def take_half_a_second(pid: int) -> object:
        engine.clock.take(0.5)
        return watch(pid)

    monkeypatch.setattr("whisper_speedtest.measure.calls.ContentionMeter", take_half_a_second)

    calls = of_one(engine, 2.0, 3.0)

    assert [sample.gap for sample in calls.samples] == [0.5, 0.5]


def test_all_processes_are_idle_before_each_call_after_a_pause(engine: FakeEngine) -> None:
    """Before each call of any process, all processes are idle for the whole pause.

    The untimed call, in which a GPU may compile something, comes before the pause and is no part of
    it.
    """
    engines = three(engine)
    for each in engines:
        each.calls = [START, UNTIMED, 2.0, 3.0]
        each.device = "gpu"

    calls = after_pause(engines, Rules(processes=3, calls=2))

    assert [(each.process, each.seconds, each.gap) for each in calls.samples] == [
        *((0, 2.0, 5.0), (0, 3.0, 5.0)),
        *((1, 2.0, 5.0), (1, 3.0, 5.0)),
        *((2, 2.0, 5.0), (2, 3.0, 5.0)),
    ]
    assert calls.repeats.pause == 5.0
    # Six pauses of 5 s, beside all that takes time by itself.
    spent = [3 * each for each in (100 + 7.5 + START + 1000, 0.5 + UNTIMED, 2 + 3)]
    assert engine.clock.now - 1000 == pytest.approx(sum(spent) + 6 * 5 + 22 * 0.001)


def test_one_call_of_each_process_is_made_after_a_pause(engine: FakeEngine) -> None:
    """Where each call waits for a pause, a process makes one call by default."""
    engine.calls = [START, UNTIMED, 0.5]

    calls = after_pause([engine], Rules(processes=1))

    assert (calls.repeats.processes, calls.repeats.calls, len(calls.samples)) == (1, 1, 1)


def test_short_calls_after_a_pause_are_made_one_by_one(engine: FakeEngine) -> None:
    """Each of several short calls after a pause has a pause of its own."""
    engine.calls = [START, UNTIMED, 0.1]

    calls = after_pause([engine], Rules(processes=1, calls=3))

    assert [each.seconds for each in calls.samples] == pytest.approx([0.1] * 3)
    assert [each.gap for each in calls.samples] == pytest.approx([5.0] * 3)


def test_call_that_is_made_again_has_a_pause_as_well(
    engine: FakeEngine, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is made again has its pause too, and only the call is watched, not the pause."""
    machine.others = [0.0, 0.9, 0.0]
    engine.calls = [START, UNTIMED, 2.0]
    watch, begun = machine.watch, list[float]()

    def watch_from(pid: int) -> object:
        begun.append(engine.clock.now)
        return watch(pid)

    monkeypatch.setattr("whisper_speedtest.measure.calls.ContentionMeter", watch_from)

    calls = after_pause([engine], Rules(processes=1, calls=1))

    assert [(each.contaminated, each.gap) for each in calls.samples] == [(True, 5.0), (False, 5.0)]
    first, second = begun
    assert second - first == 2.0 + 5.0, "the watch begins as the pause ends"
    assert engine.clock.now - second == pytest.approx(2.0 + 22 * 0.001)


def test_wait_goes_on_until_the_pause_is_over(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a sleep ends too early, the rest of the pause is slept as well."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        engine.clock.take(min(seconds, 2.0))

    monkeypatch.setattr("whisper_speedtest.measure.calls.time.sleep", sleep)
    engine.calls = [START, UNTIMED, 2.0]

    (sample,) = after_pause([engine], Rules(processes=1, calls=1)).samples

    assert slept == [5.0, 3.0, 1.0]
    assert sample.gap == 5.0


def test_budget_and_what_the_user_chose_are_recorded(engine: FakeEngine) -> None:
    """The record has what the user chose, and the budget: none where the user chose the calls."""

    def recorded(rules: Rules) -> tuple[float | None, tuple[str, ...]]:
        processes = processes_of([replace(engine, calls=[2.0])], rules, room=1)
        repeats = time_calls(processes, clips()["paragraph"], AUDIO, SETTINGS).repeats
        return repeats.budget, repeats.chosen

    assert recorded(Rules()) == (20.0, ())
    assert recorded(Rules(processes=1, budget=3.0)) == (3.0, ("processes", "budget"))
    assert recorded(Rules(calls=1, budget=3.0, pause=1.0)) == (None, ("calls", "budget", "pause"))
    engine.device = "gpu"
    assert recorded(Rules()) == (6.0, ())


def test_each_call_of_a_long_clip_has_the_limit_of_its_length(engine: FakeEngine) -> None:
    """Each call of a 20-minute clip, untimed or timed, has ten times the limit of a short clip."""
    engine.device, engine.calls = "gpu", [START, UNTIMED, 2.0]
    long = replace(clips()["paragraph"], seconds=1200.0)

    time_calls(processes_of([engine], Rules(processes=1, calls=2)), long, AUDIO, SETTINGS)

    limits = [step for step in engine.log if step.startswith("limited")]
    of_the_start, of_the_audio, of_calls = ["240"] * 2, ["2400"], ["2400"] * 3
    assert limits == [f"limited to {each} s" for each in (*of_the_start, *of_the_audio, *of_calls)]


def test_starts_that_took_too_long_are_recorded(engine: FakeEngine) -> None:
    """The record of calls counts the starts of processes that took too long."""
    processes = processes_of([replace(engine, calls=[2.0])], Rules(), room=1)
    processes.timed_out = 2

    assert time_calls(processes, clips()["paragraph"], AUDIO, SETTINGS).repeats.timed_out == 2


def test_first_call_that_was_made_again_decides_as_it_was_made_last(
    engine: FakeEngine, machine: Machine
) -> None:
    """The number of calls goes by the last try of the first call, not by one beside other work."""
    machine.others = [0.0, 0.0, 0.0, 0.9, 0.0]
    engines = three(engine)
    engines[0].calls = [START, UNTIMED, 9.0, 2.0]
    for each in engines[1:]:
        each.calls = [START, UNTIMED, 2.0]

    calls = time_calls(processes_of(engines), clips()["paragraph"], AUDIO, SETTINGS)

    assert (calls.repeats.processes, calls.repeats.calls) == (3, 3)


# Contention


def test_call_beside_other_work_is_made_again(engine: FakeEngine, machine: Machine) -> None:
    """A call beside other work stays in the samples with its mark, and is made again."""
    machine.others = [0.0, 0.9, 0.1, 0.0]

    calls = of_one(engine, 2.0, 5.0, 3.0, rules=Rules(processes=1, calls=2))

    assert taken(calls) == [(0, 0, 2.0, True), (0, 1, 5.0, False), (0, 2, 3.0, False)]
    assert [sample.contention and sample.contention.others for sample in calls.samples] == [
        *(0.9, 0.1, 0.0)
    ]


def test_call_is_made_three_times_at_most(engine: FakeEngine, machine: Machine) -> None:
    """A call beside other work is made three times at most; the next call has three tries again."""
    machine.others = [0.0, *[0.9] * 5, 0.0]

    calls = of_one(engine, 2.0, rules=Rules(processes=1, calls=2))

    assert [mark for *_, mark in taken(calls)] == [True] * 5 + [False]


def test_fast_call_beside_other_work_is_made_again_and_slow_one_without_is_not(
    engine: FakeEngine, machine: Machine
) -> None:
    """Whether a call is made again depends on what other processes did, and never on its time."""
    machine.others = [0.0, 0.9, 0.0]

    calls = of_one(engine, 0.5, 99.0, 1.0, rules=Rules(processes=1, calls=2))

    assert [(seconds, mark) for _, _, seconds, mark in taken(calls)] == [
        *((0.5, True), (99.0, False), (1.0, False))
    ]


def test_what_others_may_take_is_a_rule(engine: FakeEngine, machine: Machine) -> None:
    """A call is not marked if other processes take less than the user allows them."""
    machine.others = [0.9]

    for allowed in (2.0, None):
        calls = of_one(engine, 2.0, rules=Rules(processes=1, calls=1, max_others=allowed))

        assert taken(calls) == [(0, 0, 2.0, False)]
        assert calls.repeats.max_others == allowed


def test_others_may_take_half_of_what_the_library_leaves_free(
    engine: FakeEngine, machine: Machine
) -> None:
    """Other processes may take half of what the library leaves free, and 0.1 processors besides."""
    machine.free, machine.others = 2, [1.1]
    assert taken(of_one(engine, 2.0)) == [(0, 0, 2.0, False)]

    machine.others = [1.2]
    assert taken(of_one(engine, 2.0))[0] == (0, 0, 2.0, True)


def test_short_calls_are_watched_together(engine: FakeEngine, machine: Machine) -> None:
    """Short calls are watched together: three of 0.1 s are one stretch of 0.3 s."""
    of_one(engine, *[0.1] * 5)

    start, first, burst, rest = machine.watched
    assert start == first == burst == rest == engine.pid
