"""Models that the project makes itself: exports of a checkpoint in fixtures/models.

Each export is kept, with a manifest of its files, in `.cache/models/<name>-<key>/`. The key is a
hash of what the export is made from: the checkpoint, the exporters and the versions of the packages
that they use. No hub has any part in this, and huggingface_hub is not imported.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.base import EMBEDDED
from whisper_speedtest.hub.hashes import Proof, prove
from whisper_speedtest.hub.inspection import Finding, Inspection
from whisper_speedtest.hub.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    check_file,
)
from whisper_speedtest.hub.plan import PlannedModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapters.base import ModelFiles

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "models"
MANIFEST = "manifest.json"

_making = threading.Lock()
"""Makes one export at a time, so that models of the same export share it."""

_NOT_INTACT = (FileNotFoundError, VerificationError, ValueError, KeyError, TypeError)
"""What reading an export raises that is not there, or not to the last byte."""


def inspect(files: ModelFiles) -> Inspection:
    """Return what there is of a model, which is made first unless an intact export is there.

    Its commit is the sha256 of the checkpoint that it is exported from. The files of an export that
    cannot be made are corrupt, with the reason.
    """
    return plan(files).local


def plan(files: ModelFiles) -> PlannedModel:
    """Return a model for which nothing is left to do: it is complete, or has a problem."""
    try:
        return PlannedModel(files, _made(files))
    except ModelError as error:
        problem = error
    except PackageNotFoundError as error:
        cause = f"cannot be made, as {error.name} is not installed; install its library's extra"
        problem = Unavailable(f"{files}: {cause}", cause)
    except OSError as error:
        cause = f"cannot be made in {CACHE} ({error.strerror or error})"
        problem = Unavailable(f"{files}: {cause}", cause)
    findings = {
        name: Finding(name, "corrupt", CACHE, "", None, str(problem)) for name in files.files
    }
    return PlannedModel(files, Inspection(files, None, findings), problem=problem)


def _made(files: ModelFiles) -> Inspection:
    """Return an intact export, old or new.

    Raises:
        RepoError: The check map names no model, or no file, that the project can make.
        VerificationError: The exporter failed.
    """
    name = files.repo.removeprefix(EMBEDDED)
    try:
        checkpoint, form, variant = name.split("-", 2)
        exporter = import_module(f"fixtures.models.{checkpoint}.export")
        packages = exporter.FORMATS[form].packages
    except (ValueError, ImportError, KeyError):
        raise RepoError(
            f"{files}: expected {EMBEDDED}CHECKPOINT-FORMAT-VARIANT, as {EMBEDDED}micro-mlx-fp16; "
            "fix the adapter's check map"
        ) from None
    source = ROOT / "fixtures" / "models" / checkpoint
    folder = CACHE / f"{name}-{_key(source, packages)}"
    with _making:
        with suppress(*_NOT_INTACT):
            return _read(files, folder, source)
        with _other_processes_waiting():
            with suppress(*_NOT_INTACT):  # another process may have made it while this one waited
                return _read(files, folder, source)
            _export(exporter.__name__, form, variant, folder)
        try:
            return _read(files, folder, source)
        except KeyError as error:
            raise RepoError(
                f"{files}: expected the files {', '.join(files.files)}, {exporter.__name__} makes "
                f"no {error}; fix the adapter's check map"
            ) from None


@contextmanager
def _other_processes_waiting() -> Iterator[None]:
    """Let no other process make an export: it would take away what this one has just made."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with CACHE.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(source: Path, packages: Iterable[str]) -> str:
    """Return a short hash of all that decides on the bytes of an export."""
    digest = hashlib.sha256()
    for package in packages:
        digest.update(f"{package}=={version(package)}\n".encode())
    made_from = ("weights.npz", "config.json", "export.py", "formats/*.py")
    for file in (file for name in made_from for file in sorted(source.glob(name))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _read(files: ModelFiles, folder: Path, source: Path) -> Inspection:
    """Return an export whose files are as its own manifest says; raise where they are not."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    findings = {}
    for name in files.files:
        proof = Proof(**manifest[name])
        check_file(f"{files.repo} {name}", folder / name, proof)
        findings[name] = Finding(name, "complete", folder / name, proof.sha256, proof, "")
    return Inspection(files, prove(source / "weights.npz").sha256, findings)


def _export(exporter: str, form: str, variant: str, folder: Path) -> None:
    """Export in another process, as it imports much, beside the folder; then rename into place."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as staging:
        made = Path(staging, "model")
        made.mkdir()
        run = subprocess.run(
            [sys.executable, "-m", exporter, form, variant, str(made)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise VerificationError(
                f"{folder.name}: expected {exporter} {form} {variant} to make it, "
                f"got exit status {run.returncode}:\n{run.stderr}"
            )
        manifest = {file.name: asdict(prove(file)) for file in sorted(made.iterdir())}
        (made / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        with suppress(FileNotFoundError):
            folder.rename(Path(staging, "corrupt"))
        made.rename(folder)
