"""Results that there is one thing to say of, and the lines that say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.helpers.results import PROVENANCE, warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.note import printed
from whisper_speedtest.results.notes import notes

if TYPE_CHECKING:
    from typing import Any

    from whisper_speedtest.measure.result import Result

NO_COST = msgspec.structs.replace(PROVENANCE, empty_call=None)


def noted(*arguments: Any, **more: Any) -> list[str]:
    """Return the lines of the notes on results, and on whatever else is given."""
    return printed(notes(*arguments, **more))


def quiet(**changes: Any) -> Result:
    """Return a result of which there is nothing to say."""
    return warm(**{"provenance": NO_COST, **changes})


def skipped(cause: str, **changes: Any) -> Result:
    """Return a result that was skipped."""
    return quiet(
        **{"outcome": Outcome.SKIPPED, "reason": f"all of it: {cause}", "cause": cause, **changes}
    )


def failed(test: str, reason: str, **changes: Any) -> Result:
    """Return the result of a test that failed."""
    return quiet(test=test, outcome=Outcome.FAILED, reason=reason, **changes)
