"""Fixtures of several rooms: a loopback hub that runs on, and a client of it in another process."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import Hub
from fixtures.hub.tls import NEEDS_TRUSTME
from tests.helpers.client import FILES, LIMITS, Ask, client_of, submit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ProcessPoolExecutor
    from pathlib import Path

_numbers = itertools.count()


@pytest.fixture(scope="module")
def running_hub() -> Iterator[Hub]:
    """A hub for all tests of a module."""
    with Hub() as hub:
        yield hub


@pytest.fixture
def hub(running_hub: Hub) -> Iterator[Hub]:
    """The module's hub, without faults and with an empty log."""
    running_hub.clear()
    yield running_hub
    running_hub.heal()


@pytest.fixture(scope="module")
def client(
    running_hub: Hub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProcessPoolExecutor]:
    """A client of the module's hub."""
    env = running_hub.env(home=tmp_path_factory.mktemp("home")) | LIMITS
    with client_of(env) as process:
        yield process


@pytest.fixture
def ask(client: ProcessPoolExecutor) -> Ask:
    """A function that makes a call in the client's process."""
    return lambda call, *args, **options: submit(client, call, *args, **options).result(timeout=30)


@pytest.fixture
def repo(hub: Hub) -> str:
    """The id of a new repo on the hub, which has FILES."""
    repo = f"org/model-{next(_numbers)}"
    hub.add(repo, FILES)
    return repo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "model"


@pytest.fixture(scope="module")
def trustme() -> None:
    """Skips what needs a certificate where none can be made."""
    pytest.importorskip("trustme", reason=NEEDS_TRUSTME)


@pytest.fixture(scope="module")
def running_proxy(trustme: None) -> Iterator[Hub]:  # noqa: ARG001
    """A hub that intercepts HTTPS, for all tests of a module."""
    with Hub(https=True) as hub:
        yield hub


@pytest.fixture
def proxy(running_proxy: Hub) -> Iterator[Hub]:
    """The module's intercepting hub, without faults, with an empty log and FILES as org/model."""
    running_proxy.clear()
    running_proxy.add("org/model", FILES)
    yield running_proxy
    running_proxy.heal()


@pytest.fixture(scope="module")
def intercepted(
    running_proxy: Hub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProcessPoolExecutor]:
    """A client whose https requests are intercepted."""
    env = running_proxy.env(home=tmp_path_factory.mktemp("home")) | LIMITS
    with client_of(env) as process:
        yield process


@pytest.fixture
def ask_out(intercepted: ProcessPoolExecutor) -> Ask:
    """A function that makes a call in the process whose https requests are intercepted."""
    return lambda call, *args, **options: submit(intercepted, call, *args, **options).result(
        timeout=30
    )
