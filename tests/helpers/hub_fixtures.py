"""Fixtures of several rooms: a loopback hub, a web server, and stores that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.hub import Hub
from tests.helpers.harm import BASE, QUANTISED, content
from tests.helpers.stores import FAST, NOWHERE
from tests.helpers.web_server import WebServer
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests to this machine go out, whatever the shell says of proxies or of being offline."""
    from huggingface_hub import close_session, constants

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    yield
    close_session()


@pytest.fixture
def hub(loopback: None) -> Iterator[Hub]:  # noqa: ARG001 - what it is for has no value
    """A hub that serves two variants of one size."""
    with Hub() as hub:
        hub.add(BASE.repo, content(BASE))
        hub.add(QUANTISED.repo, content(QUANTISED))
        yield hub


@pytest.fixture
def store(hub: Hub, tmp_path: Path) -> Store:
    """A store with an empty cache, whose hub is the loopback hub."""
    return Store(HubSettings(tmp_path / "cache", hub.endpoint, retry=FAST, timeout=5))


@pytest.fixture
def server(loopback: None) -> Iterator[WebServer]:  # noqa: ARG001 - what it is for has no value
    """A web server that serves nothing yet."""
    with WebServer() as server:
        yield server


@pytest.fixture
def hubless_store(loopback: None, tmp_path: Path) -> Store:  # noqa: ARG001 - as above
    """A store with an empty cache, at whose hub's address nothing listens."""
    return Store(HubSettings(tmp_path / "cache", NOWHERE, retry=FAST, timeout=5))
