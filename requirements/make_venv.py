"""Makes .venv, a virtual environment in the current folder, if this Python has what it takes.

Of another one pip would only say, once .venv is there, that something has no matching distribution.
Every Python 3 since 3.7 has to understand this file: that of Xcode is 3.9.
"""

from __future__ import annotations

import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)
"""The last one that every locked package has a wheel for; PyYAML has none for 3.15."""


def main() -> str | int:
    """Return 0, the status with which the making failed, or why it was not tried."""
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        oldest, newest, got = (".".join(map(str, each)) for each in (OLDEST, NEWEST, version))
        return (
            f"{sys.executable}: expected Python {oldest} to {newest}, got {got}; install one of "
            "these, and write its name in place of python3, as python3.13"
        )
    return subprocess.call([sys.executable, "-m", "venv", ".venv"])


if __name__ == "__main__":
    sys.exit(main())
