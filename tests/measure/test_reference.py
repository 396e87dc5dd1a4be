"""The reference computation: the same work each time, and what its times say of the machine."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from whisper_speedtest.measure import reference as reference_module
from whisper_speedtest.measure.reference import TRIES, GpuReference, reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


def test_quickest_of_some_tries_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is the time of the quickest of five tries."""
    times = iter([5.0, 9.0, 2.0, 8.0, 7.0])

    def seconds_of(step: Callable[[], object]) -> float:
        step()
        return next(times)

    monkeypatch.setattr(reference_module, "seconds_of", seconds_of)

    assert reference() == 2.0
    assert TRIES == 5


def test_work_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every try of the reference computes the same 32 rounds on the same signals.

    The signals are the same in every version of the suite, so that readings can be compared.
    """
    begun: list[tuple[float, ...]] = []
    transform = np.fft.rfft

    def count(signals: Any, out: Any = None) -> Any:
        assert signals.shape == (64, 4096)
        if out is not None:  # else the memory is made into which all rounds write
            begun.append((signals[0, 1], signals[0, 2], signals[1, 0]))
        return transform(signals, out=out)

    monkeypatch.setattr(np.fft, "rfft", count)
    reference()

    expected = (math.sin(1), math.sin(2**1.5), math.sin(4096**1.5))
    assert len(begun) == 32 * TRIES
    assert begun[::32] == [pytest.approx(expected)] * TRIES


def spoil(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Let each transform back come out this many times too large."""
    back = np.fft.irfft

    def wrong(spectra: Any, n: int, out: Any) -> None:
        back(spectra, n=n, out=out)
        out *= factor

    monkeypatch.setattr(np.fft, "irfft", wrong)


def test_wrong_result_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that computes a wrong result is an error."""
    spoil(monkeypatch, 1 + 1e-8)

    with pytest.raises(ArithmeticError, match="expected the same signals, got ones that differ by"):
        reference()


def test_result_that_is_no_number_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference whose result is not a number is an error."""
    spoil(monkeypatch, math.nan)

    with pytest.raises(ArithmeticError, match="differ by nan"):
        reference()


def test_reference_runs_on_one_core() -> None:
    """The reference takes hardly more CPU time than wall time, as it runs on one core."""
    begin, spent = time.perf_counter(), time.process_time()
    seconds = reference()
    spent, took = time.process_time() - spent, time.perf_counter() - begin

    assert spent <= 1.1 * took, f"{spent:.3f} CPU seconds in {took:.3f} s"
    assert 0 < seconds <= took / TRIES, f"the quickest of {TRIES} tries: {seconds} of {took} s"


class GpuEngine:
    """An engine in which a product takes these seconds, one call after another; the last stays."""

    label, device = "toy[micro-good]", "gpu"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *times: float) -> None:
        self.calls: list[int] = []
        self.limits: list[float] = []
        self.result = 1.0
        self.times = list(times)
        monkeypatch.setattr(reference_module, "seconds_of", self._seconds_of)

    def limited(self, seconds: float) -> AbstractContextManager[None]:
        """Note the limit."""
        self.limits.append(seconds)
        return nullcontext()

    def reference(self, products: int) -> float:
        """Return the result."""
        self.calls.append(products)
        return self.result

    def _seconds_of(self, step: Callable[[], object]) -> float:
        step()
        each = self.times.pop(0) if len(self.times) > 1 else self.times[0]
        return each * self.calls[-1]


@pytest.mark.parametrize(
    ("seconds", "products"),
    [(0.3, 1), (0.05, 1), (0.049, 2), (0.0125, 4), (0.0001, 512)],
)
def test_gpu_makes_as_many_products_as_take_a_twentieth_of_a_second(
    monkeypatch: pytest.MonkeyPatch, seconds: float, products: int
) -> None:
    """A GPU's reference makes as many products as take 0.05 s: a power of two, and one at least."""
    engine: Any = GpuEngine(monkeypatch, seconds)

    GpuReference(engine)

    doubled = [2**power for power in range(products.bit_length())]
    assert engine.calls == [1, *doubled]
    assert engine.limits == [60]


@pytest.mark.parametrize(
    ("times", "quickest"),
    [
        ([5.0, 9.0, 2.0, 8.0, 7.0, 1.0], 2.0),
        ([0.06, 0.05, 0.05, 0.05, 0.03, 0.02, 0.01], 0.02),
        ([0.25, 0.02, 0.02, 0.02, 0.01, 0.001], 0.01),
    ],
)
def test_reference_on_the_gpu_is_the_quickest_of_some_tries(
    monkeypatch: pytest.MonkeyPatch, times: list[float], quickest: float
) -> None:
    """A GPU's reference is the quickest of at least five tries that take 0.25 s or more in all."""
    engine: Any = GpuEngine(monkeypatch, 0.0125)
    reference = GpuReference(engine)
    assert engine.calls.pop() == 4
    engine.calls.clear()
    engine.times = [each / 4 for each in times]

    assert reference.seconds() == pytest.approx(quickest / 4)
    assert engine.calls == [4] * (len(times) - 1)
    assert engine.limits == [60, 60]


def test_wrong_result_of_a_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong result of a GPU's reference is an error, at first and at any time later."""
    engine: Any = GpuEngine(monkeypatch, 1.0)
    reference = GpuReference(engine)
    engine.result = 1.5
    told = r"toy\[micro-good\]: expected 1 as the reference's result on the gpu, got 1.5; run it"

    with pytest.raises(ArithmeticError, match=told):
        reference.seconds()
    with pytest.raises(ArithmeticError, match=told):
        GpuReference(engine)
