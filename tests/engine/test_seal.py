"""No library reaches the network from an engine, whichever function of Python's it uses."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.engine.seal import step_behind
from whisper_speedtest.engine.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = ("127.0.0.1", 9)

WAYS = {
    "connect": "tcp.connect(HOST)",
    "connect_ex": "tcp.connect_ex(HOST)",
    "connect of a datagram socket": "udp.connect(HOST)",
    "create_connection": "socket.create_connection(HOST)",
    "sendto": "udp.sendto(b'x', HOST)",
    "sendmsg": "udp.sendmsg([b'x'], [], 0, HOST)",
    "connect over IPv6": "socket.socket(socket.AF_INET6).connect(('::1', 9))",
    "getaddrinfo": "socket.getaddrinfo('huggingface.co', 443)",
    "gethostbyname": "socket.gethostbyname('huggingface.co')",
    "gethostbyname_ex": "socket.gethostbyname_ex('huggingface.co')",
    "gethostbyaddr": "socket.gethostbyaddr('127.0.0.1')",
    "getnameinfo": "socket.getnameinfo(HOST, 0)",
    "urllib": "urllib.request.urlopen('http://127.0.0.1:9/')",
    "http.client": "http.client.HTTPConnection(*HOST).request('GET', '/')",
    "asyncio": "asyncio.run(asyncio.open_connection(*HOST))",
}
"""A way to the network → the call."""

ASKED_FOR = {
    "getaddrinfo": "huggingface.co",
    "gethostbyname": "huggingface.co",
    "gethostbyname_ex": "huggingface.co",
    "gethostbyaddr": "127.0.0.1",
    "urllib": "127.0.0.1",
    "http.client": "127.0.0.1",
    "create_connection": "127.0.0.1",
    "asyncio": "('127.0.0.1', 9)",
    "connect over IPv6": "('::1', 9)",
}
"""A way → what the error says was asked for, where that is not the address of HOST."""

SCRIPT = f"""
import asyncio, http.client, json, socket, sys, urllib.error, urllib.request
from whisper_speedtest.engine.seal import forbid_network

HOST = {HOST!r}
tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
forbid_network()
outcomes = {{}}
for name, call in json.loads(sys.argv[1]).items():
    try:
        eval(call)
        outcomes[name] = "done"
    except urllib.error.URLError as error:
        outcomes[name] = f"{{type(error.reason).__name__}}: {{error.reason}}"
    except BaseException as error:
        outcomes[name] = f"{{type(error).__name__}}: {{error}}"
print(json.dumps(outcomes))
"""


def outcomes_of(calls: dict[str, str]) -> dict[str, str]:
    """Return what came of each call in a process that may not reach the network."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(calls)],
        env=child_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes: dict[str, str] = json.loads(ended.stdout)
    return outcomes


@pytest.fixture(name="outcomes", scope="module")
def _outcomes() -> dict[str, str]:
    """What came of each way to the network: all were tried in one sealed process."""
    return outcomes_of(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_way_to_the_network_is_refused(outcomes: dict[str, str], way: str) -> None:
    """Each way to the network raises an error in an engine, with what was asked for."""
    asked = ASKED_FOR.get(way, str(HOST))
    assert outcomes[way] == (
        f"ConnectionRefusedError: an engine is offline, and the library asked for {asked}: every "
        "file that it needs must stand in the adapter's check map"
    )


@pytest.fixture(name="listener")
def _listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The path of a socket of this machine, which somebody listens on, from the working directory.

    The whole path may be too long: macOS takes 103 bytes, of which its folder for temporary files
    has 57.
    """
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        server.listen()
        yield "s"


def test_processes_of_this_machine_can_be_talked_to(listener: str) -> None:
    """Sockets of this machine, on which multiprocessing is built, may be used in an engine.

    A server may listen too; nobody can be reached from it.
    """
    outcomes = outcomes_of(
        {
            "connect": f"socket.socket(socket.AF_UNIX).connect({listener!r})",
            "pair": "[a.sendmsg([b'x']) for a, b in [socket.socketpair()]]",
            "bind": "tcp.bind(('127.0.0.1', 0))",
            "file": f"open({__file__!r}).close()",
        }
    )

    assert outcomes == dict.fromkeys(outcomes, "done")


def lacks_a_model(cache: Path) -> Exception:
    """Return what huggingface_hub raises, without a network, of a repo that it does not have."""
    from huggingface_hub import snapshot_download

    with pytest.raises(OSError, match="online") as failure:
        snapshot_download("org/other", cache_dir=cache, local_files_only=True)
    return failure.value


def test_library_that_asks_the_hub_for_another_model_is_told_what_helps(tmp_path: Path) -> None:
    """A library that asks the hub for another model is told to mend the check map or the load."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    of_the_hub, own, quiet = lacks_a_model(tmp_path), OSError("cannot load"), ValueError("no")
    own.__cause__, quiet.__context__, quiet.__cause__ = of_the_hub, own, None
    of_itself = ValueError("its own cause")
    of_itself.__cause__ = of_itself

    steps = {step_behind(each) for each in (of_the_hub, own, quiet, OfflineModeIsEnabled("off"))}

    helps = (
        "an engine is offline, whatever HF_HUB_OFFLINE is, and the library asked for another repo, "
        "revision or file than is checked: every file that it needs must stand in the adapter's "
        "check map, and load must ask for what stands there"
    )
    assert steps == {helps}
    assert {step_behind(each) for each in (None, FileNotFoundError("no"), of_itself)} == {""}


def test_worker_tells_what_helps_after_the_error(tmp_path: Path) -> None:
    """The engine's process tells what helps in the first line of the error."""
    error = lacks_a_model(tmp_path)

    told = Worker("tests.helpers.toy_adapter:Toy").told(error)

    assert told.startswith("LocalEntryNotFoundError: Cannot find an appropriate cached snapshot")
    assert told.partition("\n")[0].endswith(f"; {step_behind(error)}")


def test_adapter_that_knows_what_helps_is_asked_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the hub lacks may only be what an error of the library led to."""
    worker = Worker("tests.helpers.toy_adapter:Toy")
    monkeypatch.setattr(worker._adapter, "advice", lambda _: "install g++")

    told = worker.told(lacks_a_model(tmp_path))

    assert told.partition("\n")[0].endswith("; install g++")
