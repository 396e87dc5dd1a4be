"""`score` counts word errors as the field does; `difference` shows them to a person."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING

import pytest

from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.speech.normalising import words_of
from whisper_speedtest.speech.scoring import Score, Stretch, difference, score, stretches

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


WORDS = "the old ship sailed north past a quiet harbour while many gulls followed it".split()
"""Words the normaliser neither joins nor drops, one of them in British spelling."""


def texts(min_size: int = 0) -> SearchStrategy[list[str]]:
    """Draw texts as lists of words, few enough of them that they often repeat."""
    from hypothesis import strategies as st

    return st.lists(st.sampled_from(WORDS), min_size=min_size, max_size=20)


def errors(result: Score) -> int:
    """Return how many words were wrong, missing or added."""
    return result.substitutions + result.deletions + result.insertions


@pytest.mark.parametrize(
    ("reference", "hypothesis", "wer", "coverage", "hits", "substitutions", "deletions", "added"),
    [
        ("the ship sailed", "the ship sailed", 0.0, 1.0, 3, 0, 0, 0),
        ("the old ship sailed north", "old sailed", 3 / 5, 2 / 5, 2, 0, 3, 0),
        ("old sailed", "the old ship sailed north", 3 / 2, 1.0, 2, 0, 0, 3),
        (
            "the ship sailed north past it",
            "a ship sailed north it it now",
            3 / 6,
            4 / 6,
            4,
            2,
            0,
            1,
        ),
        ("the ship", "", 1.0, 0.0, 0, 0, 2, 0),
        ("", "", 0.0, 1.0, 0, 0, 0, 0),
        ("", "thank you for watching", 4.0, 1.0, 0, 0, 0, 4),
    ],
    ids=[
        *("same", "some missing", "some added", "some of each"),
        *("nothing heard", "silence", "heard in silence"),
    ],
)
def test_errors_are_counted_word_by_word(
    reference: str,
    hypothesis: str,
    wer: float,
    coverage: float,
    hits: int,
    substitutions: int,
    deletions: int,
    added: int,
) -> None:
    """Word errors are counted as a person counts them, and an empty reference gives numbers too."""
    found = score(reference, hypothesis)

    assert found == Score(
        wer=wer,
        coverage=coverage,
        reference_words=len(reference.split()),
        hits=hits,
        substitutions=substitutions,
        deletions=deletions,
        insertions=added,
    )
    counts = [value for name, value in asdict(found).items() if name != "normaliser"]
    assert {type(value) for value in counts} == {int, float, NoneType}, (
        "expected plain numbers only"
    )


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [
        ("Mr. Smith's colour isn't grey.", "mister smith is color is not gray"),
        ("Twenty-one gulls, 3 ships; one hundred dollars!", "21 gulls three ships $100"),
        ("Wait... what?", "[noise] um, wait what"),
        ("…", "..."),
    ],
    ids=["spelling", "numbers", "noise", "only dots"],
)
def test_another_way_to_write_it_is_exact(reference: str, hypothesis: str) -> None:
    """Spelling, numbers, contractions, fillers and dots that differ are no word errors."""
    result = score(reference, hypothesis)

    assert (result.wer, result.coverage, result.exact) == (0.0, 1.0, True)


def test_a_score_cannot_be_changed() -> None:
    """A score cannot be changed."""
    found = score("the ship", "the ship")

    with pytest.raises(FrozenInstanceError):
        found.wer = 1.0  # type: ignore[misc]


def test_an_amount_is_a_word() -> None:
    """An amount of money is a word, and a sign with neither letter nor figure is none."""
    result = score("It costs $100.", "It costs $200 – now!")

    assert (result.reference_words, result.substitutions, result.insertions) == (3, 1, 1)


@pytest.mark.parametrize("hypothesis", ["the shop sailed", "the sailed", "the ship has sailed", ""])
def test_a_single_word_off_is_not_exact(hypothesis: str) -> None:
    """A text with a single wrong, missing or added word is not exact."""
    assert not score("the ship sailed", hypothesis).exact


def test_packages_not_yet_compiled_score_without_a_warning(tmp_path: Path) -> None:
    """Packages that are not yet compiled score without a warning."""
    scoring = "whisper_speedtest.speech.scoring"
    code = f"from {scoring} import score; print(score('the ship', 'The ship.').exact)"
    command = [sys.executable, "-W", "error", "-X", f"pycache_prefix={tmp_path}", "-c", code]

    run = subprocess.run(
        command, cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False
    )

    assert (run.stdout, run.stderr) == ("True\n", "")


@pytest.mark.property
def test_a_text_scores_itself_without_errors() -> None:
    """A text scores itself without errors, whatever its case and punctuation."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(deadline=None)
    @given(words=texts(), comma=st.sampled_from([" ", ", ", "; ", "! ", "...  ", " – ", "\n"]))
    def check(words: list[str], comma: str) -> None:
        result = score(" ".join(words), comma.join(words).upper() + comma)

        assert (result.wer, result.coverage, result.exact) == (0.0, 1.0, True)
        assert result.reference_words == result.hits == len(words)

    check()


