"""A note, and the lines in which it is printed."""

from __future__ import annotations

from typing import get_args

from whisper_speedtest.results.note import LABEL_WIDTH, Kind, Note, printed


def test_texts_of_all_kinds_stand_in_one_column() -> None:
    """The lines of a note are its text behind a label, and names in the column of the text."""
    assert Note("drift", "a: b", ("one", "two")).lines == [
        "drift:    a: b",
        "          one",
        "          two",
    ]
    assert Note("compared", "text").lines == ["compared: text"]
    assert max(map(len, get_args(Kind))) + len(": ") == LABEL_WIDTH


def test_lines_of_notes_stand_in_their_order() -> None:
    """The lines of several notes stand one after another, each with its own names below it."""
    notes = [Note("skipped", "offline", ("a",)), Note("busy", "1 of 2"), Note("busy", "1 of 2")]

    assert printed(notes) == ["skipped:  offline", "          a", *["busy:     1 of 2"] * 2]
    assert printed([]) == []
