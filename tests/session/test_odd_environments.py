"""Whole sessions in environments that huggingface_hub or httpx stumble over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fixtures.hub import Hub
    from tests.helpers.sessions import Sessions

SELECTED = "toy-micro-good-short or lightning-whisper-mlx-tiny-fp16-short"
MEASURED = {"test_transcribe[toy-micro-good-short]"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "cannot make a request to"),
        ({"SSL_CERT_FILE": "/nowhere/at/all.pem"}, "cannot make a request to"),
        ({"HF_HUB_DOWNLOAD_TIMEOUT": "abc"}, "cannot use huggingface_hub (ValueError"),
        ({"HF_ENDPOINT": "hub.example"}, "expected HF_ENDPOINT to be a hub's address"),
        (
            {"HF_TOKEN": "hf_\u201cquoted\u201d"},
            "no token was sent, since character 4 of it is U+201C",
        ),
    ],
    ids=["socks", "certificate", "word-for-a-number", "no-scheme", "curly-quote"],
)
def test_environment_costs_no_model_that_needs_no_hub(
    hub: Hub, sessions: Sessions, variables: dict[str, str], says: str
) -> None:
    """The others are left out, or fail, with the reason; what can be measured is."""
    given = {
        "HF_HUB_OFFLINE": "0",
        **hub.env(home=sessions.folder / "home"),
        "NO_PROXY": "" if "ALL_PROXY" in variables else "127.0.0.1",
        **variables,
    }

    session = sessions.run("benchmarks/test_transcribe.py", "-k", SELECTED, **given)

    assert "INTERNALERROR" not in session.output
    assert session.status in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}, session.output
    assert session.saved_names == MEASURED
    assert says in session.output


def test_check_of_models_says_what_keeps_it_from_the_cache(sessions: Sessions) -> None:
    """As a wrong option does: nothing can be told of any model."""
    variables = {"HF_HUB_DOWNLOAD_TIMEOUT": "abc"}

    session = sessions.run("benchmarks", "-k", SELECTED, "--check-models", **variables)

    assert session.status == pytest.ExitCode.USAGE_ERROR, session.output
    assert "ERROR: --check-models: cannot use huggingface_hub (ValueError" in session.output
    assert "INTERNALERROR" not in session.output
