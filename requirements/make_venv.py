"""Makes .venv, a virtual environment in the current folder, if this Python has what it takes.

Of another one pip would only say, once .venv is there, that something has no matching distribution.
Every Python 3 since 3.7 has to understand this file: that of Xcode is 3.9.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.util import find_spec

OLDEST = (3, 11)
NEWEST = (3, 14)
"""The last one that every locked package has a wheel for; PyYAML has none for 3.15."""


ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
"""Variables with which pip installs in another place, or refuses to install in .venv."""

OFF = {"", "0", "false", "no", "off", "n", "f"}
"""What pip takes for an option that is off, in any case."""


def fault() -> str:
    """Return what makes this Python unfit, what is expected and what to do, or ""."""
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        oldest, newest, got = (".".join(map(str, each)) for each in (OLDEST, NEWEST, version))
        return (
            f"expected Python {oldest} to {newest}, got {got}; install one of these, and write its "
            "name in place of python3, as python3.13"
        )
    build = sys.implementation.name
    if build != "cpython" or "t" in getattr(sys, "abiflags", ""):
        got = "a free-threaded one" if build == "cpython" else build
        return f"expected CPython as it usually is, got {got}; install that one"
    if (sys.platform, platform.machine()) == ("darwin", "x86_64"):
        return (
            "expected a Python for arm64, got one for Intel, which Rosetta runs; mlx has none of "
            "that kind: install one for Apple silicon, and write its path in place of python3"
        )
    if not find_spec("ensurepip"):
        return (
            "expected a Python that can make virtual environments, got one without ensurepip; on "
            "Debian and Ubuntu, install python3-venv"
        )
    for name in ELSEWHERE:
        off = OFF if name == "PIP_USER" else {""}  # the others name folders
        if os.environ.get(name, "").lower() not in off:
            return (
                f"expected a pip that installs into .venv, got {name} in the environment, which "
                f"sends it elsewhere; unset it: unset {name}"
            )
    return fault_of_the_old()


def fault_of_the_old() -> str:
    """Return why a .venv that is there already is in the way, and what to do, or "".

    venv would keep the link to its Python, and pip would then be that of the other version.
    """
    if os.path.lexists(".venv") and not os.path.isdir(".venv"):  # noqa: PTH112 - as the text says it
        return "expected a folder .venv or none, got a file or a broken link; remove it: rm .venv"
    python = os.path.join(".venv", "bin", "python")  # noqa: PTH118 - as the text says it
    if not os.path.lexists(python):
        return ""
    show = "import sys; print('Python %d.%d' % sys.version_info[:2])"
    try:
        got = subprocess.check_output([python, "-c", show], universal_newlines=True).strip()
    except (OSError, subprocess.CalledProcessError):
        got = "one that does not run"
    expected = "Python {}.{}".format(*sys.version_info[:2])
    if got == expected:
        return ""
    return f"expected the .venv that is here to be of {expected}, got {got}; remove it: rm -r .venv"


def main() -> str | int:
    """Return 0, the status with which the making failed, or why it was not tried."""
    reason = fault()
    if reason:
        return f"{sys.executable}: {reason}"
    was_there = os.path.isdir(".venv")  # noqa: PTH112 - as above
    status = subprocess.call([sys.executable, "-m", "venv", ".venv"])
    if status and not was_there:
        shutil.rmtree(".venv", ignore_errors=True)
        what = "expected to make .venv, got the error above; nothing of it was kept"
        return f"{sys.executable}: {what}"
    return status


if __name__ == "__main__":
    sys.exit(main())
