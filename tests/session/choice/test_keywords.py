"""`-k`: which ids it selects, and what is said if it or `-m own` selects none."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY, all_cases, install_command
from adapters.base import SIZES, Case
from fixtures.audio import clips
from whisper_speedtest.session.choice.keywords import (
    LISTS_ALL,
    advice,
    is_selected,
    lacks_own,
    misleading_word,
    near_words,
    parts_lines,
    selected_name,
)
from whisper_speedtest.session.choice.selection import Selected

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.sessions import Sessions

TESTS = ("benchmarks/test_start.py::test_load[toy-medium-fp16]", "b::t[mlx-whisper]")


def test_keywords_select_by_parts_of_the_id() -> None:
    """A keyword selects tests by parts of their ids, whatever the case of its letters."""
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
    """An adapter whose cases are unknown is found by its name and by any size, variant and clip."""
    assert selected_name("test_load", "broken", keyword) == found


def test_word_that_no_test_has_is_named_with_what_it_may_mean() -> None:
    """A word that no test has is named with the words that may have been meant."""
    assert advice("(mediun or qqqqq) and fp16 and not load", TESTS, []) == [
        'no test matches -k "(mediun or qqqqq) and fp16 and not load"',
        "no test has 'mediun' in its name; did you mean medium or medium.en?",
        "no test has 'qqqqq' in its name",
        LISTS_ALL,
    ]


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("mediun", ["medium", "medium.en"]),
        ("fastr", ["faster-whisper"]),
        ("distl", ["distil-small.en", "distil-medium.en", "distil-large-v2"]),
        ("medium", []),
        ("qqqqq", []),
    ],
)
def test_names_are_near_as_a_whole_or_else_by_a_part(word: str, near: list[str]) -> None:
    """At most three names are suggested for a misspelt word, and none for a right one."""
    assert near_words(word) == near


def test_library_that_is_meant_and_missing_is_named_with_its_command() -> None:
    """A missing library that a keyword names is told with its install command, and no other is."""
    assert advice("MLX-whisper and tiny", TESTS, ["faster-whisper", "mlx-whisper"]) == [
        'no test matches -k "MLX-whisper and tiny"',
        "no test has 'tiny' in its name",
        f"not installed: mlx-whisper; add with: {install_command(['mlx-whisper'])}",
        LISTS_ALL,
    ]


@pytest.mark.parametrize(
    ("keyword", "name", "word"),
    [
        ("tiny", "tiny", "tiny"),
        ("TINY", "Tiny talk", "tiny"),
        ("base", "database", "base"),
        ("tiny or base", "database", "base"),
        ("micro and not en", "women", "en"),
        ("micro-fp16", "tiny", ""),
        ("fp16", "fp16", ""),
        ("memo", "memo", ""),
        ("micro and memo", "memo", ""),
        ("tiny and small", "tiny", ""),
        ("micro or tiny", "tiny", ""),
    ],
)
def test_word_that_means_models_is_not_to_select_a_recording(
    keyword: str, name: str, word: str
) -> None:
    """A word that means models is misleading if a recording's name is what makes it select.

    It is not where the model is selected anyway, or where no model has it in its name.
    """
    clip = replace(clips()["short"], name=name)
    selected = Selected(Case("faster-whisper", "micro", "fp16"), clip)

    test = f"b.py::test_transcribe[{selected.key}]"

    assert misleading_word(selected, test, keyword) == word


def test_recording_that_a_model_is_named_like_is_refused_before_anything_is_measured(
    sessions: Sessions, tmp_path: Path
) -> None:
    """A session is refused if its keyword means models and is the name of a recording as well."""
    good = tmp_path / "good.wav"
    shutil.copy(clips()["short"].path, good)

    refused = sessions.run("benchmarks", "-k", "good", f"--audio={good}")
    meant = sessions.run("benchmarks", "-k", "micro-good", f"--audio={good}", "--collect-only")

    assert refused.status == pytest.ExitCode.USAGE_ERROR, refused.output
    assert (
        "ERROR: -k \"good\": expected 'good' to be a part of models' names alone, got the "
        "recording 'good', which has it, too; rename the recording, or write more of what is "
        "meant, as in 'micro-good'\n"
    ) in refused.output
    assert "models:" not in refused.output, "expected no plan of a pre-fetch"
    assert LISTS_ALL not in refused.output, "expected no advice on paths, which were right"
    listed = sessions.run("benchmarks", "-k", "good", f"--audio={good}", "--collect-only", "-q")
    assert listed.status == pytest.ExitCode.USAGE_ERROR, listed.output
    assert "::" not in listed.output, "expected no list of tests that nobody selected"
    variants = set(re.findall(r"\[toy-(\w+-\w+)", meant.output))
    assert variants == {"micro-good"}


def test_word_that_is_a_part_of_others_is_told() -> None:
    """A keyword that is a part of other words as well is told, with these words."""
    ids = ["b.py::t[openai-whisper-tiny.en-fp16-long-batch1]", "b.py::t[x-tiny-q5_0-long-batch12]"]

    assert parts_lines("not EN and (batch1 or open)", ids) == [
        "-k takes 'en' for a part of openai as well; write more of what is meant",
        "-k takes 'batch1' for a part of batch12 as well; write more of what is meant",
    ]
    assert parts_lines("tiny and .en and batch12 and q5_0", ids) == []
    assert parts_lines("", ids) == []


def test_no_name_of_a_library_size_variant_or_clip_is_a_part_of_another() -> None:
    """No name of a library, size, variant or clip is told to be a part of another."""
    names = [*REGISTRY, *SIZES, *{case.variant for case in all_cases()}, *clips()]
    ids = [f"benchmarks/test_long_form.py::test_long_form[{case}-long]" for case in all_cases()]
    ids += [f"benchmarks/test_start.py::test_cold_start_and_memory[{name}]" for name in clips()]

    assert [line for name in names for line in parts_lines(name, ids)] == []


def test_session_tells_of_a_word_that_is_a_part_of_others(sessions: Sessions) -> None:
    """A session tells of a keyword that is a part of other words in ids of benchmarks alone."""
    apart = sessions.tree / "apart" / "test_apart.py"
    apart.parent.mkdir(exist_ok=True)
    apart.write_text("def test_one(): pass\ndef test_someone(): pass\n", encoding="utf-8")
    told = sessions.run("benchmarks", "-k", "toy and batch1", "--collect-only")
    nothing = sessions.run("apart", "-k", "one", "--collect-only")

    assert "\n-k takes 'batch1' for a part of batch12 as well; write more of" in told.output
    assert "test_someone" in nothing.output
    assert "-k takes" not in nothing.output


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
    """A marker expression is known to select nothing only because there are no own recordings."""
    marked = [frozenset({"over"}), frozenset({"over", "tuned"})]

    assert lacks_own(expression, marked) is lacking
    assert not lacks_own(expression, [*marked, frozenset({"over", "own"})]), "there are some"


def test_own_recordings_that_were_not_given_are_asked_for(sessions: Sessions) -> None:
    """A session with `-m own` and no recordings asks for some, whatever its keyword is."""
    for keyword in ((), ("-k", "memo"), ("-k", "toy and good")):
        nothing = sessions.run("benchmarks", "-m", "own", *keyword)

        assert nothing.status == pytest.ExitCode.NO_TESTS_COLLECTED, nothing.output
        assert nothing.output.count("nothing was selected: ") == 1, nothing.output
        assert (
            "nothing was selected: -m own stands for your own recordings, and none was given; add "
            "--audio=FILE\n  for a corpus, leave -m own out: --corpus=DIR -k test_corpus\n"
        ) in nothing.output


def test_session_that_selects_nothing_says_why(sessions: Sessions) -> None:
    """A session that selects nothing says why at its end, with -q as well."""
    nothing = sessions.run("benchmarks", "-q", "-k", "toy and mikro")
    something = sessions.run("benchmarks", "-q", "-k", "toy and good and load", "--collect-only")

    assert nothing.status == pytest.ExitCode.NO_TESTS_COLLECTED, nothing.output
    assert 'nothing was selected: no test matches -k "toy and mikro"' in nothing.output
    assert "  no test has 'mikro' in its name; did you mean micro?" in nothing.output
    assert "nothing was selected" not in something.output


def test_other_option_that_leaves_all_out_is_not_taken_for_the_keyword(sessions: Sessions) -> None:
    """A session whose shard is empty does not blame its keyword for that."""
    both = [
        sessions.run("benchmarks/test_start.py", "-k", "toy and good and load", f"--shard={n}/2",
                     "--collect-only")
        for n in (1, 2)
    ]  # fmt: skip

    assert sum("all of this selection is in other shards" in each.output for each in both) == 1
    assert not any("nothing was selected" in each.output for each in both)
