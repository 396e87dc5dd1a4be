"""Models that the project makes itself are kept, verified each time, and made anew when harmed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.hub import embedded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MICRO = ModelFiles("embedded/micro-mlx-fp16", ("weights.npz", "config.json"))
CHECKPOINT = embedded.ROOT / "fixtures" / "models" / "micro" / "weights.npz"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the one export lies, once it was made."""
    monkeypatch.setattr(embedded, "CACHE", tmp_path)
    embedded.inspect(MICRO).verified()
    (folder,) = tmp_path.iterdir()
    return folder


def test_export_is_the_checkpoint(folder: Path) -> None:
    """The unquantised export has the checkpoint's bytes, and is named by their hash."""
    model = embedded.inspect(MICRO).verified()

    path, proof = model.files["weights.npz"]
    assert path == folder / "weights.npz"
    assert path.read_bytes() == CHECKPOINT.read_bytes()
    digest = hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    assert (proof.sha256, model.commit) == (digest, digest)


def test_export_is_kept(folder: Path) -> None:
    """An intact export is not made again."""
    made = folder.stat().st_mtime_ns

    embedded.inspect(MICRO).verified()

    assert folder.stat().st_mtime_ns == made


def test_processes_at_once_make_one_export(tmp_path: Path) -> None:
    """Of several processes that need an export, one makes it, and none takes it from another."""
    script = (
        "import sys; from pathlib import Path; from adapters.base import ModelFiles;"
        "from whisper_speedtest.hub import embedded; embedded.CACHE = Path(sys.argv[1]);"
        "made = []; export = embedded._export;"
        "embedded._export = lambda *args: (made.append(1), export(*args));"
        f"embedded.inspect({MICRO!r}).verified(); print(len(made))"
    )

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "models")],
            cwd=ROOT, env=child_environment(), stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    made = [process.communicate()[0].strip() for process in processes]

    assert sorted(made) == ["0", "0", "0", "1"], "exports by process; one of them was to make it"


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "weights.npz").write_bytes(b"not weights"),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("not JSON"),
        lambda folder: (folder / "manifest.json").write_text("{}"),
        lambda folder: (folder / "manifest.json").unlink(),
    ],
    ids=["weights", "file-gone", "manifest-garbage", "manifest-empty", "manifest-gone"],
)
def test_harmed_export_is_made_anew(folder: Path, harm: Callable[[Path], object]) -> None:
    """What is not there to the last byte is exported again, and nothing is left lying about."""
    harm(folder)

    model = embedded.inspect(MICRO).verified()

    model.recheck()
    assert (folder / "weights.npz").read_bytes() == CHECKPOINT.read_bytes()
    assert list(folder.parent.iterdir()) == [folder]
