"""The parts of huggingface_hub 2.4.0 that the suite calls, or whose rules it follows.

It calls the rules for names of folders and the parser of limits on requests. Its own errors follow
the headers from which huggingface_hub makes typed ones.

Some of them are private there, so that a newer release may change them: then these tests say what.
"""

from __future__ import annotations

import pytest

from fixtures.hub import Hub
from tests.helpers.client import FILES


@pytest.mark.parametrize(
    ("repo", "name"),
    [
        ("mlx-community/whisper-tiny-mlx", "models--mlx-community--whisper-tiny-mlx"),
        ("gpt2", "models--gpt2"),
        ("org/name.with.dots", "models--org--name.with.dots"),
    ],
)
def test_folder_of_a_model_is_named_by_its_repo(repo: str, name: str) -> None:
    """huggingface_hub names a model's folder by its kind and repo, with two dashes between them."""
    from huggingface_hub.file_download import repo_folder_name

    assert repo_folder_name(repo_id=repo, repo_type="model") == name


@pytest.mark.parametrize("repo", ["org/one/two", "org/a--b", "../up", "http://host/path", ""])
def test_folder_of_an_id_that_cannot_be_is_an_error(repo: str) -> None:
    """huggingface_hub refuses to name a folder for an id that cannot be a repo's."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.file_download import repo_folder_name

    with pytest.raises(HFValidationError):
        repo_folder_name(repo_id=repo, repo_type="model")


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, "GatedRepoError"),
        (403, {"X-Error-Code": "GatedRepo"}, "GatedRepoError"),
        (404, {"X-Error-Code": "RepoNotFound"}, "RepositoryNotFoundError"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "RevisionNotFoundError"),
        (404, {"X-Error-Code": "EntryNotFound"}, "RemoteEntryNotFoundError"),
        (403, {"X-Error-Message": "Access to this resource is disabled."}, "DisabledRepoError"),
        (404, {}, "HfHubHTTPError"),
        (503, {}, "HfHubHTTPError"),
    ],
)
def test_refusals_have_types_of_their_own(status: int, headers: dict[str, str], error: str) -> None:
    """huggingface_hub's error has the type that a header of the answer names, or else the base."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils._http import hf_raise_for_status

    request = httpx2.Request("GET", "http://127.0.0.1/org/model")

    with pytest.raises(HfHubHTTPError) as caught:
        hf_raise_for_status(httpx2.Response(status, headers=headers, request=request))

    assert type(caught.value).__name__ == error


def test_refusal_in_other_json_than_an_object_is_no_typed_error() -> None:
    """huggingface_hub stumbles over a refusal whose JSON is a list."""
    import httpx2
    from huggingface_hub.utils._http import hf_raise_for_status

    request = httpx2.Request("GET", "http://127.0.0.1/org/model")

    with pytest.raises(AttributeError):
        hf_raise_for_status(httpx2.Response(404, json=["no"], request=request))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"api";r=0;t=55', ("api", 0, 55)),
        ('"pages" ; r = 9 ; t = 5, "api";r=0;t=55', ("pages", 9, 5)),
    ],
)
def test_parser_of_limits_reads_the_first(header: str, expected: tuple[str, int, int]) -> None:
    """huggingface_hub reads name, rest and reset of the first limit in a RateLimit header."""
    from huggingface_hub.utils._http import parse_ratelimit_headers

    found = parse_ratelimit_headers({"RateLimit": header})

    assert found
    assert (found.resource_type, found.remaining, found.reset_in_seconds) == expected


@pytest.mark.usefixtures("loopback")
def test_session_sends_no_authorization_to_another_host() -> None:
    """huggingface_hub's session sends the hub's Authorization header to no other host."""
    from huggingface_hub import get_session

    with Hub() as hub:
        hub.add("org/model", FILES)
        url = f"{hub.endpoint}/org/model/resolve/main/weights.npz"
        token = {"Authorization": f"Bearer {hub.token}"}
        with get_session().stream("GET", url, headers=token) as answer:
            answer.read()

    assert [(request.kind, request.token) for request in hub.requests] == [
        ("resolve", True),
        ("cdn", False),
    ]


@pytest.mark.usefixtures("loopback")
def test_offline_is_read_at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """huggingface_hub asks no host once its constant says that it is offline."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.errors import OfflineModeIsEnabled

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with Hub() as hub, pytest.raises(OfflineModeIsEnabled):
        get_session().get(f"{hub.endpoint}/api/models/org/model")

    assert hub.requests == []
