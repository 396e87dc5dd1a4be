"""Which cases and clips a benchmark runs over, and for how long it may run."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from adapters import adapter_class, all_cases, why_not_installed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapters.base import Case, DecodeSettings
    from whisper_speedtest.speech.clip import Clip

TIME_LIMITS = {
    "micro": 240,
    "tiny": 180,
    "base": 240,
    "small": 420,
    "medium": 900,
    "large": 1800,
}
"""Seconds that one test may take, by the first of these names that is part of the size."""

BATCH_SIZES = (1, 6, 12, 24)
"""How many windows at once, on long audio."""

WINDOW_SECONDS = 30
"""What a Whisper model hears at once."""

CUT_SLACK = 0.05
"""What a cut may cost beyond its sentence: half a one, as a prompt, misleads the next window."""

MAX_WER = {"micro": 0.0}
"""A transcript with a higher word error rate is a failure, not a result."""

MAX_WER_OF_REAL_SIZES = 0.3
"""Loose on purpose: it tells a wrong model from the right one, not a good one from a better."""


def time_limit(case: Case) -> int:
    """Return the seconds that a test of this case may take."""
    return next(limit for name, limit in reversed(TIME_LIMITS.items()) if name in case.size)


def max_wer(case: Case, clip: Clip, settings: DecodeSettings) -> float:
    """Return the highest word error rate that counts as a right transcript of the clip.

    A library that cuts audio every 30 s, in mid-word if need be, may lose the sentences that run
    across a cut, or write parts of them twice, and is not failed for that.
    """
    limit = MAX_WER.get(case.size, MAX_WER_OF_REAL_SIZES)
    if is_cut(case, settings) and (cut := cut_share(clip)):
        limit += cut + CUT_SLACK
    return limit


def is_cut(case: Case, settings: DecodeSettings) -> bool:
    """Tell whether a case's library cuts audio every 30 s when it is told these settings."""
    match adapter_class(case.adapter).traits.cuts:
        case "always":
            return True
        case "in batches":
            return settings.batch_size > 1 and not settings.vad
        case "never":
            return False


def cut_share(clip: Clip) -> float:
    """Return the share of a clip's words that belong to sentences across a 30 s border."""
    words = sum(len(sentence.text.split()) for sentence in clip.sentences)
    cut = sum(
        len(sentence.text.split())
        for sentence in clip.sentences
        if sentence.start // WINDOW_SECONDS != sentence.end // WINDOW_SECONDS
    )
    return cut / words if words else 0.0


def suits(case: Case, clip: Clip) -> bool:
    """Tell whether a clip says anything about a case: the embedded model knows no human voice.

    A user's own recording is tried by every model that the user selects.
    """
    return case.size != "micro" or not clip.human or clip.is_own


def rows(
    clips: Mapping[str, Clip], names: Sequence[str], *, batches: bool
) -> Iterator[tuple[Case, tuple[str | int, ...]]]:
    """Yield each case of the libraries that are installed, with what a test is told of it.

    That is the case's name; a clip's, where there are `names`, of each that suits it; and with
    `batches` each batch size that its library can be told.
    """
    for case in all_cases():
        if why_not_installed(case.adapter):
            continue
        suited = [name for name in names if suits(case, clips[name])]
        sizes = BATCH_SIZES if adapter_class(case.adapter).traits.batches else BATCH_SIZES[:1]
        told: list[Sequence[str | int]] = [[str(case)]]
        told += [suited] if names else []
        told += [sizes] if batches else []
        for values in product(*told):
            yield case, values


def key(values: Iterable[str | int]) -> str:
    """Return the part of a test's id that says what it is told; it is a stored key."""
    return "-".join(f"batch{value}" if isinstance(value, int) else value for value in values)
