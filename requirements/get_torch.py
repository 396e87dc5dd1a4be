"""Installs torch for the libraries named as arguments; the locks leave it out.

A torch that is there is kept. Else pip fetches one, from wherever it is configured to look: what
the variable TORCH requires (`TORCH="torch==2.14.*"`), or a build for the CPU, as on Linux a plain
torch brings gigabytes of libraries for GPUs. Exit status 1, and why, where none is to be had.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys

# macOS has light builds only. The ones for the CPU of Linux are not on PyPI.
LIGHT = "torch==2.13.0" if sys.platform == "darwin" else "torch==2.13.0+cpu"
OLDEST = (2, 6)  # that transformers takes


def installed() -> str | None:
    """Return the version of the torch that is there, if it is recent enough."""
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None
    major, minor = map(int, version.split(".")[:2])
    return version if (major, minor) >= OLDEST else None


def main() -> str | None:
    """Return what is wrong; nothing where there is a torch."""
    libraries = ", ".join(sys.argv[1:])
    chosen = os.environ.get("TORCH")
    requirement = chosen or LIGHT
    if chosen or not installed():
        # It would warn of requirements that the locks lift.
        options = ["-qq", "--no-compile", "--no-warn-conflicts"]
        pip = [sys.executable, "-I", "-m", "pip", "install", *options]
        if subprocess.run([*pip, requirement], check=False).returncode:
            return (
                f"{libraries}: left out. Expected {requirement} where pip is configured to look, "
                "got the error above; set PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL to where builds "
                "for the CPU are, or TORCH to another requirement"
            )
    print(f"{libraries}: torch {installed()}")
    return None


if __name__ == "__main__":
    sys.exit(main())
