"""The checkout of this suite that an engine runs, and the interpreter that runs it.

An engine usually runs the same checkout and interpreter as pytest. In a comparison, the engines of
the other side may run another checkout, in an interpreter with another version of the library.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adapters import REGISTRY, adapter_class
from adapters.base import Case, ModelFiles, Places
from whisper_speedtest.engine.environment import sealed_environment
from whisper_speedtest.engine.errors import LAST_LINES, LOG, last_lines
from whisper_speedtest.engine.wire import VERSION, Wire, WireError

if TYPE_CHECKING:
    from typing import BinaryIO, NoReturn

ENTRY = Path("whisper_speedtest", "engine", "__main__.py")
"""The file of a checkout that an engine runs."""

SECONDS_TO_ANSWER = 60.0
"""How long another checkout may take to answer what it can measure: it imports all adapters."""


class CheckoutError(Exception):
    """A folder is no checkout of this suite, or the interpreter cannot run its engine."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a checkout knows of one case."""

    adapter: str
    """`module:class`."""

    files: ModelFiles
    places: Places | None
    """Where the library looks for each file; None: in the hub cache."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of the suite, and the interpreter that its engines run in."""

    root: Path
    python: str
    name: str = ""
    """Its name in messages; "" for the checkout that pytest runs."""

    entries: Mapping[Case, Entry] = field(default_factory=dict)
    """The cases that another checkout can measure."""

    not_installed: Mapping[str, str] = field(default_factory=dict)
    """Adapter → why that interpreter cannot use its library, and what would help."""

    @property
    def entry(self) -> Path:
        """The file that an engine runs."""
        return self.root / ENTRY

    def adapter(self, case: Case) -> str:
        """Return `module:class` of a case's adapter; an own case needs no entry."""
        return self.entries[case].adapter if self.name else REGISTRY[case.adapter]

    def places(self, case: Case) -> Places | None:
        """Return where the library looks for each file of a case; None: in the hub cache."""
        if self.name:
            return self.entries[case].places
        return adapter_class(case.adapter).place(case)

    def start(
        self, adapter: str, folder: Path, environment: Mapping[str, str], log: BinaryIO
    ) -> tuple[subprocess.Popen[bytes], Wire]:
        """Start an engine's process in a folder; return the process and our end of the wire.

        `adapter` is `module:class`, or "" for a process that only answers with its catalogue.

        Raises:
            OSError: The system cannot start it.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = subprocess.Popen(
                    [
                        self.python,
                        "-P",
                        str(self.entry),
                        adapter,
                        str(VERSION),
                        str(theirs.fileno()),
                    ],
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    # In a process group of its own, a child gets no Ctrl-C, which is for pytest
                    # alone; and it can be ended together with all that its library has started.
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        return process, Wire(ours)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that a checkout has started, and all processes that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


OWN = Checkout(Path(__file__).resolve().parents[2], sys.executable)
"""The checkout that pytest runs, in pytest's interpreter."""


def look_into(root: Path, python: str, name: str) -> Checkout:
    """Return another checkout with what it can measure, according to its own code.

    Raises:
        CheckoutError: The folder is no checkout, or the interpreter cannot run its engine.
    """
    checkout = Checkout(root, python, name)
    if not checkout.entry.is_file():
        raise CheckoutError(
            f"expected a checkout of this suite, with {ENTRY}, got {root}; name its top folder"
        )
    with tempfile.TemporaryDirectory(prefix="whisper-speedtest-") as made:
        folder = Path(made)
        log = folder / LOG
        with log.open("wb") as file:
            try:
                process, wire = checkout.start("", folder, sealed_environment(folder), file)
            except OSError as error:
                raise CheckoutError(
                    f"{python}: expected a Python interpreter, got: {error.strerror}; name one "
                    f"that can run the engine of {root}"
                ) from error
        try:
            return _ask(checkout, wire)
        except WireError as error:
            raise CheckoutError(f"{root}: {error}") from error
        except (EOFError, OSError):
            _refuse(checkout, process, log)
        finally:
            wire.close()
            end(process)


def _ask(checkout: Checkout, wire: Wire) -> Checkout:
    """Ask the process of a checkout what it can measure; return the checkout with the answer.

    Raises:
        WireError: It has not answered in time, or not with what it can measure.
        EOFError, OSError: It has ended.
    """
    if not wire.has_come(SECONDS_TO_ANSWER):
        raise WireError(
            f"expected an engine that is up within {SECONDS_TO_ANSWER:g} s, got none; see that "
            f"{checkout.python} starts, and run it again"
        )
    wire.await_greeting()
    wire.send(["contents", [], 0])
    if not wire.has_come(SECONDS_TO_ANSWER):
        raise WireError(
            f"expected a list of its cases within {SECONDS_TO_ANSWER:g} s, got none; see that its "
            "adapters import nothing heavy, and run it again"
        )
    answer = wire.receive()
    if "error" in answer:
        raise WireError(
            f"expected a list of its cases, got {answer['error']}; see that pytest --collect-only "
            "works in that checkout"
        )
    told = answer["value"]
    if Path(told["root"]) != checkout.root.resolve():
        raise WireError(
            f"expected its own code to run, got that of {told['root']}; uninstall what "
            f"{checkout.python} has installed under the name whisper_speedtest"
        )
    entries = {
        case: Entry(adapter, ModelFiles(repo, tuple(files), revision), places)
        for case, adapter, repo, revision, files, places in told["cases"]
    }
    return Checkout(checkout.root, checkout.python, checkout.name, entries, told["not_installed"])


def _refuse(checkout: Checkout, process: subprocess.Popen[bytes], log: Path) -> NoReturn:
    """Raise the error of a process that ended before it answered."""
    status = process.wait()
    raise CheckoutError(
        f"{checkout.root}: expected an engine that speaks version {VERSION} of the wire under "
        f"{checkout.python}, got one that ended with exit status {status}; take a checkout that "
        f"has whisper_speedtest/engine/wire.py, and an interpreter with numpy, of Python 3.11 or "
        f"later{LAST_LINES}\n{last_lines(log)}"
    )
