"""A Hugging Face hub: lists repos by its API, and takes a token."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from whisper_speedtest.hub.cache import is_safe
from whisper_speedtest.hub.hashes import is_etag, is_sha1
from whisper_speedtest.hub.model import RepoError, Unavailable
from whisper_speedtest.hub.remote import Listing, Remote, RemoteFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2
    from huggingface_hub.hf_api import ModelInfo

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.model import ModelError
    from whisper_speedtest.hub.remote import Retry

_OTHER_JSON = (AttributeError, TypeError, KeyError)
"""What huggingface_hub raises where an answer is JSON, and not what a hub would say."""


class HuggingFaceHub(Remote):
    """The hub at `endpoint`, which HF_ENDPOINT names."""

    name: ClassVar = "the hub"

    def __init__(self, endpoint: str, token: str | None, retry: Retry, timeout: float) -> None:
        super().__init__(endpoint, retry, timeout)
        self._token = token

    def _listing(self, files: ModelFiles) -> Listing:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        api = HfApi(endpoint=self._endpoint, token=self._token or False)
        try:
            info = api.model_info(
                files.repo, revision=files.revision, files_metadata=True, timeout=self._timeout
            )
        except HfHubHTTPError as error:
            raise self._refused(str(files), files, error.response) from None
        except HFValidationError as error:
            raise RepoError(f"{files}: no valid repo id; {error}") from None
        except (json.JSONDecodeError, UnicodeDecodeError, *_OTHER_JSON):
            raise self._web_page(str(files)) from None
        self._reached = True
        return _checked(files, info)

    def _url(self, files: ModelFiles, commit: str, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(files.repo, name, revision=commit, endpoint=self._endpoint)

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _no_host(self) -> str:
        return (
            f"{self._endpoint} answered with something else than a hub's data; it looks like the "
            "sign-in page of a network (a captive portal): open a browser and sign in, or check "
            "HF_ENDPOINT"
        )

    def _refusal(self, said: str, files: ModelFiles, response: httpx2.Response) -> ModelError:
        from huggingface_hub import errors
        from huggingface_hub.utils._http import hf_raise_for_status

        lacking = "repo, revision and file"
        try:
            hf_raise_for_status(response)
        except errors.GatedRepoError:
            return Unavailable(
                f"{said}: accept its licence at {self._endpoint}/{files.repo}, and set HF_TOKEN to "
                "a token of that account"
            )
        except errors.DisabledRepoError:
            return Unavailable(f"{said}: the repo was disabled; choose another size or variant")
        except errors.RevisionNotFoundError:
            lacking = f"revision {files.revision}"
        except errors.RemoteEntryNotFoundError:
            lacking = "file"
        except (errors.HfHubHTTPError, *_OTHER_JSON):
            pass  # the status says it
        if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            token = (
                "the token that was sent does not open it" if self._token else "no token was sent"
            )
            return Unavailable(
                f"{said}: there is no such repo, or it is private and {token}; check its id in "
                "the adapter's check map, or set HF_TOKEN to a token that opens it"
            )
        return RepoError(f"{said}: expected {lacking} to exist; fix the adapter's check map")


def _checked(files: ModelFiles, info: ModelInfo) -> Listing:
    """Return a listing that has all files of a model, and no file that leads out of a folder."""
    commit = info.sha or ""
    if not is_sha1(commit):
        raise RepoError(f"{files}: expected a commit from the hub, got {commit!r}")
    listed = {}
    for sibling in info.siblings or []:
        if not is_safe(sibling.rfilename):
            raise RepoError(
                f"{files}: the hub lists the unsafe file name {sibling.rfilename!r}; do not use it"
            )
        etag = (sibling.lfs.sha256 if sibling.lfs else sibling.blob_id) or ""
        if sibling.size is not None and is_etag(etag):
            listed[sibling.rfilename] = RemoteFile(sibling.rfilename, sibling.size, etag)
    if lacking := [name for name in files.files if name not in listed]:
        raise RepoError(
            f"{files} (commit {commit[:12]}): expected the files {', '.join(lacking)} with size "
            f"and hash, the hub lists {', '.join(sorted(listed)) or 'none'}; "
            "fix the adapter's check map"
        )
    return Listing(commit, listed)
