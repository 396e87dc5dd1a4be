"""`-k`: tests that are not there to be asked, and what is said if it or `-m own` selects none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters import install_command
from whisper_speedtest.session.keywords import advice, is_selected, lacks_own, selected_name

if TYPE_CHECKING:
    from tests.helpers.sessions import Sessions

LISTS = "pytest benchmarks --collect-only -q lists what there is"
TESTS = ("benchmarks/test_start.py::test_load[toy-medium-fp16]", "b::t[mlx-whisper]")


def test_keywords_select_by_parts_of_the_id() -> None:
    """As pytest does, whatever the case of the letters."""
    assert is_selected("test_transcribe[toy-tiny-old-short]", "")
    assert is_selected("test_transcribe[toy-tiny-old-short]", "TINY and (old or new)")
    assert not is_selected("test_transcribe[toy-tiny-old-short]", "base")


@pytest.mark.parametrize(
    ("keyword", "found"),
    [
        ("broken", "test_load[broken-micro-fp16-short]"),
        ("micro and fp16 and short", "test_load[broken-micro-fp16-short]"),
        ("medium and 8bit and not micro", "test_load[broken-medium-8bit-short]"),
        ("broken and not load", ""),
        ("toy", ""),
    ],
)
def test_adapter_without_cases_is_found_as_one_with_all_of_them(keyword: str, found: str) -> None:
    """By its name, by any size, variant or clip, and by none that its tests would not have."""
    assert selected_name("test_load", "broken", keyword) == found


def test_word_that_no_test_has_is_named_with_what_it_may_mean() -> None:
    """A misspelt size, and a word that is like nothing; the other words are right."""
    assert advice("(mediun or qqqqq) and fp16 and not load", TESTS, []) == [
        'no test matches -k "(mediun or qqqqq) and fp16 and not load"',
        "no test has 'mediun' in its name; did you mean medium or medium.en?",
        "no test has 'qqqqq' in its name",
        LISTS,
    ]


def test_library_that_is_meant_and_missing_is_named_with_its_command() -> None:
    """And no other library that is missing, too."""
    assert advice("MLX-whisper and tiny", TESTS, ["faster-whisper", "mlx-whisper"]) == [
        'no test matches -k "MLX-whisper and tiny"',
        "no test has 'tiny' in its name",
        f"not installed: mlx-whisper; add with: {install_command(['mlx-whisper'])}",
        LISTS,
    ]


@pytest.mark.parametrize(
    ("expression", "lacking"),
    [
        ("own", True),
        ("own and not tuned", True),
        ("own and tuned", True),
        ("tuned", False),
        ("own or tuned", False),
        ("not own", False),
        ("not own and slow", False),
        ("slow", False),
        ("own and slow", False),
        ("", False),
    ],
)
def test_expression_that_wants_recordings_of_ones_own_is_known(
    expression: str, lacking: bool
) -> None:
    """It selects nothing as it is, and selected something if there were such recordings."""
    marked = [frozenset({"over"}), frozenset({"over", "tuned"})]

    assert lacks_own(expression, marked) is lacking
    assert not lacks_own(expression, [*marked, frozenset({"over", "own"})]), "there are some"


def test_own_recordings_that_were_not_given_are_asked_for(sessions: Sessions) -> None:
    """Also where -k selects nothing either, as it names one of them."""
    for keyword in ((), ("-k", "memo"), ("-k", "toy and good")):
        nothing = sessions.run("benchmarks", "-m", "own", *keyword)

        assert nothing.status == pytest.ExitCode.NO_TESTS_COLLECTED, nothing.output
        assert nothing.output.count("nothing was selected: ") == 1, nothing.output
        assert (
            "nothing was selected: -m own stands for your own recordings, and none was given; add "
            "--audio=FILE\n  for a corpus, leave -m own out: --corpus=DIR -k test_corpus\n"
        ) in nothing.output


def test_session_that_selects_nothing_says_why(sessions: Sessions) -> None:
    """At its end, also with -q; one that selects something says nothing of it."""
    nothing = sessions.run("benchmarks", "-q", "-k", "toy and mikro")
    something = sessions.run("benchmarks", "-q", "-k", "toy and good and load", "--collect-only")

    assert nothing.status == pytest.ExitCode.NO_TESTS_COLLECTED, nothing.output
    assert 'nothing was selected: no test matches -k "toy and mikro"' in nothing.output
    assert "  no test has 'mikro' in its name; did you mean micro?" in nothing.output
    assert "nothing was selected" not in something.output


def test_other_option_that_leaves_all_out_is_not_taken_for_the_keyword(sessions: Sessions) -> None:
    """One case is in one of two shards, and the empty one says so itself."""
    both = [
        sessions.run("benchmarks/test_start.py", "-k", "toy and good and load", f"--shard={n}/2",
                     "--collect-only")
        for n in (1, 2)
    ]  # fmt: skip

    assert sum("all of this selection is in other shards" in each.output for each in both) == 1
    assert not any("nothing was selected" in each.output for each in both)
