"""Environments that huggingface_hub or httpx stumble over: a reason for models, never an end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.helpers.harm import BASE, content, weights
from tests.helpers.project import ROOT, child_environment
from tests.helpers.stores import NOWHERE
from whisper_speedtest.hub.settings import HubSettings, wrong_variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from fixtures.hub import Hub
    from tests.helpers.web_server import WebServer

SESSIONS = """
import json, os, sys
import httpx2, msgspec, psutil
from adapters.base import ModelFiles
from whisper_speedtest.hub.store import Store

MADE = ModelFiles("embedded/micro-mlx-fp16", ("config.json",))
for line in sys.stdin:
    given = json.loads(line)
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    os.environ.update(given["variables"])
    fetched = [ModelFiles(repo, tuple(names), *rest) for repo, names, *rest in given["models"]]
    try:
        store = Store.from_environment()
        outcomes = store.fetch(store.plan([*fetched, MADE]))
        said = {files.repo: [type(each).__name__, str(each)] for files, each in outcomes.items()}
    except BaseException as error:
        said = {"ended by": [type(error).__name__, str(error)]}
    print(json.dumps(said), flush=True)
    os._exit(0)
"""
"""Runs a session of the store for each line of its input, in a process and environment of its own.

The process is a fork, so that only huggingface_hub, which reads the environment as it is imported,
is imported anew.
"""

MADE = "embedded/micro-mlx-fp16"
STALE = "hf_stale_token"


@dataclass
class Environments:
    """Runs sessions of the store in environments of their own."""

    process: subprocess.Popen[str]
    folder: Path
    endpoint: str

    def outcomes(self, *repos: str, **variables: str) -> dict[str, list[str]]:
        """Return the type and the text of what each model came to, by its repo."""
        return self.outcomes_of([(repo, BASE.files) for repo in repos or [BASE.repo]], **variables)

    def outcomes_of(
        self, models: list[tuple[object, ...]], **variables: str
    ) -> dict[str, list[str]]:
        """Return the same of models with their files and, where given, revisions."""
        usual = {"HF_HOME": str(self.folder / "home"), "HF_ENDPOINT": self.endpoint}
        given = {"variables": usual | variables, "models": models}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(given) + "\n")
        self.process.stdin.flush()
        said: dict[str, list[str]] = json.loads(self.process.stdout.readline())
        return said


@pytest.fixture(name="environments")
def _environments(hub: Hub, tmp_path: Path) -> Iterator[Environments]:
    """Sessions with a loopback hub, and with an empty cache unless they are told of another."""
    with subprocess.Popen(
        [sys.executable, "-c", SESSIONS],
        env=child_environment(PYTHONPATH=str(ROOT), NO_PROXY="127.0.0.1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Environments(process, tmp_path, hub.endpoint)
        assert process.stdin
        process.stdin.close()


PROXY = {"NO_PROXY": "", "no_proxy": ""}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, ["cannot make a request to", "ALL_PROXY"]),
        ({"HTTPS_PROXY": "garbage://x"}, ["cannot make a request to", "HTTPS_PROXY"]),
        ({"HTTP_PROXY": "http://["}, ["cannot reach", "there is a proxy", "HTTP_PROXY"]),
        ({"SSL_CERT_FILE": "/nowhere/at/all.pem"}, ["cannot make a request", "SSL_CERT_FILE"]),
        ({"HF_ENDPOINT": "hub.example"}, ["expected HF_ENDPOINT", "got 'hub.example'"]),
        ({"HF_ENDPOINT": "ftp://hub.example"}, ["expected HF_ENDPOINT", "'ftp://hub.example'"]),
        ({"HF_ENDPOINT": "http://[::1"}, ["expected HF_ENDPOINT", "got 'http://[::1'"]),
        ({"HF_HUB_DOWNLOAD_TIMEOUT": "abc"}, ["HF_HUB_DOWNLOAD_TIMEOUT to be seconds", "'abc'"]),
        ({"HF_HOME": "{file}"}, ["cannot write to the hub cache", "HF_HUB_CACHE"]),
    ],
    ids="socks https-proxy http-proxy certificate no-scheme ftp address word home".split(),
)
def test_environment_that_no_client_can_be_made_in_is_every_models_reason(
    environments: Environments, variables: dict[str, str], says: list[str]
) -> None:
    """An unusable environment is the reason why no model of the hub can be had; others can."""
    (file := environments.folder / "file").write_text("")
    named = {name: value.format(file=file) for name, value in variables.items()}

    outcomes = environments.outcomes("org/a", BASE.repo, **PROXY, **named)

    assert set(outcomes) == {"org/a", BASE.repo, MADE}, outcomes
    assert outcomes[MADE][0] == "VerifiedModel"
    kind, text = outcomes[BASE.repo]
    assert kind == "Unavailable"
    assert text.startswith(f"{BASE}: ")
    for part in says:
        assert part in text


@pytest.mark.parametrize("name", ["HF_ENDPOINT", "HF_HUB_DOWNLOAD_TIMEOUT"])
def test_variable_about_the_hub_is_no_reason_of_a_model_by_url(
    environments: Environments, server: WebServer, name: str
) -> None:
    """A wrong variable about the hub does not affect a model by URL."""
    files = server.add("weights.npz", weights("by URL"))
    by_url = (files.repo, files.files, files.revision)

    said = environments.outcomes_of([by_url, (BASE.repo, BASE.files)], **{name: "abc"})

    assert said[files.repo][0] == said[MADE][0] == "VerifiedModel", said
    assert f"expected {name} to be" in said[BASE.repo][1]
    assert (environments.folder / "home" / "hub").is_dir()


ADDRESS = "a hub's address, https://host"
SECONDS = "seconds, up to 3600"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HF_ENDPOINT", "https://hub.example", None),
        ("HF_ENDPOINT", "http://[::1]:8080/a/path/", None),
        ("HF_ENDPOINT", "https://someone:geheim@hub.example", None),
        ("HF_ENDPOINT", "https://hub.example:65535", None),
        ("HF_ENDPOINT", "", ADDRESS),
        ("HF_ENDPOINT", "hub.example", ADDRESS),
        ("HF_ENDPOINT", "ftp://hub.example", ADDRESS),
        ("HF_ENDPOINT", "https://", ADDRESS),
        ("HF_ENDPOINT", "//hub.example", ADDRESS),
        ("HF_ENDPOINT", "https://hub.example?a=b", ADDRESS),
        ("HF_ENDPOINT", "https://hub.example#a", ADDRESS),
        ("HF_ENDPOINT", "https://hub.example\n", ADDRESS),
        ("HF_ENDPOINT", "https://hub .example", ADDRESS),
        ("HF_ENDPOINT", "http://[::1", ADDRESS),
        ("HF_ENDPOINT", "http://127.0.0.1:port", ADDRESS),
        ("HF_ENDPOINT", "https://hub.example:65536", ADDRESS),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "0", None),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "3600", None),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "3601", SECONDS),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "-1", SECONDS),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "1.5", SECONDS),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "", SECONDS),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "9" * 5000, SECONDS),
        ("HF_HUB_ETAG_TIMEOUT", "ten", SECONDS),
        ("HF_HOME", "nonsense", None),
    ],
)
def test_variables_that_no_hub_can_be_asked_with(
    name: str, value: str, expected: str | None
) -> None:
    """A variable with which no hub can be asked is quoted in bounds, with what it should be."""
    quoted = f"'{'9' * 199}…" if len(value) > 200 else repr(value)
    said = f"expected {name} to be {expected}, got {quoted}; correct or unset it"

    assert wrong_variables({name: value}) == ({name: said} if expected else {})


def test_environment_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong HF_ENDPOINT stays in the environment, and is the reason why no hub is asked."""
    monkeypatch.setenv("HF_ENDPOINT", "hub.example")

    settings = HubSettings.from_environment(offline=True)

    assert os.environ["HF_ENDPOINT"] == "hub.example"
    assert settings.no_hub == (
        "expected HF_ENDPOINT to be a hub's address, https://host, got 'hub.example'; "
        "correct or unset it"
    )


