"""The notes below the closing table: what to know of its rows, and why other tests have none.

Each kind has a function here, or a module of its own where it is larger.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from whisper_speedtest.cache.model import UNCONFIRMED
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.aspects import shortened
from whisper_speedtest.results.failures import failure_notes
from whisper_speedtest.results.machines import device_of
from whisper_speedtest.results.names import clip_name, measured_name
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.quality import UNQUANTISED, qualities, rates
from whisper_speedtest.results.units import MOST_MARGIN, counted, percent, seconds
from whisper_speedtest.results.verdicts import verdict_notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapters.base import Case
    from whisper_speedtest.measure.result import Result


MOST_SKIPPED = 4
"""How many lines may name the models that were skipped for one cause; if it takes more, the models
are counted by adapter."""

MOST_MODELS = 3
"""How many models a line about several tests names; if there are more, they are counted."""

MOST_CAUSES = 4
"""How many causes of skips have a line; the others are counted."""

IF_SLOWER = "run these again, or add --cooldown=60, which waits until it is as fast"
"""What to do where the machine was slower than when the session began."""

IF_FASTER = "run these again to compare them with what was measured before"
"""What to do where the machine was faster than when the session began."""

HEARD_WORDS = 100
"""How many words of a transcript are shown: some 40 seconds of speech."""


def notes(
    results: Sequence[Result],
    left_out: Mapping[str, Outcome] | None = None,
    recordings: Iterable[str] = (),
    missing: Mapping[str, str] | None = None,
    install: str = "",
) -> list[Note]:
    """Return the notes, each once, in the order of their kinds.

    `left_out` maps each reason for which something was left out before any test of it began to
    whether that is a skip or a failure. `recordings` are the names of the user's own clips and
    corpora. `missing` maps each library that is not installed to the reason, and `install` is the
    command that installs them all.
    """
    passed = [each for each in results if each.outcome is Outcome.PASSED]
    found = [
        *verdict_notes(results),
        *_cost(passed),
        *_after_pauses(passed),
        *_from_disk(passed),
        *_timed_out(passed),
        *_vague(passed),
        *_mends(passed),
        *_fallbacks(passed),
        *_heard(results),
        *_corpora(results),
        *_silence(results),
        *_quality(results),
        *_voices(results, frozenset(recordings)),
        *_unconfirmed(results),
        *_drift(passed),
        *_busy(results),
        *_skips(results),
        *_left_out(left_out or {}, missing or {}),
        *failure_notes(results),
    ]
    if missing:
        found.append(Note("missing", f"{', '.join(missing)}: {install}", is_whole=True))
    return list(dict.fromkeys(found))


def _cost(passed: Sequence[Result]) -> Iterator[Note]:
    """Say how much longer a call through an engine takes than the library's own, at most."""
    costs = [each.provenance.empty_call for each in passed if each.provenance]
    known = [cost for cost in costs if cost is not None]
    if known:
        cost = seconds(max(known))
        yield Note("harness", f"a call through an engine takes {cost} more than the library's own")


def _after_pauses(passed: Sequence[Result]) -> Iterator[Note]:
    """Say what a call takes after a pause, and how much longer that is than right after another."""
    warm = {
        (each.case, device_of(each), each.clip): each
        for each in passed
        if each.measure is Measure.WARM
    }
    for each in passed:
        if each.measure is Measure.AFTER_PAUSE and each.clip and each.repeats:
            usual = warm.get((each.case, device_of(each), each.clip))
            when = f"after {each.repeats.pause:g} s of idleness"
            taken = _beside_usual(each, when, usual, "right after another call")
            yield Note("pause", f"{each.case.label}: {each.clip.name} takes {taken}")


def _from_disk(passed: Sequence[Result]) -> Iterator[Note]:
    """Say what a start takes whose model files are not in memory, and how much longer that is."""
    cold = {(each.case, device_of(each)): each for each in passed if each.measure is Measure.COLD}
    for each in passed:
        if each.measure is Measure.COLD_FILES:
            usual = cold.get((each.case, device_of(each)))
            when = "with its files on the disk alone"
            taken = _beside_usual(each, when, usual, "with them in memory")
            yield Note("disk", f"{each.case.label}: a cold start takes {taken}")


def _beside_usual(result: Result, when: str, usual: Result | None, when_usual: str) -> str:
    """Return the time of a result, and where the usual one is known how many times as long it is.

    `when` and `when_usual` say in words under which conditions the two were measured.
    """
    taken = result.estimate.seconds
    if usual is None:
        return f"{seconds(taken)} {when}"
    usually = usual.estimate.seconds
    return (
        f"{taken / usually:.1f} times as long {when} "
        f"({seconds(taken)}, and {seconds(usually)} {when_usual})"
    )


