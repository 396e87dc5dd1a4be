"""The comparison finds every difference and names it once; the verdict names the line to fix."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class
from adapters.base import Case
from adapters.lightning_whisper_mlx import LightningWhisperMLX
from adapters.sizes import DIMENSIONS
from tests.adding.adapter import ParrotAdapter
from tests.consistency.compare import RepoFile, compare, describe
from tests.consistency.verdict import InconsistentError, Observation, check_load
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.sizes import Dimensions

CASE = Case("parrot", "tiny", "fp16")
REPO = "example/parrot-tiny"
CHECKED = frozenset(RepoFile(REPO, "main", file) for file in ("weights.npz", "config.json"))
SOURCE = "tests/adding/adapter.py"
ENTRY = "REPOS = "
"""How the line begins that names the repo."""

BYTES = {f"tiny/{source.file}": source for source in CHECKED}


def over_sets_of_files(check: Callable[[frozenset[RepoFile], frozenset[RepoFile]], None]) -> None:
    """Call `check` with many pairs of sets, drawn from few names so that they overlap."""
    from hypothesis import given
    from hypothesis import strategies as st

    file = st.builds(
        RepoFile, st.sampled_from("ABC"), st.sampled_from(["main", "dev"]), st.sampled_from("wcv")
    )
    files = st.frozensets(file, max_size=8)
    given(files, files)(check)()


@pytest.mark.property
def test_no_mismatch_if_and_only_if_the_sets_are_equal() -> None:
    """Equal sets of files have no mismatch, and different ones have at least one."""

    def check(mine: frozenset[RepoFile], theirs: frozenset[RepoFile]) -> None:
        assert compare(mine, mine) == []
        assert (compare(mine, theirs) == []) == (mine == theirs)

    over_sets_of_files(check)


@pytest.mark.property
def test_each_difference_is_named_once() -> None:
    """Each file of one side alone stands in one mismatch, on its side."""

    def check(mine: frozenset[RepoFile], theirs: frozenset[RepoFile]) -> None:
        mismatches = compare(mine, theirs)

        assert sorted(m.checked for m in mismatches if m.checked) == sorted(mine - theirs)
        assert sorted(m.loaded for m in mismatches if m.loaded) == sorted(theirs - mine)

    over_sets_of_files(check)


@pytest.mark.property
def test_every_mismatch_is_put_into_words() -> None:
    """The words of a mismatch name the files, repos and revisions in which its sides differ."""

    def check(mine: frozenset[RepoFile], theirs: frozenset[RepoFile]) -> None:
        for mismatch in compare(mine, theirs):
            words = describe(mismatch)
            sides = [side for side in mismatch if side]
            assert all(side.repo in words for side in sides)
            assert len(sides) == 2 or sides[0].file in words

    over_sets_of_files(check)


@pytest.mark.parametrize(
    ("loaded", "words"),
    [
        (("other/repo", "main", "config.json"), "checked a/b but loads other/repo"),
        (("a/b", "dev", "config.json"), "checked a/b@main but loads a/b@dev"),
        (("c/d", "dev", "config.json"), "checked a/b@main but loads c/d@dev"),
        (("a/b", "main", "x.json"), "checked config.json but loads x.json of a/b@main"),
    ],
)
def test_counterparts_are_named_together(loaded: tuple[str, str, str], words: str) -> None:
    """A file that differs in its repo, revision or name is one mismatch of two files."""
    (mismatch,) = compare({RepoFile("a/b", "main", "config.json")}, {RepoFile(*loaded)})

    assert describe(mismatch) == words


@pytest.mark.parametrize(
    ("observed", "complaint", "beginning"),
    [
        (
            Observation(CHECKED, {path: file for path, file in BYTES.items() if "npz" in path}),
            f"checked config.json of {REPO}@main but does not load it",
            "FILES = ",
        ),
        (
            Observation(CHECKED, {**BYTES, "base/weights.npz": None}),
            "opens base/weights.npz, which holds none of the files that were served",
            ENTRY,
        ),
        (
            Observation(frozenset({*CHECKED, RepoFile("a/b", "main", "x")}), BYTES),
            "loads x of a/b@main, which is not checked",
            "FILES = ",
        ),
        (
            Observation(
                frozenset(RepoFile("a/b", "main", source.file) for source in CHECKED),
                {path: RepoFile("a/b", "main", source.file) for path, source in BYTES.items()},
            ),
            f"checked {REPO} but loads a/b",
            ENTRY,
        ),
        (Observation(CHECKED, BYTES, "OSError: no"), "the load failed: OSError: no", ENTRY),
        (
            Observation(CHECKED, BYTES, dimensions=DIMENSIONS["tiny.en"]),
            (
                "the model is not of the size tiny: vocabulary: expected 51865, got 51864; "
                "these are the dimensions of tiny.en"
            ),
            ENTRY,
        ),
    ],
    ids=["unopened", "unknown", "extra", "repo", "failed", "size"],
)
def test_verdict_names_case_complaint_and_line(
    observed: Observation, complaint: str, beginning: str
) -> None:
    """A file that is only fetched, or only opened, is an error with case and line to fix."""
    with pytest.raises(InconsistentError) as found:
        check_load(CASE, ParrotAdapter, observed)

    lines = (ROOT / SOURCE).read_text(encoding="utf-8").splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if text.startswith(beginning))
    assert str(found.value) == (f"parrot[tiny-fp16]: {complaint}; fix {SOURCE}:{line}")


def test_model_of_which_nothing_is_published_is_told_first() -> None:
    """A model that is not in the published list is reported before what follows from that."""
    observed = Observation(frozenset(), {}, "RepositoryNotFoundError: 401 Client Error.")

    with pytest.raises(InconsistentError) as found:
        check_load(CASE, ParrotAdapter, observed)

    first, *others = (line.partition("; ")[0] for line in str(found.value).splitlines())
    assert first == (
        f"parrot[tiny-fp16]: checked {REPO}, which is not in tests/consistency/published.toml (if "
        "it is published, add a line for it there)"
    )
    assert others == [
        "parrot[tiny-fp16]: nothing was fetched, so nothing is known",
        "parrot[tiny-fp16]: the load failed: RepositoryNotFoundError: 401 Client Error.",
    ]


def test_load_of_another_repo_than_the_right_one_may_be_what_is_wrong() -> None:
    """A right entry that a load contradicts is reported with its line, or with the load."""
    case, adapter = Case("lightning-whisper-mlx", "tiny", "fp16"), LightningWhisperMLX
    files = frozenset(RepoFile("a/b", "main", file) for file in adapter.files(case).files)

    with pytest.raises(InconsistentError) as found:
        check_load(case, adapter, Observation(files, {file.file: file for file in files}))
    with pytest.raises(InconsistentError) as nothing:
        check_load(case, adapter, Observation(frozenset(), {}))

    (told, _, where), (unknown, _, entry) = (
        str(each.value).partition("; fix ") for each in (found, nothing)
    )
    label = "lightning-whisper-mlx[tiny-fp16]"
    assert told == f"{label}: checked mlx-community/whisper-tiny but loads a/b"
    assert unknown == f"{label}: nothing was fetched, so nothing is known"
    line = r"adapters/lightning_whisper_mlx\.py:\d+"
    assert re.fullmatch(f"{line}, or what load asks the library for", where), where
    assert re.fullmatch(line, entry), entry


@pytest.mark.parametrize("dimensions", [None, DIMENSIONS["tiny"]])
def test_verdict_has_nothing_against_the_checked_files(dimensions: Dimensions | None) -> None:
    """A load of the checked files alone, of the size's dimensions, is consistent."""
    check_load(CASE, ParrotAdapter, Observation(CHECKED, BYTES, dimensions=dimensions))


@pytest.mark.parametrize(
    ("name", "width", "complaint"),
    [
        ("faster-whisper", 12, ""),
        ("faster-whisper", 384, ""),
        ("lightning-whisper-mlx", 12, "width: expected 384, got 12; no size has"),
    ],
)
def test_width_counts_where_stand_ins_have_that_of_their_size(
    name: str, width: int, complaint: str
) -> None:
    """The width of a loaded model counts where stand-ins have the width of their size."""
    case, adapter = Case("toy", "tiny", "fp16"), adapter_class(name)
    entry = adapter.files(case)
    files = frozenset(RepoFile(entry.repo, "main", file) for file in entry.files)
    dimensions = replace(DIMENSIONS["tiny"], width=width)
    observed = Observation(files, {file.file: file for file in files}, dimensions=dimensions)

    if not complaint:
        check_load(case, adapter, observed)
        return
    with pytest.raises(InconsistentError, match=complaint):
        check_load(case, adapter, observed)
