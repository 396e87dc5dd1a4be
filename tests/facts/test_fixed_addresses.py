"""Libraries with addresses of their own: where they look, whatever HF_ENDPOINT says."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.client import WEIGHTS

if TYPE_CHECKING:
    from fixtures.hub import Hub
    from tests.helpers.client import Ask


def _fetch_ggml(folder: str) -> bytes:
    library = import_module("pywhispercpp.utils")
    return Path(library.download_model("tiny", folder)).read_bytes()


def _fetch_pt(folder: str) -> str:
    library = import_module("whisper")
    return str(library.load_model("tiny", download_root=folder))


def test_pywhispercpp_is_seen_on_the_wire(proxy: Hub, ask_out: Ask, folder: Path) -> None:
    """The download of pywhispercpp names huggingface.co itself, and comes to the loopback hub."""
    pytest.importorskip("pywhispercpp")
    proxy.add("ggerganov/whisper.cpp", {"ggml-tiny.bin": WEIGHTS})

    assert ask_out(_fetch_ggml, str(folder)).value == WEIGHTS
    assert proxy.downloads(found=True) == {("ggerganov/whisper.cpp", "main", "ggml-tiny.bin")}


@pytest.mark.torch
def test_openai_whisper_is_seen_on_the_wire(proxy: Hub, ask_out: Ask, folder: Path) -> None:
    """openai-whisper's download has one address, and its checksum refuses other bytes."""
    pytest.importorskip("whisper")
    url = (
        "https://openaipublic.azureedge.net/main/whisper/models/"
        "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9/tiny.pt"
    )
    proxy.add_url(url, WEIGHTS)

    assert ask_out(_fetch_pt, str(folder)).error == "RuntimeError"  # the checksum does not match
    assert proxy.urls(found=True) == {url}
    assert (folder / "tiny.pt").read_bytes() == WEIGHTS
