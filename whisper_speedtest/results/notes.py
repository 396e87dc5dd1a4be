"""The lines under the closing table: what to know of its rows, and why others are not there."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from whisper_speedtest.cache.model import UNCONFIRMED
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.aspects import shortened
from whisper_speedtest.results.failures import failure_lines
from whisper_speedtest.results.machines import device_of
from whisper_speedtest.results.names import clip_name, measured_name
from whisper_speedtest.results.quality import UNQUANTISED, qualities, rates
from whisper_speedtest.results.units import MOST_MARGIN, counted, percent, seconds
from whisper_speedtest.results.verdicts import verdict_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapters.base import Case
    from whisper_speedtest.measure.result import Result


MISSING = "missing:  "
"""Begins the line on libraries that are not installed; it holds a command, so nothing breaks it."""

MOST_SKIPPED = 4
"""How many lines name the models that were skipped for one cause; where there are more, they are
counted by adapter."""

MOST_TOUCHED = 3
"""How many models are named beside which the machine was slower or faster; more are counted."""

MOST_CAUSES = 4
"""How many causes of skips are told; the rest are counted."""

SLOWER = "run these again, or add --cooldown=60, which waits until it is as fast"
FASTER = "run these again to compare them with what was measured before"
"""What to do where the machine was slower, or faster, than as the session began."""

HEARD_WORDS = 100
"""How many words of a transcript are shown: some 40 seconds of speech."""


def notes(
    results: Sequence[Result],
    left_out: Mapping[str, Outcome] | None = None,
    recordings: Iterable[str] = (),
    missing: Mapping[str, str] | None = None,
    install: str = "",
) -> list[str]:
    """Return the lines, each once: what the suite adds, mends, fallbacks, skips and failures.

    `left_out` are the reasons for which libraries were left out altogether, each a skip or a
    failure; `recordings` are the names of the user's own clips and corpora. `missing` are all
    libraries that are not installed, each with the reason, and `install` is the command that adds
    them.
    """
    reasons, absent = left_out or {}, missing or {}
    passed = [each for each in results if each.outcome is Outcome.PASSED]
    lines = [
        *verdict_lines(results),
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
        *(
            f"skipped:  {why}"
            for why, how in reasons.items()
            if how is Outcome.SKIPPED and why not in absent.values()
        ),
        *(f"failed:   {why}" for why, how in reasons.items() if how is Outcome.FAILED),
        *failure_lines(results),
        *([f"{MISSING}{', '.join(absent)}: {install}"] if absent else []),
    ]
    return _each_once(lines)


def _each_once(lines: Iterable[str]) -> list[str]:
    """Return the lines, each once; but names that stand below a line belong to that line."""
    told: set[str] = set()
    once = []
    for line in lines:
        if line not in told or line.startswith(" "):
            once.append(line)
        told.add(line)
    return once


def _cost(passed: Sequence[Result]) -> list[str]:
    """Say what the suite adds to each timed call, at most."""
    costs = [each.provenance.empty_call for each in passed if each.provenance]
    known = [cost for cost in costs if cost is not None]
    if not known:
        return []
    cost = seconds(max(known))
    return [f"harness:  a call through an engine takes {cost} more than the library's own"]


def _after_pauses(passed: Sequence[Result]) -> list[str]:
    """Say what a call takes after a pause, and how much longer that is than right after another."""
    warm = {
        (each.case, device_of(each), each.clip): each
        for each in passed
        if each.measure is Measure.WARM
    }
    return [
        f"pause:    {each.case.label}: {each.clip.name} takes "
        + _beside(
            each,
            f"after {each.repeats.pause:g} s of idleness",
            warm.get((each.case, device_of(each), each.clip)),
            "right after another call",
        )
        for each in passed
        if each.measure is Measure.AFTER_PAUSE and each.clip and each.repeats
    ]


def _from_disk(passed: Sequence[Result]) -> list[str]:
    """Say what a start takes that reads the model's files from the disk, and how much longer."""
    cold = {(each.case, device_of(each)): each for each in passed if each.measure is Measure.COLD}
    return [
        f"disk:     {each.case.label}: a cold start takes "
        + _beside(
            each,
            "with its files on the disk alone",
            cold.get((each.case, device_of(each))),
            "with them in memory",
        )
        for each in passed
        if each.measure is Measure.COLD_FILES
    ]


