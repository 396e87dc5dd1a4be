"""Adapters that tell what their load and each call open and import, in place of what was heard.

`tests.helpers.first_use:MODULE:CLASS` is the adapter `MODULE:CLASS` with this added to it. Put into
the registry in the adapter's place, it runs in an engine as the adapter does. The text of its
transcripts is JSON: `load` and `call`, each a list of strings, are what the load and this call did.
`import NAME` stands for each module that was imported, and `open PATH` for each file that was
opened, as Python's audit events tell, and those with which the observer of tests/consistency
announces what native code opens. What is kept of compiling for the device does not count.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters import load_adapter
from adapters.base import Transcript
from tests.consistency.loading_process import announce_native_opens
from whisper_speedtest.engine.environment import COMPILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Adapter, Audio, Case, DecodeSettings


def __getattr__(path: str) -> type[Adapter]:
    """Return the adapter `MODULE:CLASS` with what is added to it."""
    if ":" not in path:
        raise AttributeError(f"expected MODULE:CLASS of an adapter, got {path!r}")
    watched: type[Adapter] = type("Watched", (_Watched, load_adapter(path)), {})
    return watched


class _Watched:
    """What is added to an adapter, which comes after it in the order of classes."""

    def load(self, case: Case) -> None:
        self._opened: set[str] = set()
        announce_native_opens()
        sys.addaudithook(self._on_event)
        self._loaded = self._done_by(lambda: super(_Watched, self).load(case))  # type: ignore[misc]

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        call = self._done_by(lambda: super(_Watched, self).transcribe(audio, settings))  # type: ignore[misc]
        told = {"load": self._loaded, "call": call}
        return Transcript(json.dumps(told), (), fallback=False)

    def _done_by(self, run: Callable[[], object]) -> list[str]:
        before = list(sys.modules.values())  # a module may get a second name later
        self._opened.clear()
        run()
        known = set(map(id, before))
        imported = sorted(name for name, module in sys.modules.items() if id(module) not in known)
        sources = {getattr(sys.modules[name], "__file__", None) for name in imported}
        opened = sorted(self._opened - sources)
        return [f"import {name}" for name in imported] + [f"open {path}" for path in opened]

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], (str, bytes)):
            return
        path = Path(os.fsdecode(arguments[0])).absolute()
        compiled = any(path.is_relative_to(Path(place).absolute()) for place in COMPILED)
        # This file is read where a library asks for the source of its callers.
        if path.parent.name != "__pycache__" and path != Path(__file__) and not compiled:
            self._opened.add(str(path))


def put_off(first: list[str], second: list[str]) -> list[str]:
    """Return what the first call did and the second did not."""
    return [what for what in first if what not in second]


def imported(done: list[str]) -> list[str]:
    """Return the modules that were imported, without those of Python itself."""
    modules = [what.removeprefix("import ") for what in done if what.startswith("import ")]
    return [name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names]
