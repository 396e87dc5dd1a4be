"""The rooms whose code is broken in small ways, each with the tests that are to notice.

What breaks it is not imported here, as it is installed for `tox -e mutants` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Room:
    """A folder of code, and the tests that are to notice when it is broken."""

    code: str
    """From the root of the project, as `tests`."""

    tests: str

    def test_files(self, root: Path, file: str = "") -> list[str]:
        """Return the test files for a file of the room: those of its own name first."""
        found = sorted(root.glob(f"{self.tests}/**/test_*.py"))
        found.sort(key=lambda path: Path(file).stem not in path.stem)
        return [str(path.relative_to(root)) for path in found]


ROOMS = {
    "adapters": Room("adapters", "tests/adapters"),
    **{
        name: Room(f"whisper_speedtest/{name}", f"tests/{name}")
        for name in ("common", "speech", "cache", "hub", "engine", "measure", "session", "results")
    },
}


def room_of(file: str) -> Room:
    """Return the room of a file."""
    return next(room for room in ROOMS.values() if file.startswith(f"{room.code}/"))
