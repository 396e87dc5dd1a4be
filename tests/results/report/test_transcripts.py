"""Transcripts beside what was said: who heard what, and which words differ."""

from __future__ import annotations

from dataclasses import replace as with_fields
from typing import TYPE_CHECKING

import msgspec
import pytest

from fixtures.audio import clips
from tests.helpers.results import CLIP, SETTINGS, load, measured
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.report import transcripts
from whisper_speedtest.results.report.transcripts import side_by_side
from whisper_speedtest.speech.scoring import Stretch

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result

SAID = clips()["short"]
SHORT = msgspec.structs.replace(CLIP, sha256=SAID.sha256)
assert SAID.reference
WORDS = SAID.reference.split()


def heard(name: str, transcript: str | None, **changes: object) -> Result:
    """Return a result of a clip of the project's in which this was heard."""
    return measured(name, **{"clip": SHORT, "transcript": transcript, **changes})


def test_those_who_heard_the_same_stand_together_the_right_ones_first() -> None:
    """Models that heard the same on a clip stand together, those that were right first.

    They stand by library, each model once; what is special about a measurement stands behind it.
    """
    six = with_fields(SETTINGS, batch_size=6)
    wrong = " ".join(WORDS[:-1])
    (found,), left_out = side_by_side(
        [
            heard("mlx-whisper 4bit", wrong),
            heard("mlx-whisper fp16", SAID.reference),
            heard("mlx-whisper fp16", SAID.reference, measure=Measure.AFTER_PAUSE),
            heard("faster-whisper int8", SAID.reference, measure=Measure.LONG_FORM, settings=six),
        ]
    )

    right, other = found.heard
    assert (found.clip, found.reference, found.known) == ("short", SAID.reference, True)
    assert right.by == {
        "mlx-whisper": ("small fp16", "small fp16 after a pause"),
        "faster-whisper": ("small int8 ×6",),
    }
    assert (right.exact, right.stretches, right.count) == (True, (), 3)
    assert (right.first, other.first) == ("mlx-whisper small fp16", "mlx-whisper small 4bit")
    assert not other.exact
    assert [each for each in other.stretches if not each.same] == [Stretch("box", "")]
    assert left_out == 0


def test_recordings_with_the_same_sound_stand_apart() -> None:
    """Recordings of different names have transcripts of their own, even with the same sound.

    A copy of a clip under another name is a recording of which nobody told the words.
    """
    copied = msgspec.structs.replace(SHORT, name="copied")
    found, _ = side_by_side(
        [heard("mlx-whisper fp16", SAID.reference), heard("mlx-whisper fp16", "x", clip=copied)]
    )

    assert [(each.clip, each.known) for each in found] == [("short", True), ("copied", False)]
    assert [each.reference for each in found] == [SAID.reference, "x"]


def test_clip_of_which_nobody_knows_the_words_is_compared_with_what_most_heard() -> None:
    """A clip whose words nobody knows is compared with what most models heard."""
    (found,), _ = side_by_side(
        [
            measured("mlx-whisper 4bit", transcript="a b"),
            measured("mlx-whisper fp16", transcript="a c"),
            measured("mlx-whisper 8bit", transcript="a c"),
        ]
    )

    assert (found.reference, found.known) == ("a c", False)
    assert [each.exact for each in found.heard] == [True, False]
    assert found.heard[1].stretches == (Stretch("a", "a"), Stretch("c", "b"))


@pytest.mark.parametrize(
    "result",
    [
        heard("mlx-whisper fp16", "x", outcome=Outcome.FAILED),
        heard("mlx-whisper fp16", "x", outcome=Outcome.SKIPPED),
        heard("mlx-whisper fp16", None),
        load(0.5),
    ],
    ids=["failed", "skipped", "private", "load"],
)
def test_what_was_not_measured_or_is_private_has_no_transcript(result: Result) -> None:
    """A result that failed, was skipped, is private or is a load shows no transcript."""
    assert side_by_side([result]) == ([], 0)


def test_clips_of_the_same_name_and_another_sound_are_apart() -> None:
    """Clips of the same name with another sound have transcripts of their own."""
    found, _ = side_by_side(
        [heard("mlx-whisper fp16", "x"), measured("mlx-whisper 4bit", transcript="x")]
    )

    assert [(each.clip, each.known) for each in found] == [("short", True), ("short", False)]


def test_many_words_that_are_the_same_are_left_out_in_their_middle() -> None:
    """Of many words that are the same in two transcripts, the middle ones are only counted."""
    alike = "ant bee cat dog eel fox gnu hen ibis jay koi lark mole newt owl"
    _, differing = side_by_side(
        [
            measured("mlx-whisper fp16", transcript=f"{alike} pig"),
            measured("mlx-whisper 8bit", transcript=f"{alike} pig"),
            measured("mlx-whisper 4bit", transcript=f"{alike} rat"),
        ]
    )[0][0].heard

    ends = "ant bee cat dog eel … 5 words … koi lark mole newt owl"
    assert differing.stretches == (Stretch(ends, ends), Stretch("pig", "rat"))
    whole = Stretch(" ".join("a" * 14), " ".join("a" * 14))
    assert transcripts._shortened(whole) == whole
    changed = Stretch(" ".join("a" * 30), "b")
    assert transcripts._shortened(changed) == changed


def test_transcripts_beyond_the_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transcripts for which a page has no room are left out whole and counted.

    Each takes the room of what was said and of what was heard.
    """
    results = [heard("mlx-whisper fp16", SAID.reference), heard("mlx-whisper 4bit", "x")]
    assert SAID.reference
    room = 2 * len(SAID.reference)

    monkeypatch.setattr(transcripts, "MOST_CHARACTERS", room)
    (found,), left_out = side_by_side(results)
    assert ([each.first for each in found.heard], left_out) == (["mlx-whisper small fp16"], 1)

    monkeypatch.setattr(transcripts, "MOST_CHARACTERS", room - 1)
    assert side_by_side(results[:1]) == ([], 1)
