"""Languages: their codes, the normaliser of each, and where letters are counted, not words."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from whisper_speedtest.speech.languages import (
    LANGUAGES,
    WITHOUT_SPACES,
    YOUNGEST,
    parse_language,
)
from whisper_speedtest.speech.normalising import normaliser_of, words_of
from whisper_speedtest.speech.scoring import difference, score


def known_to(package: str, file: str) -> dict[str, str]:
    """Return the table LANGUAGES in a package's file, which is read and not imported."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    source = Path(spec.submodule_search_locations[0], file).read_text(encoding="utf-8")
    (found,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LANGUAGES"
    )
    table: dict[str, str] = ast.literal_eval(found)
    return table


@pytest.mark.parametrize(
    ("package", "file"),
    [
        ("lightning_whisper_mlx", "tokenizer.py"),
        ("mlx_whisper", "tokenizer.py"),
        ("whisper", "tokenizer.py"),
        ("transformers", "models/whisper/tokenization_whisper.py"),
    ],
)
def test_languages_are_those_that_a_library_knows(package: str, file: str) -> None:
    """The languages, their codes and their order are those of each library that is installed."""
    known = known_to(package, file)

    assert [(code, name.lower()) for code, name in LANGUAGES.items()] == list(known.items())


def test_there_are_a_hundred_languages() -> None:
    """There are a hundred languages, and those without spaces are among them."""
    assert len(LANGUAGES) == 100
    assert next(iter(LANGUAGES)) == "en"
    assert list(LANGUAGES)[-1] == YOUNGEST == "yue"
    assert set(LANGUAGES) >= WITHOUT_SPACES
    assert LANGUAGES["de"] == "German"


def test_code_may_be_in_capitals() -> None:
    """The code of a language may be in capitals, and in spaces."""
    assert [parse_language(text) for text in ("de", "DE", " De ")] == ["de"] * 3


@pytest.mark.parametrize("text", ["german", "", "xx", "de-DE"])
def test_unknown_code_is_refused_with_the_known_ones(text: str) -> None:
    """An unknown code of a language is refused with all known ones."""
    with pytest.raises(ValueError, match="expected the code of a language") as caught:
        parse_language(text)

    assert f"; got {text!r}" in str(caught.value)
    assert ", ".join(LANGUAGES) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("German", "de (German)"),
        ("haitian creole", "ht (Haitian Creole)"),
        ("deutsch", "de (German) or nl (Dutch)"),
        ("de-DE", "de (German)"),
        ("japanisch", "ja (Japanese) or es (Spanish)"),
        ("chinesisch", "zh (Chinese)"),
        ("yue-HK", "yue (Cantonese)"),
        ("hawaiisch", "haw (Hawaiian)"),
    ],
)
def test_code_is_suggested_where_something_else_names_a_language(text: str, meant: str) -> None:
    """A code is suggested where a language's name, or something like a code or a name, is given."""
    with pytest.raises(ValueError, match="expected the code of a language") as caught:
        parse_language(text)

    assert str(caught.value).endswith(f"; got {text!r}; did you mean {meant}?")


@pytest.mark.parametrize("text", ["", "xx", "qqqqq"])
def test_no_code_is_suggested_for_what_is_like_no_language(text: str) -> None:
    """No code is suggested for what is like no language."""
    with pytest.raises(ValueError, match="expected the code of a language") as caught:
        parse_language(text)

    assert str(caught.value).endswith(f"; got {text!r}")


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("The colour isn't grey!", "en", ["the", "color", "is", "not", "gray"]),
        ("Grüße, Café!", "de", ["grüße", "café"]),
        ("it isn't grey", "de", ["it", "isn", "t", "grey"]),
        ("[noise] Grüße (laut) ♪", "de", ["grüße"]),
        ("नमस्ते, दुनिया!", "hi", ["नमस्ते", "दुनिया"]),
        ("你好、世界。", "zh", ["你", "好", "世", "界"]),
        ("สวัสดี", "th", ["ส", "วั", "ส", "ดี"]),
        ("こんにちは A1", "ja", ["こ", "ん", "に", "ち", "は", "a", "1"]),
        ("안녕 세계", "ko", ["안녕", "세계"]),
        ("", "zh", []),
    ],
)
def test_words_are_those_of_the_language(text: str, language: str, words: list[str]) -> None:
    """Words are those of the language: letters keep their marks, and signs are no words."""
    assert words_of(text, language) == words


def test_normaliser_is_named() -> None:
    """The normaliser of each language has a name that says what it does."""
    names = {code: normaliser_of(code) for code in LANGUAGES}

    assert [code for code, name in names.items() if name == "whisper english"] == ["en"]
    assert names["de"] == names["hi"] == names["ko"] == "whisper basic, marks kept"
    assert {code for code, name in names.items() if name.endswith("letters split")} == set(
        WITHOUT_SPACES
    )
    assert sorted(WITHOUT_SPACES) == ["ja", "lo", "my", "th", "yue", "zh"]


def test_score_says_how_it_was_counted() -> None:
    """A score says its normaliser, and has a letter error rate where letters are counted."""
    english, german = score("the ship", "the ships"), score("das Schiff", "das Schiff", "de")
    chinese = score("你好、世界", "你好 世纪", "zh")

    assert (english.cer, english.normaliser) == (None, "whisper english")
    assert (german.cer, german.normaliser) == (None, "whisper basic, marks kept")
    assert (chinese.cer, chinese.wer, chinese.reference_words) == (0.25, 0.25, 4)
    assert chinese.normaliser == "whisper basic, marks kept, letters split"


def test_english_spelling_is_an_error_of_another_language() -> None:
    """A difference in English spelling is an error in German."""
    assert score("colour", "color").exact
    assert not score("colour", "color", "de").exact


def test_difference_of_letters_says_letters() -> None:
    """A difference of letters is counted in letters, and shown with its neighbours."""
    lines = difference("你好世界", "你好世纪", "zh").splitlines()

    assert lines[0] == "CER 0.250 over 4 letters: 1 wrong, 0 missing, 0 added"
    assert lines[3] == "  letter 4: 好 世 [界 → 纪]"
