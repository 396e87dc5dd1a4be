"""How many threads libraries are asked to use: that of the fast cores, and four at most."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import pytest

from adapters import cores


def processors(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this a Linux machine on which so many processors may be used."""
    monkeypatch.setattr(sys, "platform", "linux")

    def allowed(process: int) -> set[int]:
        assert process == 0, "expected to be asked about this process"
        return set(range(number))

    monkeypatch.setattr(os, "sched_getaffinity", allowed, raising=False)


@pytest.mark.parametrize(("number", "threads"), [(1, 1), (3, 3), (4, 4), (5, 4), (64, 4)])
def test_threads_on_equal_terms_are_four_at_most(
    number: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads on equal terms are as many as the cores, and four at most."""
    processors(number, monkeypatch)

    assert cores.fast_cores() == number
    assert cores.usual_threads() == threads


class System:
    """A double of the C library of a Mac with these values, by their names."""

    def __init__(self, **values: int) -> None:
        self._values = values

    def sysctlbyname(self, name: bytes, value: Any, size: Any, *new: Any) -> int:
        """Write a value that is known; it is a 32-bit integer, and nothing is set."""
        assert (size._obj.value, new) == (4, (None, 0))
        known = self._values.get(name.decode().replace(".", "_"))
        if known is None:
            return -1
        value._obj.value = known
        return 0


def test_performance_cores_alone_are_counted_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac, the performance cores alone are counted."""
    system = System(hw_perflevel0_physicalcpu=6, hw_perflevel1_physicalcpu=2, hw_physicalcpu=8)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: system)

    assert cores.fast_cores() == 6
    assert cores.usual_threads() == 4


def test_mac_that_tells_of_no_kinds_of_cores_has_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac that tells of no kinds of cores has one kind."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: System(hw_physicalcpu=3))

    assert cores.fast_cores() == 3


def test_mac_that_tells_of_no_cores_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac that tells of no cores is an error."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: System())

    with pytest.raises(OSError, match=r"sysctl knows no hw\.physicalcpu; is this a Mac\?"):
        cores.fast_cores()
