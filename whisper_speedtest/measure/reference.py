"""References: fixed computations, timed between the cases, that show if the machine slows down.

The work is the same each time, so its time depends only on the machine: on heat, frequency, or
another guest on the same host. numpy computes the processor's reference; an engine computes the
GPU's, with the framework of its library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.clock import seconds_of

if TYPE_CHECKING:
    from whisper_speedtest.engine.process import Engine

ROUNDS = 32
"""How often the work is repeated in one try; each round takes a current core about 1 ms."""

TRIES = 5
"""How many tries there are. The fastest counts: chance can make a try slow, but never fast."""

GPU_CALL = 0.05
"""The fewest seconds for which products on a GPU are timed together."""

GPU_SECONDS = 0.25
"""The fewest seconds for which the GPU's reference is computed."""

GPU_LIMIT = 60.0
"""The most seconds for which it is computed. A GPU that takes longer hangs."""


def reference() -> float:
    """Return the seconds of the processor's reference, which runs on one core.

    It transforms 64 signals of 4,096 samples to their spectra and back.

    Raises:
        ArithmeticError: The signals have changed, so this machine's computations are wrong.
    """
    import numpy as np

    signals = np.sin(np.arange(64 * 4096) ** 1.5).reshape(64, 4096)
    # Each round writes into the same memory: with new memory each time, the first readings of a
    # process took a tenth longer than those after them.
    computed = signals.copy()
    spectra = np.fft.rfft(signals)

    def compute() -> None:
        computed[:] = signals
        for _ in range(ROUNDS):
            np.fft.rfft(computed, out=spectra)
            np.fft.irfft(spectra, n=signals.shape[1], out=computed)

    seconds = min(seconds_of(compute) for _ in range(TRIES))
    error = float(np.abs(computed - signals).max())
    if not error < 1e-9:
        raise ArithmeticError(
            f"reference computation: expected the same signals, got ones that differ by {error:g}; "
            "run it again, and test the machine's memory if that persists"
        )
    return seconds


class GpuReference:
    """The GPU's reference: products of matrices, made by an engine whose library is imported.

    So many products are timed together that they take GPU_CALL seconds: with fewer, the call would
    be timed and not the GPU.
    """

    def __init__(self, engine: Engine) -> None:
        """Find out how many products take GPU_CALL seconds; raise the same errors as `seconds`."""
        self._engine = engine
        self._products = 1
        with engine.limited(GPU_LIMIT):
            self._compute()
            while seconds_of(self._compute) < GPU_CALL:
                self._products *= 2

    def seconds(self) -> float:
        """Return the seconds that one product takes.

        There are at least TRIES tries, over GPU_SECONDS at least, as a GPU that was idle is slow at
        first. The fastest counts.

        Raises:
            EngineError: A call failed.
            ArithmeticError: A result was wrong, so this GPU's computations cannot be trusted.
        """
        tries: list[float] = []
        with self._engine.limited(GPU_LIMIT):
            while len(tries) < TRIES or sum(tries) < GPU_SECONDS:
                tries.append(seconds_of(self._compute))
        return min(tries) / self._products

    def _compute(self) -> None:
        """Compute the products once; raise ArithmeticError if they are wrong."""
        if (got := self._engine.reference(self._products)) != 1:
            raise ArithmeticError(
                f"{self._engine.label}: expected 1 as the reference's result on the "
                f"{self._engine.device}, got {got:g}; run it again, and distrust this device if "
                "that persists"
            )
