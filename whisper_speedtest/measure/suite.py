"""Hashes the code of this suite: results with the same hash were measured in the same way.

A commit would not do: files may have changed since, an unpacked archive has none, and a new commit
may have changed no code.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the project."""

CODE = ("adapters", "benchmarks", "whisper_speedtest")
"""The folders whose Python files decide what is measured and how."""


@cache
def code_hash(root: Path = ROOT) -> str:
    """Return the sha256 of the names, lengths and contents of the suite's Python files."""
    found = hashlib.sha256()
    for file in sorted(path for folder in CODE for path in (root / folder).rglob("*.py")):
        content = file.read_bytes()
        found.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()
