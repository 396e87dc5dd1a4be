"""The clean process in which a library loads a model, online, and is watched.

Started as `python -P -m tests.consistency.observe ADAPTER fork|once`. It writes the library's own
table as a line of JSON, then answers each line of standard input, `[case, folder]`, with a line
`{"opened": {path: sha256}, "error": message or null}`. With `fork`, each model is loaded by a child
forked from this process, which has imported the library and done nothing else; with `once`, by this
process itself, which then ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters import load_adapter
from adapters.base import Case

if TYPE_CHECKING:
    from types import FrameType

    from adapters.base import Adapter

NOT_THE_LIBRARY = {"adapters", "huggingface_hub"}
"""Packages that open model files too, to compare weights and to keep the books of a download."""


class OpenedFiles:
    """The files under a folder that Python code has opened to read, but for NOT_THE_LIBRARY.

    A file is hashed before the open returns. What C or C++ code opens raises no audit event, so
    that such a file is missed here, and the case fails, until its reader is added to `watch`.
    """

    def __init__(self, folder: Path) -> None:
        self.hashes: dict[str, str] = {}
        self._folder = folder.resolve()
        self._hashing = False

    def watch(self) -> None:
        """Begin. Audit hooks cannot be taken out again, so this is for a process that ends soon."""
        sys.addaudithook(self._hear)
        if mx := sys.modules.get("mlx.core"):
            load = mx.load

            def audited_load(file: Any, *arguments: Any, **options: Any) -> Any:
                if isinstance(file, str):  # which C++ opens, unless it is an npz
                    sys.audit("open", file, "r", os.O_RDONLY)
                return load(file, *arguments, **options)

            mx.load = audited_load  # type: ignore[attr-defined]  # of a module at large

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or self._hashing or not isinstance(arguments[0], (str, bytes)):
            return
        path, _, flags = arguments
        file = Path(os.fsdecode(path)).resolve()
        reads = flags & os.O_ACCMODE == os.O_RDONLY
        if reads and file.is_relative_to(self._folder) and file.is_file() and _by_the_library():
            self._hashing = True
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            self._hashing = False
            self.hashes[file.relative_to(self._folder).as_posix()] = digest


def _by_the_library() -> bool:
    """Tell by the nearest caller that is neither in this module nor in the standard library."""
    frame: FrameType | None = sys._getframe()
    while frame:
        package = frame.f_globals["__name__"].partition(".")[0]
        if frame.f_code.co_filename != __file__ and package not in sys.stdlib_module_names:
            return package not in NOT_THE_LIBRARY
        frame = frame.f_back
    return False


def load(adapter: Adapter, case: Case, folder: Path) -> dict[str, Any]:
    """Load a case in `folder` and return what was seen."""
    os.chdir(folder)
    opened = OpenedFiles(folder)
    error = None
    try:
        adapter.select_device("cpu")
        opened.watch()
        adapter.mend(case)
        adapter.load(case)
    except Exception as problem:  # noqa: BLE001 - whatever a library raises is part of the answer
        traceback.print_exc()
        first_line, *_ = str(problem).splitlines() or [""]
        error = f"{type(problem).__name__}: {first_line}"
    return {"opened": opened.hashes, "error": error}


def ended(status: int) -> dict[str, Any]:
    """Return the answer of a process that gave none, from its exit status, as subprocess has it."""
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return {"opened": {}, "error": f"the process that loaded the model ended with {how}"}


def main() -> None:
    """Serve the process that started this one."""
    path, mode = sys.argv[1:]
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        adapter = load_adapter(path)()
        print(json.dumps(adapter.own_table()), file=answers)
        adapter.import_library()
        for line in sys.stdin:
            case, folder = json.loads(line)
            child = os.fork() if mode == "fork" else 0
            if child == 0:
                print(json.dumps(load(adapter, Case(*case), Path(folder))), file=answers)
                # No interpreter shutdown: a library's destructors may hang or abort.
                os._exit(0)
            if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                print(json.dumps(ended(status)), file=answers)


if __name__ == "__main__":
    main()
