"""Makes the engines of a session, and keeps them within a share of the machine's memory."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from whisper_speedtest.engine.checkout import OWN
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.process import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

    from adapters.base import Case, Device
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.engine.checkout import Checkout
    from whisper_speedtest.engine.memory import Memory

DEFAULT_SHARE = 0.5
"""The share of the machine's memory that all engines together may take.

The rest is for the system, its page cache and pytest. The share also applies to a GPU's own memory,
where the rest is for other programs, and for what a library takes besides its arrays."""

LIBRARY_BYTES = 500_000_000
"""An estimate of the memory that a library takes without its model. With the embedded model, of 3
to 19 MB, the six libraries took 104 MB (whisper.cpp) to 525 MB (transformers) on Linux."""

BYTES_PER_MODEL_BYTE = 4
"""An estimate of the peak memory of a model, relative to the size of its files. Float16 weights
become float32 on a CPU, which doubles their size, and the verification of the load reads the files
once more."""


def memory_limit_of_machine() -> int:
    """Return the bytes that the engines of this machine may take together: DEFAULT_SHARE of all."""
    import psutil

    return int(psutil.virtual_memory().total * DEFAULT_SHARE)


class EnginePool:
    """Makes engines, and ends all of them.

    Before an engine is made, the oldest engines are closed until the memory of the others and of
    the new one fits into the limit. The new one is made in any case. The memory of an engine is its
    peak footprint. Until that is known, it is the largest footprint in its case, or an estimate:
    LIBRARY_BYTES + BYTES_PER_MODEL_BYTE × size of the model.

    If a GPU has memory of its own, engines on it are limited by that in the same way, by the
    library's figure for its arrays; the estimate is then without LIBRARY_BYTES.

    The engines of a case, in one checkout and interpreter, share the code that their library
    compiles while it runs. So the first engine starts as on a machine where the library never ran,
    and the others start as they always do later.
    """

    def __init__(
        self,
        new_folder: Callable[[], Path],
        memory_limit: int,
        accelerator_memory: int | None = None,
    ) -> None:
        """Take a function that returns a new, empty folder, and limits of memory in bytes.

        `memory_limit` is what all engines together may take of the host's memory. They may take
        DEFAULT_SHARE of `accelerator_memory`, which is a GPU's own memory; None: it has none.
        """
        self._new_folder = new_folder
        self._limits = [_Limit(memory_limit, LIBRARY_BYTES)]
        if accelerator_memory is not None:
            limit = int(accelerator_memory * DEFAULT_SHARE)
            self._limits.append(_Limit(limit, 0, accelerator=True))
        self._engines: list[Engine] = []  # In the order in which they were made.
        self._compiled: dict[tuple[Case, Path, str], Path] = {}
        self._closed = False

    def __enter__(self) -> Self:
        """Return the pool; it holds no engine yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all engines."""
        self.close()

    def new(
        self,
        case: Case,
        model: VerifiedModel,
        device: Device,
        threads: int | None = None,
        checkout: Checkout = OWN,
    ) -> Engine:
        """Return a new engine, not started, after making room for it."""
        if self._closed:
            raise RuntimeError(f"{case.label}: the pool was closed; make engines before its end")
        self._make_room(case, model, device)
        runs = (case, checkout.root, checkout.python)
        if runs not in self._compiled:
            self._compiled[runs] = self._new_folder()
        engine = Engine(
            case,
            model,
            self._new_folder(),
            device,
            threads=threads,
            compiled=self._compiled[runs],
            checkout=checkout,
        )
        self._engines.append(engine)
        return engine

    def room_for(self, engine: Engine) -> int:
        """Return how many engines like this one, whose model is loaded, have room; at least 1."""
        self.note_memory(engine, engine.memory())
        return max(1, min(limit.room_for(engine) for limit in self._limits))

    def note_memory(self, engine: Engine, peak: Memory) -> None:
        """Take note of an engine's peaks."""
        for limit in self._limits:
            limit.note(engine, peak)

    def end_case(self, case: Case) -> None:
        """Close all engines of a case, and forget them."""
        self._end([engine for engine in self._engines if engine.case == case])

    def close(self) -> None:
        """Close all engines; none can be made any more."""
        self._closed = True
        self._end(self._engines.copy())

    def _end(self, engines: list[Engine]) -> None:
        """Close some engines, even if closing one fails or is interrupted; and forget them."""
        with ExitStack() as stack:
            for engine in engines:
                stack.callback(engine.close)
        self._engines = [engine for engine in self._engines if engine not in engines]

    def _make_room(self, case: Case, model: VerifiedModel, device: Device) -> None:
        """Close the oldest engines until the others and a new one fit into the limits."""
        for engine in self._engines:
            # Before the load is done, the peak says little of what the engine will take.
            if engine.loaded:
                with suppress(EngineError):  # It was closed or has failed, and takes nothing.
                    self.note_memory(engine, engine.memory())
        live = [engine for engine in self._engines if not engine.closed]
        new = _NewEngine(case, model, device)
        while live and any(limit.is_exceeded(live, new) for limit in self._limits):
            live.pop(0).close()


class _NewEngine(NamedTuple):
    """What is known of an engine before it is made."""

    case: Case
    model: VerifiedModel
    device: Device


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit on one kind of memory, in bytes, and the peaks of engines in it."""

    most: int
    of_library: int
    """An estimate of what a library takes of it without its model."""

    accelerator: bool = False
    """Whether it is a GPU's own memory, which only engines on a GPU take."""

    measured: dict[Engine, int] = field(default_factory=dict)
    largest: dict[Case, int] = field(default_factory=dict)

    def note(self, engine: Engine, peak: Memory) -> None:
        """Take note of an engine's peak, if it is known."""
        taken = peak.accelerator if self.accelerator else peak.footprint
        if taken is not None and self._counts(engine):
            self.measured[engine] = max(taken, self.measured.get(engine, 0))
            self.largest[engine.case] = max(taken, self.largest.get(engine.case, 0))

    def room_for(self, engine: Engine) -> int:
        """Return how many engines like this one fit into the limit; any number if not known."""
        taken = self.largest.get(engine.case, 0) if self._counts(engine) else 0
        return self.most // taken if taken else sys.maxsize

    def is_exceeded(self, live: Sequence[Engine], new: _NewEngine) -> bool:
        """Tell whether a new engine does not fit into the limit beside the live ones."""
        if not self._counts(new):
            return False
        return self._expected(new) + sum(map(self._taken, live)) > self.most

    def _taken(self, engine: Engine) -> int:
        """Return the bytes that a live engine takes, as measured or as expected."""
        measured = self.measured.get(engine)
        return self._expected(engine) if measured is None else measured

    def _expected(self, engine: Engine | _NewEngine) -> int:
        """Return the bytes to expect of an engine whose peak is not known yet."""
        estimate = self.of_library + BYTES_PER_MODEL_BYTE * engine.model.size
        return self.largest.get(engine.case, estimate) if self._counts(engine) else 0

    def _counts(self, engine: Engine | _NewEngine) -> bool:
        """Tell whether an engine can take any of this memory."""
        return not self.accelerator or engine.device == "gpu"
