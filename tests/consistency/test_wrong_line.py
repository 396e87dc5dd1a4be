"""A mistake in a check map is found case by case, with the line that is wrong, and costs no other.

Each mistake is made in a copy of a real adapter's source. Where that has a mistake already, which
tests/test_repo_consistency.py finds, it is left alone.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class
from adapters.base import Case
from tests.consistency import wrong_line
from tests.consistency.mistakes import MISTAKES, MLX, Mistake, wrong_cases
from tests.consistency.published import REPO, REVISION, has
from tests.consistency.verdict import InconsistentError, check_published
from tests.helpers.project import ROOT, edit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapters.base import Adapter
    from tests.consistency.published import Part

    Edited = Callable[[Mistake], type[Adapter]]


@pytest.fixture(name="edited")
def _edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edited:
    """A function that returns an adapter in whose source a mistake was made."""
    monkeypatch.setattr(wrong_line, "ROOT", tmp_path)

    def make(mistake: Mistake) -> type[Adapter]:
        real = adapter_class(mistake.adapter)
        if wrong_cases(mistake.adapter, real):
            pytest.skip(f"{mistake.source} has a mistake already: mend it first")
        source = tmp_path / mistake.source
        source.parent.mkdir()
        source.write_text((ROOT / mistake.source).read_text(encoding="utf-8"), encoding="utf-8")
        for old, new in mistake.changes.items():
            edit(source, old, new)
        spec = importlib.util.spec_from_file_location("edited", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "edited", module)
        spec.loader.exec_module(module)
        adapter: type[Adapter] = getattr(module, real.__name__)
        return adapter

    return make


def said_of(case: Case, adapter: type[Adapter]) -> str:
    """Return what is said of a case that is wrong."""
    with pytest.raises(InconsistentError) as found:
        check_published(case, adapter)
    return str(found.value)


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_found_with_its_line_and_costs_no_right_case(
    mistake: Mistake, edited: Edited, tmp_path: Path
) -> None:
    """Each wrong case of a check map is reported with what it checks, what it should, and where."""
    adapter = edited(mistake)

    wrong = wrong_cases(mistake.adapter, adapter)

    said = {f"{case.size}-{case.variant}": said_of(case, adapter) for case in wrong}
    messages = mistake.messages((tmp_path / mistake.source).read_text(encoding="utf-8"))
    assert {case: said.get(case) for case in messages} == messages
    assert len(said) == mistake.cases, f"expected {mistake.cases} wrong cases, got {list(said)}"
    lines = {words.rpartition("; fix ")[2] for words in said.values()}
    assert len(lines) == len(messages), f"expected one line for each of {messages}, got {lines}"


def test_file_that_a_load_contradicts_is_told_the_line_that_makes_its_path(
    edited: Edited, tmp_path: Path
) -> None:
    """A file that a load contradicts is reported with the line that makes its path."""
    mistake = MISTAKES["folder without its variant"]
    adapter, file = edited(mistake), "mlx_models/distil-small.en/config.json"

    found = wrong_line.line_to_fix(
        Case(mistake.adapter, "distil-small.en", "4bit"), adapter, has(file)
    )

    (message,) = mistake.messages((tmp_path / mistake.source).read_text("utf-8")).values()
    assert found == message.rpartition("; fix ")[2]


@pytest.mark.parametrize(
    ("part", "line"),
    [(REPO, "ENDINGS = "), (has("config.json"), "NPZ, SAFETENSORS = "), (REVISION, "ENDINGS = ")],
    ids=["repo", "file", "revision"],
)
def test_right_entry_that_a_library_contradicts_is_told_the_line_of_the_fewest(
    part: Part, line: str, edited: Edited, tmp_path: Path
) -> None:
    """A right entry that a library contradicts is reported with the line that fewest depend on.

    A revision that no string has is the main branch, and then it is the line of the whole entry.
    """
    unchanged = Mistake(MLX, {}, {}, line)

    found = wrong_line.line_to_fix(Case(MLX, "medium", "fp16"), edited(unchanged), part)

    lines = (tmp_path / unchanged.source).read_text(encoding="utf-8").splitlines()
    (number,) = (at for at, one in enumerate(lines, 1) if one.startswith(line))
    assert found == f"{unchanged.source}:{number}"
