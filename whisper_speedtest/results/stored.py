"""Compares the times of a session with those of a stored run, and warns of those that grew.

Between two runs the machine itself may have changed, and neither run shows by how much. So this
never fails a test for being slower; only a comparison in turns with another side does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.resume import field_differences, model_differences
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.units import counted
from whisper_speedtest.results.verdicts import change, slower_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapters.base import Case
    from whisper_speedtest.measure.estimate import UnpairedRatio
    from whisper_speedtest.measure.result import Result


def notes_on_stored(
    results: Iterable[Result], stored: Sequence[Result], limit: float, name: str
) -> Iterator[Note]:
    """Yield a note for each test that seems slower than allowed, or must not be compared.

    `limit` is how much slower a test may be, as a share; `name` is what messages call the stored
    run. The last note says how many tests were compared, and how many others could not be.
    """
    passed = {each.test: each for each in stored if each.outcome is Outcome.PASSED}
    known = {each.test for each in stored}
    compared = absent = unusable = 0
    for now in results:
        old = passed.get(now.test)
        if now.test not in known:
            absent += 1
            continue
        if now.outcome is not Outcome.PASSED or old is None or not (now.samples and old.samples):
            unusable += 1
            continue
        if differences := "; ".join(_differences(old, now)):
            yield Note("stored", f"{now.test}: not compared with {name}: {differences}")
            continue
        compared += 1
        found = ratio(now.estimate, old.estimate)
        if found.value - 1 > limit:
            yield Note("warning", f"{now.test}, against {name}: {_told(found, limit)}")
    not_compared = [f"{absent} not in it"] if absent else []
    if unusable:
        not_compared.append(f"{unusable} without a time that counts, here or there")
    others = f" ({', '.join(not_compared)})" if not_compared else ""
    yield Note(
        "stored",
        f"{counted(compared, 'test')} compared with {name}{others}, which can only warn: the "
        "machine may have changed since; --against=DIR lets both sides take turns",
    )


def lost_cases(stored: Iterable[Result], known: Iterable[Case], name: str) -> list[str]:
    """Return a line for each case of a stored run that is not among the known ones any more.

    `name` is what the lines call the stored run.
    """
    known_cases = set(known)
    return [
        f"{case}: {name} has a result of this case, and this checkout has none of that name; put "
        "it back, or leave it out with -k"
        for case in dict.fromkeys(each.case for each in stored)
        if case not in known_cases
    ]


def _told(found: UnpairedRatio, limit: float) -> str:
    """Return how much slower a test has become, with the interval if both runs have one.

    `limit` is a share; where the interval reaches below it, the difference may be noise.
    """
    if found.low is None or found.high is None:
        return f"{change(found.value)} (no interval)"
    text = slower_by(found.value, found.low, found.high)
    return text if found.low - 1 > limit else f"{text}; this may be noise"


def _differences(old: Result, now: Result) -> Iterator[str]:
    """Yield each difference for which two results of a test must not be compared."""
    if old.measure is not now.measure:
        yield f"measure {old.measure} → {now.measure}"
    yield from model_differences(old.model, now.model)
    yield from field_differences("settings", old.settings, now.settings)
    yield from field_differences("machine", old.machine, now.machine, ignored="suite")
    if (old.clip and old.clip.sha256) != (now.clip and now.clip.sha256):
        yield "the clip has another sound"
    before, after = old.provenance, now.provenance
    if before and after and before.device != after.device:
        yield f"device {before.device} → {after.device}"