@pytest.mark.property
def test_the_counts_add_up() -> None:
    """Each word of either text is a hit or an error, and all ratios are made of the counts."""
    from hypothesis import given, settings

    @settings(deadline=None)
    @given(reference=texts(), hypothesis=texts())
    def check(reference: list[str], hypothesis: list[str]) -> None:
        result = score(" ".join(reference), " ".join(hypothesis))

        assert result.reference_words == len(reference)
        assert result.hits + result.substitutions + result.deletions == len(reference)
        assert result.hits + result.substitutions + result.insertions == len(hypothesis)
        assert result.wer * max(len(reference), 1) == pytest.approx(errors(result))
        assert result.coverage * len(reference) == pytest.approx(result.hits)
        assert 0.0 <= result.coverage <= 1.0
        assert result.exact == (reference == hypothesis) == (result.wer == 0.0)

    check()


@pytest.mark.property
def test_the_errors_are_the_fewest_possible() -> None:
    """Word errors are the fewest possible: both directions cost the same, and detours no less."""
    from hypothesis import given, settings

    @settings(deadline=None)
    @given(first=texts(), second=texts(), third=texts())
    def check(first: list[str], second: list[str], third: list[str]) -> None:
        a, b, c = (" ".join(words) for words in (first, second, third))

        assert errors(score(a, b)) == errors(score(b, a))
        assert errors(score(a, c)) <= errors(score(a, b)) + errors(score(b, c))
        assert errors(score(a, b)) >= abs(len(first) - len(second))
        assert abs(errors(score(a, f"{b} now")) - errors(score(a, b))) <= 1

    check()


@pytest.mark.property
def test_texts_scored_together_have_no_more_errors_than_apart() -> None:
    """Texts scored together have no more errors than apart; a lost sentence costs its words."""
    from hypothesis import given, settings

    @settings(deadline=None)
    @given(first=texts(), lost=texts(min_size=1), last=texts(), heard=texts())
    def check(first: list[str], lost: list[str], last: list[str], heard: list[str]) -> None:
        a, b, c, d = (" ".join(words) for words in (first, lost, last, heard))

        together = score(f"{a} {b}", f"{c} {d}")
        assert errors(together) <= errors(score(a, c)) + errors(score(b, d))

        without = score(f"{a} {b} {c}", f"{a} {c}")
        assert (without.deletions, errors(without)) == (len(lost), len(lost))
        assert without.coverage == pytest.approx(1 - len(lost) / without.reference_words)

    check()