def test_each_variable_that_no_hub_can_be_asked_with_is_named() -> None:
    """Each variable with which no hub can be asked is named."""
    names = ("HF_ENDPOINT", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT")

    assert list(wrong_variables(dict.fromkeys(names, "x"))) == [*names]
    assert wrong_variables({}) == {}


@pytest.mark.parametrize(
    "value",
    ["https://me:geheim@hub.example:port", "me:geheim@hub", "https://me:ge/h\neim@hub.example "],
)
def test_password_in_an_address_that_is_none_is_not_shown(value: str) -> None:
    """The password in a malformed HF_ENDPOINT is not shown."""
    (said,) = wrong_variables({"HF_ENDPOINT": value}).values()

    assert "eim" not in said
    assert "me:" not in said
    assert "@" not in said
    assert "hub" in said.partition("got ")[2]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"HF_TOKEN_PATH": "{folder}"}, "it could not be read (IsADirectoryError"),
        ({"HF_TOKEN_PATH": "{binary}"}, "it could not be read (UnicodeDecodeError"),
        ({"HF_TOKEN": "hf_\u201cquoted\u201d"}, "character 4 of it is U+201C"),
        ({"HF_TOKEN": "hf_two words"}, "character 7 of it is U+0020"),
        ({"HF_TOKEN": "hf_\x7f"}, "character 4 of it is U+007F"),
    ],
    ids="folder binary curly-quote space control".split(),
)
def test_token_that_cannot_be_used_matters_where_one_is_asked_for(
    hub: Hub, environments: Environments, variables: dict[str, str], reason: str
) -> None:
    """A token that cannot be used matters for a gated repo, and not for a public one."""
    hub.add("org/gated", content(BASE), access="gated")
    (binary := environments.folder / "binary").write_bytes(b"\xff\xfe")
    places = {"folder": environments.folder, "binary": binary}
    named = {name: value.format(**places) for name, value in variables.items()}

    outcomes = environments.outcomes("org/gated", BASE.repo, **named)

    assert [outcomes[repo][0] for repo in (BASE.repo, MADE)] == ["VerifiedModel"] * 2
    kind, text = outcomes["org/gated"]
    assert kind == "Unavailable"
    assert f"(no token was sent, since {reason}" in text
    assert "set HF_TOKEN" in text
    assert {request.token for request in hub.requests} == {False}


