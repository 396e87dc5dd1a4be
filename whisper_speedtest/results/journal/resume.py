"""Which results of a journal a session takes over, and what keeps it from taking over the others.

A result is taken over where the same test would be the same measurement: of the same model bytes,
by the same versions of the library and of this suite, with the same settings, on the same clip,
machine and device. It must have passed; whatever else became of a test, it is run.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Planned:
    """A test as this session would run it."""

    result: Result
    """Its result before anything was measured, with the model as it was verified."""

    clip: Clip | None

    versions: Mapping[str, str]
    """Distribution → version, of the library and of what it computes with."""

    rules: Rules
    """How its calls are repeated."""

    device: Callable[[Device], Device | None]
    """Returns what it would compute on, given what it computed on before; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is taken over, and what is run."""

    taken_over: Mapping[str, Result]
    """Test → its result."""

    run: Mapping[str, str]
    """Test → why it is run."""

    def lines(self) -> list[str]:
        """Return a line for each reason to run tests, with their number."""
        reasons: dict[str, int] = {}
        for reason in self.run.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        return [
            f"{reason}: {counted(count, 'test')} {'is' if count == 1 else 'are'} run"
            f"{'' if reason in {ABSENT, COMPARED} else ' again'}"
            for reason, count in reasons.items()
        ]


def decide(planned: Sequence[Planned], results: Sequence[Result]) -> Decision:
    """Decide what becomes of each planned test, by what a journal holds.

    Of several results that would do, the last one is taken. The order of the others, and of the
    planned tests, changes nothing. A comparison with another side is another measurement, for all
    that its test has the same name.
    """
    of_test: dict[str, list[Result]] = {}
    for result in results:
        if result.measure is not Measure.RATIO:
            of_test.setdefault(result.test, []).append(result)
    compared = {result.test for result in results} - of_test.keys()
    taken_over: dict[str, Result] = {}
    run: dict[str, str] = {}
    for each in planned:
        found = of_test.get(each.result.test, [])
        passed = [result for result in found if result.outcome is Outcome.PASSED]
        differing = ""
        for result in reversed(passed):
            differs = "; ".join(differences(result, each))
            if not differs:
                taken_over[each.result.test] = result
                break
            differing = differing or differs
        else:
            outcomes = sorted({result.outcome for result in found})
            absent = COMPARED if each.result.test in compared else ABSENT
            run[each.result.test] = differing or ", ".join(outcomes) or absent
    return Decision(taken_over, run)


def differences(old: Result, planned: Planned) -> Iterator[str]:
    """Yield in what a result that passed differs from what would be measured now."""
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
    yield from field_differences("machine", old.machine, new.machine, but="suite")
    if (now_on := planned.device(facts.device)) != facts.device:
        yield f"device {facts.device} → {now_on or 'unknown'}"


def model_differences(old: ModelFacts, new: ModelFacts) -> Iterator[str]:
    """Yield in what two models differ: repo, commit, or the files with other bytes."""
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
    """Yield what the user has asked for in another way; what is left to the suite may differ."""
    repeats = old.repeats
    if repeats is None:
        return
    of_corpus = old.measure is Measure.CORPUS  # of which each clip is transcribed once
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
    """Yield what differs of the sound, and of what is said in a recording of the user's own."""
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
        same = scored == old.score
    else:
        same = (scored and scored.reference_words) == (old.score and old.score.reference_words)
    if not same:
        yield f"clip {new.name} has another reference"


def field_differences(what: str, old: object, new: object, but: str = "") -> Iterator[str]:
    """Yield each field in which two parts of the same kind differ, but one."""
    if old is None or new is None:
        if old is not new:
            yield f"{what} unknown {'before' if old is None else 'now'}"
        return
    for name in _names(new):
        before, now = getattr(old, name), getattr(new, name)
        if before != now and name != but:
            yield f"{what} {name.replace('_', ' ')} {before} → {now}"


def _names(part: object) -> list[str]:
    if isinstance(part, msgspec.Struct):
        return list(part.__struct_fields__)
    assert is_dataclass(part)
    return [field.name for field in fields(part)]
