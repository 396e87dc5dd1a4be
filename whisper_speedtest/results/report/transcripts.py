"""Transcripts side by side with what was said, for the page of a report."""

from __future__ import annotations

from collections import Counter, defaultdict
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
"""Characters of all transcripts that a page shows; the rest is in the JSON Lines beside it."""

MOST_SAME = 14
"""Words in a row that are the same in both texts and shown whole; of more, both ends are."""

SHOWN_SAME = 5


@dataclass(frozen=True, slots=True)
class Heard:
    """One transcript, and all that heard the same."""

    by: Mapping[str, tuple[str, ...]]
    """Library → its models, and what was special about the measurement."""

    exact: bool
    """Whether it has the words that were said."""

    stretches: tuple[Stretch, ...]
    """Empty where it is exact."""

    @property
    def count(self) -> int:
        """How many heard this."""
        return sum(map(len, self.by.values()))

    @property
    def first(self) -> str:
        """The first of them, by its name."""
        library, models = next(iter(self.by.items()))
        return f"{library} {models[0]}"


@dataclass(frozen=True, slots=True)
class OfClip:
    """What was heard of a clip."""

    clip: str
    reference: str
    """What was said; or what most of them heard, where nobody here knows."""

    known: bool
    """Whether the reference is what was said."""

    heard: tuple[Heard, ...]


def side_by_side(results: Sequence[Result]) -> tuple[list[OfClip], int]:
    """Return what was heard of each clip, and how many transcripts had no room."""
    of_clips: dict[tuple[str, str], dict[str, list[Result]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for each in results:
        if each.is_measured and each.clip and each.transcript is not None:
            of_clips[each.clip.name, each.clip.sha256][each.transcript].append(each)
    said = {(clip.name, clip.sha256): clip.reference for clip in clips().values()}
    found = []
    room, left_out = MOST_CHARACTERS, 0
    for clip, texts in of_clips.items():
        reference = said.get(clip)
        known = reference is not None
        if reference is None:
            counts = Counter({text: len(alike) for text, alike in texts.items()})
            (reference, _), *_ = counts.most_common(1)
        heard = []
        for text, alike in texts.items():
            room -= len(text) + len(reference)
            if room < 0:
                left_out += 1
                continue
            cut = stretches(reference, text, _language(alike[0]))
            exact = all(each.same for each in cut)
            heard.append(Heard(_by(alike), exact, () if exact else tuple(map(_shortened, cut))))
        if heard:
            heard.sort(key=lambda each: not each.exact)
            found.append(OfClip(clip[0], reference, known, tuple(heard)))
    return found, left_out


def _language(result: Result) -> str:
    """Return the language that a result is in."""
    return result.settings.language if result.settings else ENGLISH


def _by(alike: Sequence[Result]) -> dict[str, tuple[str, ...]]:
    """Return who heard it: library → its models, each once."""
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