def test_token_file_is_not_read_offline(environments: Environments) -> None:
    """Offline, the token's file is not read."""
    said = environments.outcomes(HF_TOKEN_PATH=str(environments.folder), HF_HUB_OFFLINE="1")

    assert "offline" in said[BASE.repo][1]
    assert "token" not in said[BASE.repo][1]


def test_password_in_an_address_is_not_shown(environments: Environments) -> None:
    """The password in HF_ENDPOINT is not shown."""
    said = environments.outcomes(HF_ENDPOINT="http://someone:geheim@127.0.0.1:9")

    kind, text = said[BASE.repo]
    assert kind == "Unavailable"
    assert "cannot reach http://127.0.0.1:9" in text
    assert "geheim" not in text


@pytest.mark.property
def test_any_environment_gives_each_model_an_outcome(environments: Environments) -> None:
    """Any environment gives each model an outcome, and shows no password and no token."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    folder = environments.folder
    (file := folder / "file").write_bytes(b"\xff no text")
    proxies = st.sampled_from(
        ["socks5://127.0.0.1:9", "socks9://x", "http://[", "http://a:geheim@127.0.0.1:9", "x y",
         "127.0.0.1:9", "http://127.0.0.1:port", "\u201chttp://x\u201d", NOWHERE]
    )  # fmt: skip
    paths = st.sampled_from([str(file), str(folder), "/nowhere/at/all", "/proc/none", "~nobody/x"])
    optional: dict[str, st.SearchStrategy[str]] = {
        "ALL_PROXY": proxies,
        "HTTP_PROXY": proxies,
        "https_proxy": proxies,
        "NO_PROXY": st.sampled_from(["*", "[::", "127.0.0.1", ""]),
        "SSL_CERT_FILE": paths,
        "SSL_CERT_DIR": paths,
        "HF_ENDPOINT": st.sampled_from(
            ["hub.example", "http://[::1", NOWHERE, "https://", "http:// x", "http://\u201cx\u201d",
             "http://127.0.0.1:99999", "http://a:geheim@127.0.0.1:9/x", "http://127.0.0.1:9?a#b"]
        ),
        "HF_TOKEN": st.sampled_from([STALE, "hf_\u201cx\u201d", "a b", "\t", "hf_\x01", "x" * 9999]),  # noqa: E501
        "HF_TOKEN_PATH": paths,
        "HF_HOME": paths,
        "HF_HUB_CACHE": paths,
        "HF_HUB_DOWNLOAD_TIMEOUT": st.sampled_from(["abc", "-1", "1", "1e3", "9" * 30, " "]),
        "HF_HUB_ETAG_TIMEOUT": st.sampled_from(["abc", "-1"]),
    }  # fmt: skip

    @settings(
        max_examples=30,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(variables=st.fixed_dictionaries({}, optional=optional))
    def run(variables: dict[str, Any]) -> None:
        outcomes = environments.outcomes(**variables)

        assert set(outcomes) == {BASE.repo, MADE}, outcomes
        assert outcomes[MADE][0] == "VerifiedModel"
        kind, text = outcomes[BASE.repo]
        assert kind in {"VerifiedModel", "Unavailable"}, text
        assert kind == "VerifiedModel" or text.startswith(f"{BASE}: ")
        assert "nobody foresaw" not in text
        assert "geheim" not in text
        assert STALE not in text

    run()
