"""The token: sent to the hub alone, and never shown. What the environment says of the store."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import CAPTIVE_PORTAL, Fault, Hub
from tests.helpers.harm import BASE, QUANTISED, content
from tests.helpers.project import ROOT
from tests.helpers.stores import (
    fresh,
)
from whisper_speedtest.hub.model import (
    ModelError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.hub.store import Store


def test_the_token_is_never_shown(
    hub: Hub, store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in an error, a traceback with its arguments, a log, a repr or on the screen."""
    secret = f"hf_{os.getpid()}_of_somebody"  # in no line of source that a traceback shows
    caplog.set_level("DEBUG")
    hub.add(BASE.repo, content(BASE), access="private")
    hub.add(QUANTISED.repo, content(QUANTISED), access="gated")
    session = fresh(store, token=secret, timeout=0.2)
    shown = [repr(session)]

    for trouble in (None, Fault(status=503), Fault(end="reset"), CAPTIVE_PORTAL):
        if trouble:
            hub.fault(trouble)
        for files in (BASE, QUANTISED):
            with pytest.raises(ModelError) as caught:
                fresh(session).prepare(files)
            shown.append(str(caught.getrepr(style="long", funcargs=True, chain=True)))
        hub.heal()

    assert any(request.token for request in hub.requests)
    assert not [text for text in (*shown, caplog.text, *capfd.readouterr()) if secret in text]


def test_the_token_goes_to_the_hub_alone(hub: Hub, store: Store) -> None:
    """Weights come from another host, to which the hub redirects."""
    hub.add(BASE.repo, content(BASE), access="gated")

    fresh(store, token=hub.token).prepare(BASE)

    assert {(each.kind, each.token) for each in hub.requests} == {
        ("info", True),
        ("resolve", True),
        ("cdn", False),
    }


def test_environment_describes_the_store(tmp_path: Path) -> None:
    """Every variable of huggingface_hub that says where things are; and they are read late."""
    code = (
        "from whisper_speedtest.hub.store import Store; s = Store.from_environment().settings;"
        "print(s.cache, s.endpoint, s.token, s.offline, s.memory > 0, s, sep='\\n')"
    )
    variables = {
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_TOKEN": "hf_secret",
        "HF_HUB_OFFLINE": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}

    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    *said, shown = run.stdout.splitlines()
    assert said == [
        str(tmp_path / "home" / "hub"),
        "http://127.0.0.1:9",
        "hf_secret",
        "True",
        "True",
    ]
    assert "hf_secret" not in shown