@pytest.mark.property
def test_any_text_gets_a_score_that_json_can_hold() -> None:
    """Any text gets a finite score that JSON can hold, and a difference that can be printed."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(deadline=None)
    @given(reference=st.text(), hypothesis=st.text())
    def check(reference: str, hypothesis: str) -> None:
        result = score(reference, hypothesis)

        assert math.isfinite(result.wer)
        assert json.loads(json.dumps(asdict(result), allow_nan=False)) == asdict(result)
        assert difference(reference, hypothesis)

    check()


def test_a_difference_names_each_change_where_it_is() -> None:
    """A difference names its counts, both texts, and every changed word between its neighbours."""
    shown = difference(
        "The old ship sailed north, past a very quiet harbour at night.",
        "The odd ship sailed north past harbour at night now.",
    )

    assert shown.splitlines() == [
        "WER 0.417 over 12 words: 1 wrong, 3 missing, 1 added",
        "  expected: The old ship sailed north, past a very quiet harbour at night.",
        "  got:      The odd ship sailed north past harbour at night now.",
        "  word 2: the [old → odd] ship sailed",
        "  word 7: north past [a very quiet → (nothing)] harbor at",
        "  word 13: at night [(nothing) → now]",
    ]


def test_a_difference_shows_a_run_of_changed_words_together() -> None:
    """A difference shows words in a row that all differ as one change."""
    last = difference("past a quiet harbour", "past a loud port").splitlines()[-1]

    assert last == "  word 3: past a [quiet harbor → loud port]"


def test_a_difference_without_one_says_so() -> None:
    """A difference of texts that differ in style alone lists no change."""
    assert difference("The ship.", "the ship").splitlines() == [
        "WER 0.000 over 2 words: 0 wrong, 0 missing, 0 added",
        "  expected: The ship.",
        "  got:      the ship",
    ]


def test_a_difference_shows_eight_changes() -> None:
    """A difference shows eight changes, and counts those that follow."""
    reference = ["gulls", "followed"] * 9
    heard = ["ships", "followed"] * 9

    for count, last in (
        (8, "  word 15: gulls followed [gulls → ships] followed"),
        (9, "  and 1 more changes"),
    ):
        shown = difference(" ".join(reference[: 2 * count]), " ".join(heard[: 2 * count]))
        assert shown.splitlines()[-1] == last
        assert len(shown.splitlines()) == 3 + 8 + (count > 8)


@pytest.mark.parametrize(("length", "shown"), [(100, "n" * 100), (101, "n" * 99 + "…")])
def test_a_difference_cuts_texts_of_more_than_a_hundred_characters(length: int, shown: str) -> None:
    """A difference cuts texts of more than a hundred characters, and marks the cut."""
    lines = difference("n" * length, "").splitlines()

    assert lines[1:3] == [f"  expected: {shown}", "  got:      (nothing)"]


def test_a_difference_stays_short() -> None:
    """A difference stays short for long texts that share nothing and for one endless word."""
    alternating = difference("north past " * 500, "north gulls " * 500, max_changes=3)
    endless = difference("north\n" * 500, "ha" * 5_000)

    assert alternating.splitlines()[-1] == "  and 497 more changes"
    for shown in (alternating, endless):
        assert len(shown.splitlines()) <= 8
        assert max(map(len, shown.splitlines())) < 300


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The ship, it sails!", ["the", "ship", "it", "sails"]),
        ("♪", []),
        ("♪ la ♪", ["la"]),
        ("[Music] (applause)", []),
        (" ... ", []),
        ("", []),
    ],
)
def test_a_word_is_a_normalised_word(text: str, words: list[str]) -> None:
    """A word is a normalised word: signs are none, nor is a remark in brackets."""
    assert words_of(text) == words


def test_stretches_are_cut_where_texts_begin_and_end_to_differ() -> None:
    """Texts are cut into stretches of words where they begin and end to differ."""
    found = stretches("One, black cat sat on the red mat.", "one cat sat on a red mat today")

    assert [(each.said, each.heard, each.same) for each in found] == [
        ("one", "one", True),
        ("black", "", False),
        ("cat sat on", "cat sat on", True),
        ("the", "a", False),
        ("red mat", "red mat", True),
        ("", "today", False),
    ]


def test_differences_in_a_row_are_one_stretch() -> None:
    """Differences in a row are one stretch of words."""
    assert stretches("a bee sings", "a cow and a dog sing") == [
        Stretch("a", "a"),
        Stretch("bee sings", "cow and a dog sing"),
    ]


@pytest.mark.parametrize(("said", "heard"), [("", ""), ("", "a"), ("a", "")])
def test_stretches_of_no_words(said: str, heard: str) -> None:
    """Texts of which one has no words are one stretch, and none if neither has any."""
    assert stretches(said, heard) == ([Stretch(said, heard)] if said or heard else [])


@pytest.mark.parametrize("blank", ["", " ", " \n\t "])
def test_text_without_a_word_is_shown_as_nothing(blank: str) -> None:
    """A text without a word is shown as "(nothing)", whether texts are cut or whole."""
    for shorten in (True, False):
        assert "  expected: (nothing)\n" in difference(blank, "one word", shorten=shorten)
        assert "  got:      (nothing)\n" in difference("one word", blank, shorten=shorten)
