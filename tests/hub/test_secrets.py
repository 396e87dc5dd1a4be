"""The token: sent to the hub alone, and never shown. What the environment says of the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import CAPTIVE_PORTAL, Fault, Hub
from tests.helpers.harm import BASE, QUANTISED, content
from tests.helpers.project import ROOT, child_environment
from tests.helpers.stores import NOWHERE, fresh, refusal
from whisper_speedtest.cache.model import ModelError
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.tries import Retry

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.hub.store import Store


def test_the_token_is_never_shown(
    hub: Hub, store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The token is never shown: not in errors, tracebacks, logs, reprs or on the screen."""
    secret = f"hf_{os.getpid()}_of_somebody"  # in no line of source that a traceback shows
    caplog.set_level("DEBUG")
    hub.add(BASE.repo, content(BASE), access="private")
    hub.add(QUANTISED.repo, content(QUANTISED), access="gated")
    session = fresh(store, token=secret, timeout=0.2)
    shown = [repr(session), repr(session.settings)]

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
    """The token is sent to the hub, and not to the host that it redirects to for the weights."""
    hub.add(BASE.repo, content(BASE), access="gated")

    fresh(store, token=hub.token).prepare(BASE)

    assert {(each.kind, each.token) for each in hub.requests} == {
        ("info", True),
        ("resolve", True),
        ("cdn", False),
    }


def test_no_token_is_sent_where_the_settings_have_none(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No token is sent where the settings have none, even if the environment has one."""
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")

    store.prepare(BASE)

    assert {request.token for request in hub.requests} == {False}


def test_token_is_left_out_of_a_reason_that_models_share(store: Store) -> None:
    """The token is left out of an error's message and of the cause that models share."""
    secret = f"hf_{os.getpid()}_of_somebody"
    session = fresh(store, token=secret, endpoint=f"{NOWHERE}/{secret}")

    errors = [refusal(session, files) for files in (BASE, QUANTISED)]

    for error in errors:
        assert f"cannot reach {NOWHERE}/(token) (" in error.cause
        assert f"cannot reach {NOWHERE}/(token) (" in str(error)
        assert secret not in error.cause + str(error)
    assert errors[0].cause.partition(";")[0] == errors[1].cause.partition(";")[0]


# What the environment says of the store

PRINT = """
import json, sys, psutil
from whisper_speedtest.hub.store import Store
s = Store.from_environment(offline="offline" in sys.argv).settings
assert s.memory == psutil.virtual_memory().total
print(json.dumps([str(s.cache), s.endpoint, s.token, s.offline, s.timeout]))
print(s)
"""
HUB = {"HF_HOME": "/the/home", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "hf_secret"}


def test_settings_that_nobody_gives_are_those_of_a_patient_session(tmp_path: Path) -> None:
    """The default settings are eight workers, ten seconds without a byte, and online."""
    settings = HubSettings(tmp_path, "http://127.0.0.1:9")

    assert (settings.workers, settings.timeout, settings.offline) == (8, 10, False)
    assert (settings.token, settings.memory, settings.retry) == (None, None, Retry())


@pytest.mark.parametrize(
    ("variables", "option", "expected"),
    [
        ({}, "", ["/the/home/hub", "http://127.0.0.1:9", "hf_secret", False, 10]),
        ({"HF_HUB_OFFLINE": "1"}, "", [..., ..., None, True, ...]),
        ({}, "offline", [..., ..., None, True, ...]),
        (
            {"HF_HUB_CACHE": "/a/cache", "HF_HUB_DOWNLOAD_TIMEOUT": "3"},
            "",
            ["/a/cache", ..., ..., False, 3],
        ),
        ({"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, "", [..., ..., None, ..., ...]),
    ],
    ids=["home", "offline", "option", "cache", "no-token"],
)
def test_environment_describes_the_store(
    variables: dict[str, str], option: str, expected: list[object]
) -> None:
    """huggingface_hub's own variables set cache, endpoint, token, offline mode and time limit."""
    run = subprocess.run(
        [sys.executable, "-c", PRINT, option],
        env=child_environment(**HUB, **variables, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=True,
    )

    said, shown = run.stdout.splitlines()
    for got, value in zip(json.loads(said), expected, strict=True):
        assert value is ... or got == value
    assert "hf_secret" not in shown