def _timed_out(passed: Sequence[Result]) -> Iterator[Note]:
    """Say of which cases fewer processes were measured, as some took too long to start."""
    for each in passed:
        if each.repeats and each.repeats.timed_out:
            yield Note(
                "fewer",
                f"{each.case.label}: {each.repeats.timed_out} of its starts took longer than the "
                "limit, so fewer processes were measured",
            )


def _vague(passed: Sequence[Result]) -> Iterator[Note]:
    """Say which calls have an interval that says nothing, as their processes differ too much."""
    calls = [each for each in passed if each.counted and not each.measure.of_a_start]
    vague = [each for each in calls if (each.estimate.margin or 0.0) > MOST_MARGIN]
    if vague:
        yield Note(
            "vague",
            "processes differ so much that nobody can tell how long the next one takes "
            f"(over ±{percent(MOST_MARGIN)}): {_tests_of(vague)}; run these again on a quieter "
            "machine, or with more --processes",
        )


def _mends(passed: Sequence[Result]) -> Iterator[Note]:
    """Say what the suite changed in a library so that it loads at all."""
    for each in passed:
        for mend in each.provenance.mends if each.provenance else ():
            yield Note(
                "mended",
                f"{each.case.label}: as released it does not load this model, so the suite "
                f"changed it: {mend}",
            )


def _fallbacks(passed: Sequence[Result]) -> Iterator[Note]:
    """Say which times include that something was decoded again at a higher temperature."""
    for each in passed:
        if each.fallback:
            where = f"{each.case.label} on {clip_name(each)}"
            yield Note("fallback", f"{where}: decoded anew at a higher temperature")


def _heard(results: Sequence[Result]) -> Iterator[Note]:
    """Show the transcript of each clip without a reference text, so that the user can judge it.

    A busy result has one, too, as other processes only spoil times. It is one line of at most
    HEARD_WORDS words, so that an hour of speech does not fill the screen.
    """
    for each in results:
        if each.outcome.was_right and each.transcript is not None and each.score is None:
            words = _shortened(each.transcript.split())
            yield Note("heard", f"{each.case.label} on {clip_name(each)}: {words}")


def _shortened(words: Sequence[str]) -> str:
    """Return the first HEARD_WORDS words as a text, and how many more there are."""
    left_out = len(words) - HEARD_WORDS
    more = f" … and {counted(left_out, 'more word')}" if left_out > 0 else ""
    return " ".join(words[:HEARD_WORDS]) + more


def _corpora(results: Sequence[Result]) -> Iterator[Note]:
    """Say the error rate of each corpus: over all its words, and of the median clip."""
    for each in results:
        of_clips = rates(each)
        if each.score and of_clips:
            rate, unit = ("WER", "words") if each.score.cer is None else ("CER", "letters")
            yield Note(
                "corpus",
                f"{each.case.label} on {clip_name(each)}: {rate} {percent(each.score.wer, 1)} "
                f"pooled over {each.score.reference_words:,} {unit} of "
                f"{counted(len(each.clips), 'clip')}; {percent(median(of_clips), 1)} in the median "
                "clip",
            )


def _silence(results: Sequence[Result]) -> Iterator[Note]:
    """Say how many words were heard where nobody speaks."""
    for each in results:
        if each.score and each.score.words_in_silence:
            words = counted(each.score.words_in_silence, "word")
            where = f"{each.case.label} on {clip_name(each)}"
            yield Note("silence", f"{where}: {words} heard while nobody speaks")


def _quality(results: Sequence[Result]) -> Iterator[Note]:
    """Say of each quantised model on how many clips it is no worse than the unquantised one."""
    for each in qualities(results):
        if each.telling:
            yield Note("quality", f"{each.case.label}: no worse than {UNQUANTISED} on {each.said}")


def _voices(results: Sequence[Result], recordings: frozenset[str]) -> Iterator[Note]:
    """Say that the embedded model does not understand the user's own recordings, if it got any."""
    given = [
        each.clip.name
        for each in results
        if each.case.size == "micro" and each.clip and each.clip.name in recordings
    ]
    if given:
        yield Note("voices", f"{NO_HUMAN_VOICE}: {', '.join(dict.fromkeys(given))}")


def _unconfirmed(results: Sequence[Result]) -> Iterator[Note]:
    """Say which models were only compared with the hub cache itself, and confirmed by no host."""
    for each in results:
        if each.model.unconfirmed:
            commit = shortened(each.model.commit or "")
            yield Note("model", f"{each.model.repo}@{commit}: {UNCONFIRMED}")