def _beside(result: Result, when: str, usual: Result | None, usually: str) -> str:
    """Return a time, and where the usual one is known how many times as long it is."""
    taken = result.estimate.seconds
    if usual is None:
        return f"{seconds(taken)} {when}"
    before = usual.estimate.seconds
    times = f"{taken / before:.1f} times as long {when}"
    return f"{times} ({seconds(taken)}, and {seconds(before)} {usually})"


def _timed_out(passed: Sequence[Result]) -> list[str]:
    """Say of which cases there are fewer processes, as one took too long to start."""
    return [
        f"fewer:    {each.case.label}: {each.repeats.timed_out} of its starts took longer than the "
        "limit, so fewer processes were measured"
        for each in passed
        if each.repeats and each.repeats.timed_out
    ]


def _vague(passed: Sequence[Result]) -> list[str]:
    """Say of which calls the interval says nothing, as the processes differ by too much."""
    calls = [each for each in passed if each.counted and not each.measure.of_a_start]
    vague = [each for each in calls if (each.estimate.margin or 0.0) > MOST_MARGIN]
    if not vague:
        return []
    line = (
        "vague:    processes differ so much that nobody can tell how long the next one takes "
        f"(over ±{percent(MOST_MARGIN)}): {_touched(vague)}; run these again on a quieter machine, "
        "or with more --processes"
    )
    return [line]


def _mends(passed: Sequence[Result]) -> list[str]:
    return [
        f"mended:   {each.case.label}: as released it does not load this model, so the suite "
        f"changed it: {mend}"
        for each in passed
        if each.provenance
        for mend in each.provenance.mends
    ]


def _fallbacks(passed: Sequence[Result]) -> list[str]:
    return [
        f"fallback: {each.case.label} on {clip_name(each)}: decoded anew at a higher temperature"
        for each in passed
        if each.fallback
    ]


def _heard(results: Sequence[Result]) -> list[str]:
    """Show what was heard where nobody wrote down what was said, so that the user can judge.

    What was heard is known whether or not the time is to be believed, so busy results have it, too.
    It is one line of at most HEARD_WORDS words, so that an hour of speech does not fill the screen.
    """
    return [
        f"heard:    {each.case.label} on {clip_name(each)}: {_shortened(each.transcript.split())}"
        for each in results
        if each.outcome.was_right and each.transcript is not None and each.score is None
    ]


def _shortened(words: Sequence[str]) -> str:
    """Return the first words as a text, and how many more there are."""
    left_out = len(words) - HEARD_WORDS
    more = f" … and {counted(left_out, 'more word')}" if left_out > 0 else ""
    return " ".join(words[:HEARD_WORDS]) + more


def _corpora(results: Sequence[Result]) -> list[str]:
    """Say how right each corpus was: over all its words, and in the clip in the middle."""
    lines = []
    for each in results:
        if each.score and (of_clips := rates(each)):
            rate, unit = ("WER", "words") if each.score.cer is None else ("CER", "letters")
            lines.append(
                f"corpus:   {each.case.label} on {clip_name(each)}: {rate} "
                f"{percent(each.score.wer, 1)} pooled over {each.score.reference_words:,} {unit} "
                f"of {counted(len(each.clips), 'clip')}; {percent(median(of_clips), 1)} in the "
                "median clip"
            )
    return lines


def _silence(results: Sequence[Result]) -> list[str]:
    """Say how many words were heard that nobody said, where nobody speaks."""
    return [
        f"silence:  {each.case.label} on {clip_name(each)}: {counted(count, 'word')} heard while "
        "nobody speaks"
        for each in results
        if each.score and (count := each.score.words_in_silence)
    ]


def _quality(results: Sequence[Result]) -> list[str]:
    """Say of each quantised model on how many clips it is no worse than the unquantised one."""
    return [
        f"quality:  {each.case.label}: no worse than {UNQUANTISED} on {each.said}"
        for each in qualities(results)
        if each.telling
    ]


def _voices(results: Sequence[Result], recordings: frozenset[str]) -> list[str]:
    """Say that the embedded model does not understand what it was given of the user's own."""
    given = [
        each.clip.name
        for each in results
        if each.case.size == "micro" and each.clip and each.clip.name in recordings
    ]
    return [f"voices:   {NO_HUMAN_VOICE}: {', '.join(dict.fromkeys(given))}"] if given else []


def _unconfirmed(results: Sequence[Result]) -> list[str]:
    """Say of which models only the hub cache says that they are right."""
    return [
        f"model:    {each.model.repo}@{shortened(each.model.commit or '')}: {UNCONFIRMED}"
        for each in results
        if each.model.unconfirmed
    ]


