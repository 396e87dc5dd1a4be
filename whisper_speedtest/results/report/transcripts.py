"""Compares transcripts with what was said, side by side, for the page of a report."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fixtures.audio import clips
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.speech.languages import ENGLISH
from whisper_speedtest.speech.scoring import Stretch, stretches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whisper_speedtest.measure.result import Result

MOST_CHARACTERS = 200_000
"""How many characters of transcripts a page shows; all are in results.jsonl beside it."""

MOST_SAME = 14
"""How many words in a row that are the same in both texts are shown; of more, only both ends."""

SHOWN_SAME = 5
"""How many words of each end are shown then."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One transcript of a clip, and which models it is of."""

    by: Mapping[str, tuple[str, ...]]
    """Library → its models, each as `small fp16`, with how it was measured if not as usual."""

    exact: bool
    """Whether it has the same words as the reference."""

    stretches: tuple[Stretch, ...]
    """The words of both texts, as runs that are the same or differ; empty where it is exact."""

    @property
    def count(self) -> int:
        """The number of models."""
        return sum(map(len, self.by.values()))

    @property
    def first(self) -> str:
        """The library and the name of the first model."""
        library, models = next(iter(self.by.items()))
        return f"{library} {models[0]}"


@dataclass(frozen=True, slots=True)
class HeardOfClip:
    """The transcripts of one clip, those first that are exact."""

    clip: str
    reference: str
    """What was said; or, if that is not known here, the most frequent transcript."""

    known: bool
    """Whether the reference is what was said."""

    heard: tuple[Heard, ...]


def side_by_side(results: Sequence[Result]) -> tuple[list[HeardOfClip], int]:
    """Return the transcripts of each clip, and how many others have no room on the page."""
    said = {(clip.name, clip.sha256): clip.reference for clip in clips().values()}
    found = []
    room, left_out = MOST_CHARACTERS, 0
    for (name, sha256), by_text in _by_clip(results).items():
        reference = said.get((name, sha256))
        known = reference is not None
        if reference is None:
            reference = max(by_text, key=lambda text: len(by_text[text]))
        heard = []
        for text, alike in by_text.items():
            room -= len(text) + len(reference)
            if room < 0:
                left_out += 1
            else:
                heard.append(_compared(reference, text, alike))
        if heard:
            heard.sort(key=lambda each: not each.exact)
            found.append(HeardOfClip(name, reference, known, tuple(heard)))
    return found, left_out


def _by_clip(results: Sequence[Result]) -> dict[tuple[str, str], dict[str, list[Result]]]:
    """Return the name and sha256 of each clip → its transcripts → the results with that text."""
    found: dict[tuple[str, str], dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for each in results:
        if each.is_measured and each.clip and each.transcript is not None:
            found[each.clip.name, each.clip.sha256][each.transcript].append(each)
    return found


def _compared(reference: str, text: str, alike: Sequence[Result]) -> Heard:
    """Return a transcript compared with the reference; `alike` are the results that have it."""
    settings = alike[0].settings
    found = stretches(reference, text, settings.language if settings else ENGLISH)
    exact = all(each.same for each in found)
    return Heard(_models(alike), exact, () if exact else tuple(map(_shortened, found)))


def _models(alike: Sequence[Result]) -> dict[str, tuple[str, ...]]:
    """Return library → the names of its models in these results, each once."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for each in alike:
        special = clip_name(each).removeprefix(each.clip.name if each.clip else "")
        found[each.case.adapter][f"{each.case.size} {each.case.variant}{special}"] = None
    return {library: tuple(models) for library, models in found.items()}


def _shortened(stretch: Stretch) -> Stretch:
    """Return a stretch without the middle of many words that are the same."""
    words = stretch.said.split()
    if not stretch.same or len(words) <= MOST_SAME:
        return stretch
    left_out = len(words) - 2 * SHOWN_SAME
    ends = f"{' '.join(words[:SHOWN_SAME])} … {left_out} words … {' '.join(words[-SHOWN_SAME:])}"
    return Stretch(ends, ends)
