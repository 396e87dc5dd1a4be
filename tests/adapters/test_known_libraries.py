"""What is known of the libraries that the suite has always had; a new one need not stand here.

These facts decide on what is measured and recorded, so that none may change unnoticed. That they
are true is seen where the libraries run: in test_libraries.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from adapters import REGISTRY, adapter_class
from adapters.base import Traits
from adapters.cores import fast_cores

TRAITS = {
    # table, batches, cuts, timestamps, converts, shows
    "lightning-whisper-mlx": (True, True, "always", False, False, True),
    "mlx-whisper": (False, False, "never", True, False, True),
    "faster-whisper": (True, True, "in batches", True, True, False),
    "whisper.cpp": (True, False, "never", True, False, False),
    "openai-whisper": (True, False, "never", True, False, True),
    "transformers": (False, True, "always", True, False, True),
}
TUNED: dict[str, dict[str, Any]] = {
    "lightning-whisper-mlx": {"batch_size": 12},
    "mlx-whisper": {"fallback": True, "context": True},
    "faster-whisper": {"batch_size": 8, "vad": True},
    "whisper.cpp": {"threads": fast_cores()},
    "openai-whisper": {"fallback": True, "context": True},
    "transformers": {"batch_size": 24},
}
IGNORED: dict[str, dict[str, Any]] = {
    "lightning-whisper-mlx": {
        "beam_size": 1,
        "temperature": 0.0,
        "fallback": True,
        "timestamps": True,
        "context": True,
        "vad": False,
        "threads": None,
    },
    "mlx-whisper": {"beam_size": 1, "vad": False, "batch_size": 1, "threads": None},
    "faster-whisper": {},
    "whisper.cpp": {"beam_size": 1, "vad": False, "batch_size": 1},
    "openai-whisper": {"vad": False, "batch_size": 1},
    "transformers": {"fallback": False, "context": False, "vad": False},
}
OWN_PACKAGE = {"whisper.cpp": "pywhispercpp"}
"""adapter → the distribution of its library, where the two have different names."""


@pytest.mark.parametrize("name", TRAITS)
def test_traits_of_a_library(name: str) -> None:
    """The traits of each known library are as written down here, as results depend on them."""
    table, batches, cuts, timestamps, converts, shows = TRAITS[name]

    assert adapter_class(name).traits == Traits(
        has_model_table=table,
        batches=batches,
        cuts=cuts,  # type: ignore[arg-type]  # one of the words
        timestamps=timestamps,
        converts=converts,
        shows_weights=shows,
    )


@pytest.mark.parametrize("name", TRAITS)
def test_settings_of_a_library(name: str) -> None:
    """The tuned and the ignored settings of each known library are as written down here."""
    adapter = adapter_class(name)

    assert adapter.tuned == TUNED[name]
    assert adapter.ignored_settings == IGNORED[name]


@pytest.mark.parametrize("name", TRAITS)
def test_first_package_is_the_librarys_own(name: str) -> None:
    """The first of a library's packages is its own."""
    assert adapter_class(name).packages[0] == OWN_PACKAGE.get(name, name)


@pytest.mark.parametrize("name", TRAITS)
def test_framework_is_among_the_packages(name: str) -> None:
    """A library's framework is among the packages whose versions are recorded."""
    frameworks = {"mlx": "mlx", "faster": "ctranslate2", "openai": "torch", "transformers": "torch"}

    expected = {package for part, package in frameworks.items() if part in name}
    assert expected <= set(adapter_class(name).packages)


def test_libraries_are_in_their_order() -> None:
    """The libraries are in the order in which tests run and tables are read."""
    assert list(REGISTRY)[:6] == list(TRAITS)
