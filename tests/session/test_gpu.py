"""Whether a GPU is there for a library to find."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from whisper_speedtest.session import gpu

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_gpu_is_looked_for_without_asking_a_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A GPU is found by a driver's file on Linux, and every Mac has one."""
    monkeypatch.setattr(gpu, "GPU_DEVICES", (str(tmp_path / "a"), str(tmp_path / "b")))
    monkeypatch.setattr(sys, "platform", "linux")

    assert not gpu.may_have_gpu()
    (tmp_path / "b").touch()
    assert gpu.may_have_gpu()
    (tmp_path / "b").unlink()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert gpu.may_have_gpu()


def test_no_gpu_is_a_machine_without_any_graphics_card(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine has no GPU only if it has no graphics card of any maker."""
    monkeypatch.setattr(gpu, "GRAPHICS", str(tmp_path / "dri"))
    for has_gpu, card in ((False, False), (False, True), (True, False)):
        monkeypatch.setattr(gpu, "may_have_gpu", lambda has_gpu=has_gpu: has_gpu)
        if card:
            (tmp_path / "dri").mkdir()
        assert gpu.has_no_gpu() == (not has_gpu and not card)
        if card:
            (tmp_path / "dri").rmdir()


def test_files_by_which_a_gpu_is_seen_are_those_of_each_kind_of_driver() -> None:
    """A GPU is found by the files of NVIDIA's and AMD's drivers, and of Windows's Linux."""
    assert set(gpu.GPU_DEVICES) == {"/dev/nvidiactl", "/dev/kfd", "/dev/dxg"}
