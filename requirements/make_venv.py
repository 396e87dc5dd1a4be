"""Makes .venv, a virtual environment in the current folder, if this Python is recent enough for it.

pip would refuse an older one only when .venv is there, and in other words. Every Python 3 since 3.7
has to understand this file: that of Xcode is 3.9.
"""

from __future__ import annotations

import subprocess
import sys

OLDEST = (3, 11)


def main() -> str | int:
    """Return 0, the status with which the making failed, or why it was not tried."""
    if sys.version_info < OLDEST:
        oldest, got = (".".join(map(str, each[:2])) for each in (OLDEST, sys.version_info))
        return (
            f"{sys.executable}: expected Python {oldest} or later, got {got}; install a newer one, "
            "and write its name in place of python3, as python3.13"
        )
    return subprocess.call([sys.executable, "-m", "venv", ".venv"])


if __name__ == "__main__":
    sys.exit(main())
