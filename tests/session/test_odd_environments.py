"""Whole sessions in environments that huggingface_hub or httpx stumble over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters import files_of
from adapters.base import Case

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
        ({"HF_HUB_DOWNLOAD_TIMEOUT": "abc"}, "expected HF_HUB_DOWNLOAD_TIMEOUT to be"),
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
    """In an environment in which no hub can be asked, models that need no hub are measured."""
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


UNUSABLE = (
    {"HF_HUB_DOWNLOAD_TIMEOUT": "abc"},
    {"HF_HUB_ETAG_TIMEOUT": "-1"},
    {"HF_ENDPOINT": "http://[::1"},
    {"HF_ENDPOINT": "hub.example", "HF_HUB_ETAG_TIMEOUT": "1.5"},
)
"""Variables that no hub can be asked with."""


@pytest.mark.parametrize(
    ("option", "variables"),
    [
        ("--check-models", UNUSABLE[0]),
        ("--check-models", UNUSABLE[3]),
        ("--check-models=json", UNUSABLE[1]),
        ("--check-models=json", UNUSABLE[2]),
        ("--prefetch-only", UNUSABLE[2]),
        ("--prefetch-only", UNUSABLE[3]),
    ],
)
def test_variable_that_is_no_use_costs_no_session_about_models(
    sessions: Sessions, option: str, variables: dict[str, str]
) -> None:
    """A variable that no hub can be asked with is told once, and is no usage error.

    Models that need no hub are complete all the same.
    """
    tests = ("benchmarks", "-k", "toy-micro-good or lightning and (tiny-fp16 or base-fp16)")
    given = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(sessions.folder / "home"), **variables}

    session = sessions.run(*tests, option, **given)

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    for name, value in variables.items():
        assert session.output.count(f"expected {name} to be ") == 1, session.output
        assert f", got {value!r}; correct or unset it" in session.output
    if option == "--check-models":
        told = "\nmodels: 1 of 3 complete and verified in the hub cache or the suite's cache; "
        assert told in session.output
    elif option == "--prefetch-only":
        assert "\nmodels: 1 of 3 complete and verified\n" in session.output
        assert "left out   2 models: expected HF_" in session.output
    else:
        assert session.output.count('"state": "complete"') > 1, session.output


@pytest.mark.parametrize("option", ["--check-models", "--prefetch-only"])
def test_models_that_are_there_need_no_hub_to_be_complete(
    hub: Hub, sessions: Sessions, option: str
) -> None:
    """Models that are in the hub cache are complete, whatever the variables say of the hub."""
    files = files_of(Case("lightning-whisper-mlx", "tiny", "fp16"))
    hub.add_stand_in(files.repo, files.files)
    tests = ("benchmarks", "-k", "lightning and tiny-fp16")
    given = {"HF_HUB_OFFLINE": "0", **hub.env(home=sessions.folder / "home")}
    fetched = sessions.run(*tests, "--prefetch-only", **given)
    hub.clear()

    session = sessions.run(*tests, option, **given, **UNUSABLE[0])

    assert fetched.status == pytest.ExitCode.OK, fetched.output
    assert session.status == pytest.ExitCode.OK, session.output
    assert hub.requests == []


def test_check_of_models_without_its_packages_says_so_in_a_line(sessions: Sessions) -> None:
    """A check of models says in one line that it cannot use huggingface_hub."""
    broken = sessions.folder / "huggingface_hub.py"
    broken.write_text("raise KeyError('broken')", encoding="utf-8")

    session = sessions.run(
        "benchmarks", "-k", SELECTED, "--check-models", PYTHONPATH=str(sessions.folder)
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert "--check-models: cannot use huggingface_hub (KeyError: 'broken'); ins" in session.output
    assert "INTERNALERROR" not in session.output


def test_models_of_the_project_are_measured_without_what_asks_a_hub(sessions: Sessions) -> None:
    """Models of the project are measured though huggingface_hub cannot be imported."""
    broken = sessions.folder / "huggingface_hub.py"
    broken.write_text("raise KeyError('broken')", encoding="utf-8")

    session = sessions.run(
        *("benchmarks/test_transcribe.py", "-k", "toy-micro-good-short", "--device=cpu"),
        PYTHONPATH=str(sessions.folder),
    )

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.saved_names == MEASURED
