"""Models that the project makes itself: exports of a checkpoint in fixtures/models.

Each export is kept, with its manifest, in `.cache/models/<name>-<key>/`, where the key is a hash of
what it is made from: the checkpoint, the exporters and the versions of the packages that they use.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from adapters.base import EMBEDDED, ModelFiles
from whisper_speedtest.hub.model import Proof, VerificationError, VerifiedModel, check_file, prove

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "models"
MANIFEST = "manifest.json"


def make(files: ModelFiles) -> VerifiedModel:
    """Return an embedded model, exporting it first unless an intact export is there.

    Its commit is the SHA-256 of the checkpoint that it was exported from.
    """
    name = files.repo.removeprefix(EMBEDDED)
    checkpoint, form, variant = name.split("-", 2)
    source = ROOT / "fixtures" / "models" / checkpoint
    folder = CACHE / f"{name}-{_key(source, form)}"
    try:
        return _read(files, folder, source)
    except (FileNotFoundError, VerificationError, ValueError, KeyError, TypeError):
        _export(checkpoint, form, variant, folder)
    return _read(files, folder, source)


def _key(source: Path, form: str) -> str:
    exporter = import_module(f"fixtures.models.{source.name}.export")
    digest = hashlib.sha256()
    for package in exporter.FORMATS[form].packages:
        digest.update(f"{package}=={version(package)}\n".encode())
    made_from = ("weights.npz", "config.json", "export.py", "formats/*.py")
    for file in (file for name in made_from for file in sorted(source.glob(name))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _read(files: ModelFiles, folder: Path, source: Path) -> VerifiedModel:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    verified: dict[str, tuple[Path, Proof]] = {}
    for name in files.files:
        proof = Proof(**manifest[name])
        check_file(f"{files.repo} {name}", folder / name, proof)
        verified[name] = (folder / name, proof)
    return VerifiedModel(files.repo, prove(source / "weights.npz").sha256, verified)


def _export(checkpoint: str, form: str, variant: str, folder: Path) -> None:
    """Export in another process, as it imports much, beside the folder; then rename into place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as staging:
        made = Path(staging, "model")
        made.mkdir()
        exporter = f"fixtures.models.{checkpoint}.export"
        run = subprocess.run(
            [sys.executable, "-m", exporter, form, variant, str(made)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise VerificationError(
                f"{EMBEDDED}{checkpoint}-{form}-{variant}: expected {exporter} to make it, "
                f"got exit status {run.returncode}:\n{run.stderr}"
            )
        manifest = {file.name: asdict(prove(file)) for file in sorted(made.iterdir())}
        (made / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        with suppress(FileNotFoundError):
            folder.rename(Path(staging, "corrupt"))
        with suppress(OSError):  # another session was faster; what it made is verified as ours is
            made.rename(folder)
