"""The page of all models, which answers which repo a size really loads."""

from __future__ import annotations

import pytest

from adapters import REGISTRY, adapter_class
from tests.helpers.project import ROOT
from whisper_speedtest.hub.lock import NAME, Lock, LockedFile, LockedModel, read_lock
from whisper_speedtest.results.models import page


def rows(text: str, adapter: str) -> dict[tuple[str, str], list[str]]:
    """Return the further cells of an adapter's rows, by size and variant."""
    section = text.partition(f"\n## {adapter}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if "`" in line]
    return {(row[0], row[1]): row[2:] for row in cells}


def test_docs_have_the_page_that_the_check_maps_give() -> None:
    """A check map that changes changes the page; the message has the command."""
    made = page(read_lock(ROOT / NAME))

    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == made, (
        "docs/models.md is not what the check maps say: "
        "python -m whisper_speedtest.results.models > docs/models.md"
    )


@pytest.mark.parametrize("adapter", REGISTRY)
def test_each_size_and_variant_has_one_row(adapter: str) -> None:
    """In it stand its repo and each of its files."""
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
    """The size is that of the files that the case needs, and of no other file of the repo."""
    files = adapter_class("lightning-whisper-mlx").check_map["tiny"]["fp16"]
    sizes = {name: LockedFile(1_500_000, "0" * 64) for name in files.files}
    entry = LockedModel("abcdef012345" + "0" * 28, {**sizes, "other": LockedFile(9**9, "0" * 64)})

    found = rows(page(Lock({str(files): entry})), "lightning-whisper-mlx")

    assert found["tiny", "fp16"][0] == f"`{files}`, commit `abcdef012345`"
    assert found["tiny", "fp16"][2] == f"{1.5 * len(files.files):.1f} MB"
    assert found["base", "fp16"][0].endswith("@main`")


def test_size_is_left_out_where_a_file_is_not_locked() -> None:
    """A part of a sum would be taken for the whole."""
    files = adapter_class("lightning-whisper-mlx").check_map["tiny"]["fp16"]
    entry = LockedModel("0" * 40, {files.files[0]: LockedFile(1_500_000, "0" * 64)})

    found = rows(page(Lock({str(files): entry})), "lightning-whisper-mlx")

    assert "MB" not in "".join(found["tiny", "fp16"])
