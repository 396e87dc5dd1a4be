"""Brings texts into one form, so that only what was heard differs and not how it is written.

English goes through the normaliser that OpenAI made for Whisper: case, punctuation, the spelling of
a word and the way a number is written are no errors. Every other language goes through Whisper's
basic one, where case and punctuation alone are none. It keeps the marks that a script writes its
vowels with: OpenAI's own version takes them away, which leaves half of a Hindi or Thai word.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

from whisper_speedtest.speech.languages import ENGLISH, WITHOUT_SPACES

if TYPE_CHECKING:
    from collections.abc import Callable

ENGLISH_NORMALISER = "whisper english"
BASIC_NORMALISER = "whisper basic, marks kept"
LETTER_NORMALISER = "whisper basic, marks kept, letters split"


def normaliser_of(language: str) -> str:
    """Return the name of the normaliser that texts of a language go through."""
    if language == ENGLISH:
        return ENGLISH_NORMALISER
    return LETTER_NORMALISER if language in WITHOUT_SPACES else BASIC_NORMALISER


def words_of(text: str, language: str = ENGLISH) -> list[str]:
    """Return the normalised words of a text, or its letters in a language without spaces.

    A letter is one with all its marks. What has neither a letter nor a figure is no word: a musical
    note, or the full stop that the English normaliser leaves of "...". What is in brackets is none
    either.
    """
    words = _normaliser(normaliser_of(language))(text).split()
    return [word for word in words if any(map(str.isalnum, word))]


@cache
def _normaliser(name: str) -> Callable[[str], str]:
    """Return a normaliser by its name; the English one takes a while to make."""
    # Python warns of an escape in one of its docstrings when it first compiles the package, which
    # may be now. Under `filterwarnings = error` the import would fail.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*invalid escape sequence")
        from whisper_normalizer.basic import BasicTextNormalizer
        from whisper_normalizer.english import EnglishTextNormalizer

    found: Callable[[str], str]
    if name == ENGLISH_NORMALISER:
        found = EnglishTextNormalizer()
    else:
        found = BasicTextNormalizer(split_letters=name == LETTER_NORMALISER, preserve_marks=True)
    return found
