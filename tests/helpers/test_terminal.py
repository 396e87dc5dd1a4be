"""The terminal that other tests look at does what one does."""

from __future__ import annotations

import pytest

from tests.helpers.terminal import Screen


@pytest.mark.parametrize(
    ("text", "lines", "cursor"),
    [
        ("ab\r\ncd", ["ab", "cd"], (1, 2)),
        ("ab\rc", ["cb"], (0, 1)),
        ("abcde", ["abcde"], (0, 5)),
        ("abcdef", ["abcde", "f"], (1, 1)),
        ("abcde\rx", ["xbcde"], (0, 1)),
        ("abcde\r\nx", ["abcde", "x"], (1, 1)),
        ("abc\x1bDd", ["abc", "   d"], (1, 4)),
        ("a\r\nb\x1b[Ac", ["ac", "b"], (0, 2)),
        ("a\x1b7bc\x1b8d", ["adc"], (0, 2)),
        ("abc\r\x1b[2Kd", ["d"], (0, 1)),
        ("abc\r\x1b[K", [], (0, 0)),
        ("ab\r\ncd\x1b[A\r\x1b[J", [], (0, 0)),
        ("\x1b[32mgreen\x1b[0m", ["green"], (0, 5)),
    ],
)
def test_screen_shows_what_was_written(
    text: str, lines: list[str], cursor: tuple[int, int]
) -> None:
    """The screen shows what was written, and wraps at the character after the last column."""
    screen = Screen(5, rows=3)

    screen.feed(text)

    assert (screen.lines, screen.cursor) == (lines, cursor)


def test_cursor_does_not_go_above_the_screen() -> None:
    """The cursor does not go above the screen, to lines that have scrolled off."""
    screen = Screen(5, rows=2)

    screen.feed("a\r\nb\r\nc\x1b[9A\rx")

    assert screen.lines == ["a", "x", "c"]


def test_cursor_is_shown_unless_it_is_hidden() -> None:
    """The cursor is shown unless it is hidden, and again once it is shown."""
    screen = Screen()
    screen.feed("\x1b[?25l")
    assert not screen.cursor_shown
    screen.feed("\x1b[?25h")
    assert screen.cursor_shown


@pytest.mark.parametrize("text", ["\x1b[5n", "\x07", "\x1b[1J", "\x1bM"])
def test_what_the_screen_does_not_know_is_an_error(text: str) -> None:
    """An escape sequence that the screen does not know is an error."""
    with pytest.raises(AssertionError, match="unknown"):
        Screen().feed(text)
