"""A fixed computation that is timed between the cases: whether the machine is as fast as before.

It is the same work each time, so that whatever its time tells is of the machine: heat, another
frequency, a guest beside it on the same host. The processor's is a computation of numpy's. The
GPU's is made by an engine, with what the library computes with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.clock import seconds_of

if TYPE_CHECKING:
    from whisper_speedtest.engine.process import Engine

ROUNDS = 32
"""Of the computation; a current core takes about 1 ms for each."""

TRIES = 5
"""Odd ones are slow for reasons of a moment, and none is quick for any: the quickest counts."""

GPU_CALL = 0.05
"""How many seconds the products that are timed together take on a GPU, at least."""

GPU_SECONDS = 0.25
"""For how long, at least, the GPU's reference is computed each time."""

GPU_LIMIT = 60.0
"""How many seconds that may take; a GPU that has not answered by then hangs."""


def reference() -> float:
    """Return the seconds that the computation takes on one core, of which numpy uses no more here.

    It takes 64 signals of 4,096 samples to their spectra and back, which gives the same signals.

    Raises:
        ArithmeticError: It did not: then this machine computes nothing that could be trusted.
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
    """Products of matrices on a GPU, made by an engine whose library has been imported.

    How many are made at a time is found out at first, as fast GPUs make hundreds while slow ones
    make ten: with few of them, the call would be timed and not the GPU.
    """

    def __init__(self, engine: Engine) -> None:
        """Find out how many products take GPU_CALL seconds; raises what `seconds` does."""
        self._engine = engine
        self._products = 1
        with engine.limited(GPU_LIMIT):
            self._compute()
            while seconds_of(self._compute) < GPU_CALL:
                self._products *= 2

    def seconds(self) -> float:
        """Return the seconds that one product takes.

        They are made at least TRIES times and for GPU_SECONDS, as a GPU that has been idle takes a
        moment until it is fast; the quickest time counts.

        Raises:
            EngineError: A call failed.
            ArithmeticError: A result was wrong: this GPU computes nothing that could be trusted.
        """
        tries: list[float] = []
        with self._engine.limited(GPU_LIMIT):
            while len(tries) < TRIES or sum(tries) < GPU_SECONDS:
                tries.append(seconds_of(self._compute))
        return min(tries) / self._products

    def _compute(self) -> None:
        if (got := self._engine.reference(self._products)) != 1:
            raise ArithmeticError(
                f"{self._engine.label}: expected 1 as the reference's result on the "
                f"{self._engine.device}, got {got:g}; run it again, and distrust this device if "
                "that persists"
            )