def _drift(passed: Sequence[Result]) -> list[str]:
    """Say beside which tests the machine was slower or faster than as the session began."""
    slower: list[tuple[Result, float]] = []
    faster: list[tuple[Result, float]] = []
    for each in passed:
        if share := _drift_beside(each):
            (slower if share > 0 else faster).append((each, abs(share)))
    lines = []
    for touched, how, step in ((slower, "slower", SLOWER), (faster, "faster", FASTER)):
        if touched:
            most = percent(max(share for _, share in touched))
            these = _touched([each for each, _ in touched])
            by = _gpu_timed_by([each for each, _ in touched])
            lines.append(
                f"drift:    the machine was up to {most} {how} than when the session began, while "
                f"these were measured: {these}{by}; {step}"
            )
    return lines


def _gpu_timed_by(results: Sequence[Result]) -> str:
    """Say which library has timed the GPU between the tests of results; "" where none is known."""
    known = {
        each.after.gpu_reference_by
        for each in results
        if each.after and each.provenance and each.provenance.device == "gpu"
    }
    names = " and ".join(sorted(filter(None, known)))
    return f" (the GPU's speed as {names} computed it)" if names else ""


def _touched(results: Sequence[Result]) -> str:
    """Return which tests results are of, or how many where they are of many models."""
    names: dict[Case, dict[str, None]] = {}
    for each in results:
        names.setdefault(each.case, {})[measured_name(each)] = None
    if len(names) > MOST_TOUCHED:
        return f"{counted(len(results), 'test')} of {counted(len(names), 'model')}"
    return "; ".join(f"{case.label}: {', '.join(of_case)}" for case, of_case in names.items())


def _drift_beside(result: Result) -> float:
    """Return how much slower than at the beginning of its session the machine was, as a share.

    It is less than 0 where the machine was faster. It is 0.0 where nothing is to be said: where the
    drift is at most MOST_DRIFT or not known, and of a comparison, whose sides took turns.
    """
    from whisper_speedtest.measure.drift import drift_of, has_drifted

    before, after, facts = result.before, result.after, result.provenance
    if before is None or after is None or facts is None or not result.counted:
        return 0.0
    share = drift_of(before, after, result.first or before, facts.device)
    return share if has_drifted(share) else 0.0


def _busy(results: Sequence[Result]) -> list[str]:
    """Say how many rows are not to be believed, as others used the machine meanwhile."""
    count = sum(each.outcome is Outcome.BUSY for each in results)
    if not count:
        return []
    line = (
        f"busy:     {count} of {len(results)} tests were timed while other processes used the "
        "machine, so that their times say little; close other programs, and run these tests again"
    )
    return [line]


def _skips(results: Sequence[Result]) -> list[str]:
    """Say each cause once, with the number of tests and the models that it is about."""
    causes: dict[str, list[Result]] = {}
    for result in results:
        if result.outcome is Outcome.SKIPPED:
            causes.setdefault(result.cause, []).append(result)
    lines = []
    for cause, skipped in list(causes.items())[:MOST_CAUSES]:
        lines += [f"skipped:  {cause} ({counted(len(skipped), 'test')})", *_models(skipped)]
    if more := list(causes.values())[MOST_CAUSES:]:
        tests, causes_left = counted(sum(map(len, more)), "test"), counted(len(more), "more cause")
        lines.append(f"skipped:  {tests} for {causes_left}; the journal has each")
    return lines


def _models(skipped: Sequence[Result]) -> list[str]:
    """Return a line for each adapter and repo; where these are many, one with their numbers."""
    models: dict[tuple[str, str], dict[str, None]] = {}
    for each in skipped:
        # Where the model was verified, it is not what was wanting.
        repo = "" if each.model.commit else f": {each.model.repo}"
        variant = f"{each.case.size}-{each.case.variant}"
        models.setdefault((each.case.adapter, repo), {})[variant] = None
    if len(models) <= MOST_SKIPPED:
        return [
            f"          {adapter}[{', '.join(variants)}]{repo}"
            for (adapter, repo), variants in models.items()
        ]
    counts: dict[str, int] = {}
    for (adapter, _), variants in models.items():
        counts[adapter] = counts.get(adapter, 0) + len(variants)
    numbers = ", ".join(f"{adapter} {count}" for adapter, count in counts.items())
    return [f"          models: {numbers}; --check-models names each with its repo"]
