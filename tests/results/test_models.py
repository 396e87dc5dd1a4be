"""The page of all models, which answers which repo a size really loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY, adapter_class
from adapters.base import AdapterError
from tests.helpers.project import ROOT
from whisper_speedtest.cache.lock import NAME, Lock, LockedFile, LockedModel, read_lock
from whisper_speedtest.results.models import library_table, page, write

if TYPE_CHECKING:
    from pathlib import Path


def rows(text: str, adapter: str) -> dict[tuple[str, str], list[str]]:
    """Return the further cells of an adapter's rows, by size and variant."""
    section = text.partition(f"\n## {adapter}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if "`" in line]
    return {(row[0], row[1]): row[2:] for row in cells}


def test_docs_have_the_page_that_the_check_maps_give() -> None:
    """docs/models.md is the page that the check maps and the lock give."""
    made = page(read_lock(ROOT / NAME))

    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == made, (
        "docs/models.md is not what the check maps say; run "
        "`python -m whisper_speedtest.results.models`, which writes it"
    )


@pytest.mark.parametrize("adapter", REGISTRY)
def test_each_size_and_variant_has_one_row(adapter: str) -> None:
    """On the page of models, each size and variant has one row, with its repo and its files."""
    found = rows(page(Lock()), adapter)

    check_map = adapter_class(adapter).check_map
    expected = [(size, variant) for size in check_map for variant in check_map[size]]
    assert sorted(found) == sorted(expected)
    for size, variant in expected:
        files = check_map[size][variant]
        where, names, *_ = found[size, variant]
        assert files.repo in where
        assert names == ", ".join(f"`{name}`" for name in files.files)


def test_locked_model_has_its_commit_and_size() -> None:
    """The row of a locked model has its commit and the size of the files that the case needs.

    No other file of the repo counts towards the size.
    """
    files = adapter_class("lightning-whisper-mlx").check_map["tiny"]["fp16"]
    sizes = {name: LockedFile(1_500_000, "0" * 64) for name in files.files}
    entry = LockedModel("abcdef012345" + "0" * 28, {**sizes, "other": LockedFile(9**9, "0" * 64)})

    found = rows(page(Lock({str(files): entry})), "lightning-whisper-mlx")

    assert found["tiny", "fp16"][0] == f"`{files}`, commit `abcdef012345`"
    assert found["tiny", "fp16"][2] == f"{1.5 * len(files.files):.1f} MB"
    assert found["base", "fp16"][0].endswith("@main`")


def test_size_is_left_out_where_a_file_is_not_locked() -> None:
    """The row of a model has no size where one of its files is not locked.

    A part of a sum would be taken for the whole.
    """
    files = adapter_class("lightning-whisper-mlx").check_map["tiny"]["fp16"]
    entry = LockedModel("0" * 40, {files.files[0]: LockedFile(1_500_000, "0" * 64)})

    found = rows(page(Lock({str(files): entry})), "lightning-whisper-mlx")

    assert "MB" not in "".join(found["tiny", "fp16"])


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    """A project with one extra, whose documents are out of date."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "models.md").write_text("old", encoding="utf-8")
    extras = '[project.optional-dependencies]\nmlx-whisper = ["mlx-whisper"]\n'
    (tmp_path / "pyproject.toml").write_text(extras, encoding="utf-8")
    text = "before\n\n| library | extra | old |\n|---|---|\n| one | `\\1` |\n\nafter | | |\n"
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    return tmp_path


def test_documents_are_written(project: Path) -> None:
    """docs/models.md is written whole, and of README.md only the table of libraries is."""
    write(project)

    readme = (project / "README.md").read_text(encoding="utf-8")
    assert readme == f"before\n\n{library_table(['mlx-whisper'])}\nafter | | |\n"
    assert (project / "docs" / "models.md").read_text(encoding="utf-8") == page(Lock())


def test_library_is_an_extra_where_the_project_has_one_of_its_name() -> None:
    """A library that has an extra is listed with that extra's lock, and any other as default.

    The lock need not be written yet.
    """
    rows = library_table(["transformers"]).splitlines()

    assert [row.split(" | ")[:2] for row in rows[2:]] == [
        [f"| {name}", "`requirements/transformers.txt`, PyTorch" if "former" in name else "default"]
        for name in REGISTRY
    ]


def test_nothing_is_written_where_an_adapter_is_incomplete(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither docs/models.md nor README.md is written where an adapter is incomplete.

    The error says what it lacks.
    """
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Missing")
    before = (project / "README.md").read_text(encoding="utf-8")

    with pytest.raises(AdapterError, match=r'REGISTRY, "toy": .*has no attribute'):
        write(project)

    assert (project / "README.md").read_text(encoding="utf-8") == before
    assert (project / "docs" / "models.md").read_text(encoding="utf-8") == "old"


def test_nothing_is_written_where_the_readme_has_no_table(project: Path) -> None:
    """docs/models.md is not written where README.md has no table of libraries.

    The error says where to put one.
    """
    (project / "README.md").write_text("no table\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"^README.md: expected a table .*, got none; put that"):
        write(project)

    assert (project / "docs" / "models.md").read_text(encoding="utf-8") == "old"
