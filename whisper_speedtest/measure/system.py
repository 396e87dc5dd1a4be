"""Reads files of the operating system, as below /proc, and the output of its programs."""

from __future__ import annotations

import subprocess
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 5.0
"""How long a program may run. Each of them usually takes a hundredth of a second."""


def text_of(path: str) -> str:
    """Return the text of a file; "" where it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - it is faster
            return file.read()
    except OSError:
        return ""


def output_of(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what a program prints to stdout; "" where it does not exist or runs too long.

    What a program has printed before it fails is returned as well.
    """
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        ).stdout
    except (OSError, TimeoutExpired):
        return ""
