"""What the spies tell: everything that an adapter hands on, and what whole transcriptions were."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from adapters import REGISTRY, load_adapter
from adapters.base import DecodeSettings
from tests.helpers.spies import LISTENERS, handed_on, together

EQUAL = DecodeSettings()
SAMPLES: Any = range(16_000)


def adapter_of(name: str) -> Any:
    """Return an instance of a registered adapter."""
    return load_adapter(REGISTRY[name])()


class Model:
    """A library's model: its calls go on to calls of its own, which nobody hands anything."""

    def __init__(self) -> None:
        self.batch_size = 1
        self.weights = [0.5]

    def transcribe(self, audio: Any, language: str = "", **options: Any) -> Any:
        """Hear nothing."""
        return self._decode(len(audio), f"{language} {options}")

    def _decode(self, length: int, told: str) -> Any:
        assert (length, bool(told)) == (16_000, True)
        return {"text": "", "segments": []} if "segments" not in told else None


def test_arguments_of_a_call_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments of an adapter's call are noted by name, and so are attributes of objects."""
    adapter = adapter_of("lightning-whisper-mlx")
    adapter._model = Model()
    seeds: list[int] = []
    core = SimpleNamespace(random=SimpleNamespace(seed=seeds.append))
    for name, double in {"mlx": SimpleNamespace(core=core), "mlx.core": core}.items():
        monkeypatch.setitem(sys.modules, name, double)

    told = handed_on(lambda: adapter.transcribe(SAMPLES, replace(EQUAL, batch_size=6)))

    assert told == {"1 transcribe.self.batch_size": 6, "1 transcribe.language": "en"}


def test_containers_are_told_by_position_and_name() -> None:
    """Arguments in containers are noted by their position and name."""
    adapter = adapter_of("faster-whisper")

    def transcribe(audio: Any, **options: Any) -> Any:  # noqa: ARG001
        return iter(()), None

    adapter._model = SimpleNamespace(transcribe=transcribe)

    told = handed_on(lambda: adapter.transcribe(SAMPLES, replace(EQUAL, fallback=True)))

    assert told["1 transcribe.options.temperature.0"] == 0.0
    assert told["1 transcribe.options.temperature.5"] == 1.0
    assert told["1 transcribe.options.vad_filter"] is False


def test_failure_of_the_adapter_goes_on() -> None:
    """A failure of the adapter under a spy is raised, and nothing is recorded any more."""
    adapter = adapter_of("faster-whisper")

    with pytest.raises(AttributeError):
        handed_on(lambda: adapter.transcribe(SAMPLES, EQUAL))

    assert sys.getprofile() is None


@pytest.mark.parametrize("name", REGISTRY)
def test_every_adapter_has_a_spy(name: str) -> None:
    """Every adapter has a spy, which is that adapter with the library's listener before it."""
    spy = load_adapter(f"tests.helpers.spies:{name}")

    assert issubclass(spy, load_adapter(REGISTRY[name]))
    assert name not in LISTENERS or spy.__mro__[2] is LISTENERS[name]


def test_calls_are_told_together() -> None:
    """The calls of one transcription count together: a second temperature is a fallback."""
    call = {"language": "en", "temperature": 0.0, "context": False, "batch_size": 1}

    assert together([call]) == {**call, "fallback": False}
    assert together(
        [
            {**call, "temperature": 0.2, "batch_size": 3},
            {**call, "context": True},
            {**call, "language": "de"},
        ]
    ) == {
        "language": "de",
        "temperature": 0.0,
        "fallback": True,
        "context": True,
        "batch_size": 3,
    }
