"""The comparison finds every difference and names it once; the verdict names the line to fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class, all_cases
from adapters.base import Case
from tests.consistency.compare import RepoFile, compare, describe
from tests.consistency.verdict import InconsistentError, Observation, check_load, line_to_fix
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

CASE = Case("lightning-whisper-mlx", "medium", "fp16")
REPO = "mlx-community/whisper-medium-mlx"
CHECKED = frozenset(RepoFile(REPO, "main", file) for file in ("weights.npz", "config.json"))
BYTES = {f"mlx_models/medium/{source.file}": source for source in CHECKED}


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


@pytest.mark.parametrize("subject", all_cases(), ids=str)
def test_line_to_fix_has_the_repo(subject: Case) -> None:
    """For every case, the line that is named has the repo in it, or begins a computed check map."""
    adapter = adapter_class(subject.adapter)
    file, _, line = line_to_fix(subject, adapter).partition(":")

    text = (ROOT / file).read_text(encoding="utf-8")
    repo = f'"{adapter.files(subject).repo}"'
    assert (repo if repo in text else "check_map: ") in text.splitlines()[int(line) - 1]


@pytest.mark.parametrize(
    ("observed", "complaint"),
    [
        (Observation(frozenset(), BYTES), "nothing was fetched, so nothing is known"),
        (
            Observation(CHECKED, {path: file for path, file in BYTES.items() if "npz" in path}),
            f"checked config.json of {REPO}@main but does not load it",
        ),
        (
            Observation(CHECKED, {**BYTES, "mlx_models/small/weights.npz": None}),
            "opens mlx_models/small/weights.npz, which holds none of the files that were served",
        ),
        (
            Observation(frozenset({*CHECKED, RepoFile("a/b", "main", "x")}), BYTES),
            "loads x of a/b@main, which is not checked",
        ),
        (Observation(CHECKED, BYTES, "OSError: no"), "the load failed: OSError: no"),
    ],
    ids=["nothing", "unopened", "unknown", "extra", "failed"],
)
def test_verdict_names_case_complaint_and_line(observed: Observation, complaint: str) -> None:
    """A file that is only fetched, or only opened, is an error that names the case and the line."""
    with pytest.raises(InconsistentError) as found:
        check_load(CASE, adapter_class(CASE.adapter), observed)

    line = line_to_fix(CASE, adapter_class(CASE.adapter))
    assert str(found.value) == f"lightning-whisper-mlx[medium-fp16]: {complaint}; fix {line}"


def test_verdict_has_nothing_against_the_checked_files() -> None:
    """A load that fetches and opens exactly the checked files is consistent."""
    check_load(CASE, adapter_class(CASE.adapter), Observation(CHECKED, BYTES))
