"""The store through any sequence of fetches, troubles, harm and kills."""

from __future__ import annotations

import pytest

from tests.helpers.web_server import WebServer


@pytest.mark.property
@pytest.mark.usefixtures("loopback")
def test_any_sequence_of_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's invariants hold through any sequence of sessions."""
    from huggingface_hub import close_session
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.hub.any_sessions import URL_BODIES, Sessions

    with WebServer() as server:
        for body in URL_BODIES:
            server.add("weights.npz", body)
        monkeypatch.setattr(Sessions, "server", server, raising=False)
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, server.endpoint)
        close_session()
        run_state_machine_as_test(
            Sessions,
            settings=settings(
                max_examples=24,
                stateful_step_count=20,
                derandomize=True,
                database=None,
                deadline=None,
                # To see a shorter sequence, add Phase.shrink, which takes minutes.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
