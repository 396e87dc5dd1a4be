"""The notes on what makes results doubtful: unconfirmed models, drift, and other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.cache.model import UNCONFIRMED
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.aspects import shortened
from whisper_speedtest.results.names import names_of_tests
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.units import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from whisper_speedtest.measure.result import Result

IF_SLOWER = "run these again, or add --cooldown=60, which waits until it is as fast"
"""What to do where the machine was slower than when the session began."""

IF_FASTER = "run these again to compare them with what was measured before"
"""What to do where the machine was faster than when the session began."""


def condition_notes(results: Sequence[Result]) -> Iterator[Note]:
    """Yield the notes on the models of results, and on the machine meanwhile."""
    yield from _unconfirmed(results)
    yield from _drift(each for each in results if each.outcome is Outcome.PASSED)
    yield from _busy(results)


def _unconfirmed(results: Sequence[Result]) -> Iterator[Note]:
    """Say which models were only compared with the hub cache itself, and confirmed by no host."""
    for each in results:
        if each.model.unconfirmed:
            commit = shortened(each.model.commit or "")
            yield Note("model", f"{each.model.repo}@{commit}: {UNCONFIRMED}")


def _drift(passed: Iterable[Result]) -> Iterator[Note]:
    """Say during which tests the machine was slower or faster than when the session began."""
    slower: list[tuple[Result, float]] = []
    faster: list[tuple[Result, float]] = []
    for each in passed:
        if share := _drift_during(each):
            (slower if share > 0 else faster).append((each, abs(share)))
    for drifted, how, remedy in ((slower, "slower", IF_SLOWER), (faster, "faster", IF_FASTER)):
        if drifted:
            most = percent(max(share for _, share in drifted))
            tests = names_of_tests([each for each, _ in drifted])
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
