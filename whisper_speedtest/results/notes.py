"""The notes below the closing table: what to know of its rows, and why other tests have none.

Each subject has a module of its own, which makes its notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.absence_notes import absence_notes
from whisper_speedtest.results.condition_notes import condition_notes
from whisper_speedtest.results.timing_notes import timing_notes
from whisper_speedtest.results.transcript_notes import transcript_notes
from whisper_speedtest.results.verdicts import verdict_notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.note import Note


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
    found = [
        *verdict_notes(results),
        *timing_notes([each for each in results if each.outcome is Outcome.PASSED]),
        *transcript_notes(results, recordings),
        *condition_notes(results),
        *absence_notes(results, left_out or {}, missing or {}, install),
    ]
    return list(dict.fromkeys(found))
