"""Decides which results of a journal a session takes over, and why it runs the other tests.

A result is taken over where its test, run again, would be the same measurement: of the same model
bytes, by the same versions of the library and of this suite, with the same settings, on the same
clip, machine and device. Only a result that passed is taken over.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING

import msgspec

from whisper_speedtest.measure.judging import score_of
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.aspects import HASH_SHOWN
from whisper_speedtest.results.units import counted
from whisper_speedtest.speech.languages import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from adapters.base import Device
    from whisper_speedtest.measure.protocol import Rules
    from whisper_speedtest.measure.result import ModelFacts, Result
    from whisper_speedtest.speech.clip import Clip

ABSENT = "not in the journal"
COMPARED = "compared with another side in the journal"
"""Why a test is run that was not run before."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A test as this session would run it."""

    result: Result
    """Its result with all that is known before it is measured, and the model as it was verified."""

    clip: Clip | None
    versions: Mapping[str, str]
    """Distribution → version, of the library and of the packages that it computes with."""

    rules: Rules
    """How its calls are repeated."""

    device: Callable[[Device], Device | None]
    """Returns the device that it would compute on, given the one that it computed on before; None
    where that is not known."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which tests' results are taken over, and which tests are run."""

    taken_over: Mapping[str, Result]
    """Test → its result."""

    run: Mapping[str, str]
    """Test → why it is run."""

    def lines(self) -> list[str]:
        """Return a line for each reason to run tests, with the number of tests."""
        lines = []
        for reason, count in Counter(self.run.values()).items():
            verb = "is" if count == 1 else "are"
            again = "" if reason in {ABSENT, COMPARED} else " again"
            lines.append(f"{reason}: {counted(count, 'test')} {verb} run{again}")
        return lines


def decide(planned: Sequence[Planned], results: Sequence[Result]) -> Decision:
    """Decide for each planned test whether a result of a journal is taken over, or it is run.

    Of several results that could be taken over, it is the last one. A comparison with another side
    is another measurement, although its test has the same name.
    """
    of_test: dict[str, list[Result]] = {}
    for result in results:
        if result.measure is not Measure.RATIO:
            of_test.setdefault(result.test, []).append(result)
    compared = {result.test for result in results} - of_test.keys()
    taken_over: dict[str, Result] = {}
    run: dict[str, str] = {}
    for each in planned:
        test = each.result.test
        found = of_test.get(test, [])
        passed = [result for result in found if result.outcome is Outcome.PASSED]
        differing: list[str] = []
        for result in reversed(passed):
            difference = "; ".join(differences(result, each))
            if not difference:
                taken_over[test] = result
                break
            differing.append(difference)
        else:
            if differing:
                run[test] = differing[0]  # from the last result that passed
            elif found:
                run[test] = ", ".join(sorted({result.outcome for result in found}))
            else:
                run[test] = COMPARED if test in compared else ABSENT
    return Decision(taken_over, run)


def differences(old: Result, planned: Planned) -> Iterator[str]:
    """Yield each difference between a result that passed and what would be measured now."""
    new = planned.result
    if old.measure is not new.measure:
        yield f"measure {old.measure} → {new.measure}"
    yield from model_differences(old.model, new.model)
    facts = old.provenance
    assert facts is not None, f"{old.test}: it passed, and nothing is known of its engine"
    for name in sorted({*facts.versions, *planned.versions}):
        before, now = facts.versions.get(name), planned.versions.get(name)
        if before != now:
            yield f"{name} {before or 'absent'} → {now or 'absent'}"
    yield from field_differences("settings", old.settings, new.settings)
    yield from _of_repeats(old, planned.rules)
    yield from _of_clip(old, planned)
    if old.code != new.code:
        yield "the code of this suite"
    yield from field_differences("machine", old.machine, new.machine, ignored="suite")
    device = planned.device(facts.device)
    if device != facts.device:
        yield f"device {facts.device} → {device or 'unknown'}"


def model_differences(old: ModelFacts, new: ModelFacts) -> Iterator[str]:
    """Yield the first in which two models differ of repo, commit and bytes of the files."""
    if old.repo != new.repo:
        yield f"repo {old.repo} → {new.repo}"
    elif old.commit != new.commit:
        yield f"{new.repo} {_short(old.commit)} → {_short(new.commit)}"
    elif old.files != new.files:
        names = sorted(
            name for name in {*old.files, *new.files} if old.files.get(name) != new.files.get(name)
        )
        yield f"{new.repo} has other bytes in {', '.join(names)}"


def _short(commit: str | None) -> str:
    return commit[:HASH_SHOWN] if commit else "unknown"


def _of_repeats(old: Result, rules: Rules) -> Iterator[str]:
    """Yield each option on repeating calls that is now another; what the suite chooses may differ.

    Of the rules, all but `max_others` are None where the user leaves them to the suite.
    """
    repeats = old.repeats
    if repeats is None:
        return
    of_corpus = old.measure is Measure.CORPUS  # each of its clips is transcribed once anyway
    if rules.processes not in {None, repeats.processes} and not of_corpus:
        yield f"processes {repeats.processes} → {rules.processes}"
    if rules.calls not in {None, repeats.calls} and not (old.measure.of_a_start or of_corpus):
        yield f"calls {repeats.calls} → {rules.calls}"
    if rules.calls is None and None not in {rules.budget, repeats.budget}:
        yield from _of_seconds("budget", repeats.budget, rules.budget)
    if old.measure is Measure.AFTER_PAUSE and rules.pause is not None:
        yield from _of_seconds("pause", repeats.pause, rules.pause)
    if rules.max_others != repeats.max_others:
        yield f"max others {_any(repeats.max_others)} → {_any(rules.max_others)}"


def _of_seconds(what: str, before: float | None, now: float | None) -> Iterator[str]:
    if before != now:
        yield f"{what} {before:g} s → {now:g} s"


def _any(processors: float | None) -> str:
    return "any" if processors is None else f"{processors:g}"


def _of_clip(old: Result, planned: Planned) -> Iterator[str]:
    """Yield a difference in the sound of the clip, or in the reference text of a user's own."""
    clip, new = planned.clip, planned.result.clip
    if clip is None or new is None or old.clip is None:
        if new != old.clip:
            yield "the clip"
        return
    if old.clip.sha256 != new.sha256:
        yield f"clip {new.name} has another sound"
    if not clip.is_own:
        return
    settings = planned.result.settings
    language = settings.language if settings else ENGLISH
    scored = score_of(clip, old.transcript or "", language)
    if old.transcript is not None:
        is_same = scored == old.score
    else:  # the transcript was not kept, so only the lengths of the references can be compared
        words_now = scored.reference_words if scored else None
        words_before = old.score.reference_words if old.score else None
        is_same = words_now == words_before
    if not is_same:
        yield f"clip {new.name} has another reference"


def field_differences(what: str, old: object, new: object, ignored: str = "") -> Iterator[str]:
    """Yield each field in which two parts of results differ, except the one that is ignored.

    Both are of the same type, a Struct or a dataclass, or None; `what` is what the text calls them.
    """
    if old is None or new is None:
        if old is not new:
            yield f"{what} unknown {'before' if old is None else 'now'}"
        return
    for name in _names(new):
        before, now = getattr(old, name), getattr(new, name)
        if before != now and name != ignored:
            yield f"{what} {name.replace('_', ' ')} {before} → {now}"


def _names(part: object) -> list[str]:
    """Return the names of the fields of a Struct or a dataclass."""
    if isinstance(part, msgspec.Struct):
        return list(part.__struct_fields__)
    assert is_dataclass(part)
    return [field.name for field in fields(part)]