def _drift(passed: Sequence[Result]) -> Iterator[Note]:
    """Say during which tests the machine was slower or faster than when the session began."""
    slower: list[tuple[Result, float]] = []
    faster: list[tuple[Result, float]] = []
    for each in passed:
        if share := _drift_during(each):
            (slower if share > 0 else faster).append((each, abs(share)))
    for drifted, how, remedy in ((slower, "slower", IF_SLOWER), (faster, "faster", IF_FASTER)):
        if drifted:
            most = percent(max(share for _, share in drifted))
            tests = _tests_of([each for each, _ in drifted])
            gpu_timed_by = _gpu_timed_by([each for each, _ in drifted])
            yield Note(
                "drift",
                f"the machine was up to {most} {how} than when the session began, while these "
                f"were measured: {tests}{gpu_timed_by}; {remedy}",
            )


def _gpu_timed_by(results: Sequence[Result]) -> str:
    """Say which library timed the GPU between the tests of these results; "" if none is known."""
    known = {
        each.after.gpu_reference_by
        for each in results
        if each.after and each.provenance and each.provenance.device == "gpu"
    }
    names = " and ".join(sorted(filter(None, known)))
    return f" (the GPU's speed as {names} computed it)" if names else ""


def _tests_of(results: Sequence[Result]) -> str:
    """Name the tests that results are of; where these are of many models, count them instead."""
    names: dict[Case, dict[str, None]] = {}
    for each in results:
        names.setdefault(each.case, {})[measured_name(each)] = None
    if len(names) > MOST_MODELS:
        return f"{counted(len(results), 'test')} of {counted(len(names), 'model')}"
    return "; ".join(f"{case.label}: {', '.join(of_case)}" for case, of_case in names.items())


def _drift_during(result: Result) -> float:
    """Return how much slower the machine was than when the session began, as a share.

    It is less than 0 where the machine was faster, and 0.0 where there is nothing to say: the drift
    is small or not known, or this is a comparison, whose sides took turns.
    """
    from whisper_speedtest.measure.drift import drift_of, has_drifted

    before, after, facts = result.before, result.after, result.provenance
    if before is None or after is None or facts is None or not result.counted:
        return 0.0
    share = drift_of(before, after, result.first or before, facts.device)
    return share if has_drifted(share) else 0.0


def _busy(results: Sequence[Result]) -> Iterator[Note]:
    """Say how many times are not to be trusted, as other processes used the machine."""
    count = sum(each.outcome is Outcome.BUSY for each in results)
    if count:
        yield Note(
            "busy",
            f"{count} of {len(results)} tests were timed while other processes used the machine, "
            "so that their times say little; close other programs, and run these tests again",
        )


def _left_out(left_out: Mapping[str, Outcome], missing: Mapping[str, str]) -> Iterator[Note]:
    """Yield why something was left out before any test began: skips first, then failures.

    A library that is not installed is no such skip, as it has a note of its own.
    """
    for reason, outcome in left_out.items():
        if outcome is Outcome.SKIPPED and reason not in missing.values():
            yield Note("skipped", reason)
    for reason, outcome in left_out.items():
        if outcome is Outcome.FAILED:
            yield Note("failed", reason)


def _skips(results: Sequence[Result]) -> Iterator[Note]:
    """Say each cause of skips once, with the number of tests and the models that it is about."""
    causes: dict[str, list[Result]] = {}
    for result in results:
        if result.outcome is Outcome.SKIPPED:
            causes.setdefault(result.cause, []).append(result)
    for cause, skipped in list(causes.items())[:MOST_CAUSES]:
        yield Note("skipped", f"{cause} ({counted(len(skipped), 'test')})", _models(skipped))
    if others := list(causes.values())[MOST_CAUSES:]:
        tests = counted(sum(map(len, others)), "test")
        more_causes = counted(len(others), "more cause")
        yield Note("skipped", f"{tests} for {more_causes}; the journal has each")


def _models(skipped: Sequence[Result]) -> tuple[str, ...]:
    """Return a text for each adapter and repo; if they are many, one with counts by adapter."""
    models: dict[tuple[str, str], dict[str, None]] = {}
    for each in skipped:
        # A model with a commit was verified, so the cause of the skip is something else.
        repo = "" if each.model.commit else f": {each.model.repo}"
        variant = f"{each.case.size}-{each.case.variant}"
        models.setdefault((each.case.adapter, repo), {})[variant] = None
    if len(models) <= MOST_SKIPPED:
        return tuple(
            f"{adapter}[{', '.join(variants)}]{repo}"
            for (adapter, repo), variants in models.items()
        )
    counts: dict[str, int] = {}
    for (adapter, _), variants in models.items():
        counts[adapter] = counts.get(adapter, 0) + len(variants)
    numbers = ", ".join(f"{adapter} {count}" for adapter, count in counts.items())
    return (f"models: {numbers}; --check-models names each with its repo",)
