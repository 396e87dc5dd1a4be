"""Which device a library computes on is chosen once, told, and never quietly another."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from adapters.base import Case
from whisper_speedtest.hub.model import VerifiedModel
from whisper_speedtest.session.device import choose_device

if TYPE_CHECKING:
    from pathlib import Path

MODEL = VerifiedModel("embedded/toy", "main", "0" * 40, {})


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_mac_without_a_gpu_is_measured_on_the_cpu_with_a_warning(
    platform: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A Mac's GPU that does not work is a warning, not an error; elsewhere none is expected."""
    case = Case(f"toy-on-{platform}", "micro", "good")
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(
        "whisper_speedtest.engine.process.probe_gpu", lambda *_: "toy: no Metal device"
    )

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        device = choose_device(pytestconfig, case, MODEL, tmp_path)

    assert device == "cpu"
    expected = ["measuring on the CPU, not the GPU: toy: no Metal device"]
    assert [str(warning.message) for warning in told] == (expected if platform == "darwin" else [])


def test_gpu_that_works_is_chosen(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With nothing against it, the GPU is what is measured."""
    monkeypatch.setattr("whisper_speedtest.engine.process.probe_gpu", lambda *_: None)

    assert choose_device(pytestconfig, Case("toy-gpu", "micro", "good"), MODEL, tmp_path) == "gpu"
