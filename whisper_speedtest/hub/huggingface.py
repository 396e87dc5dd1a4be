"""Lists and downloads the files of a Hugging Face hub, with its API and token.

Why the hub refuses is read from the headers from which huggingface_hub's `hf_raise_for_status`
makes its typed errors. Called here, that would first read the body of the answer, whatever its
length and speed, and would fail with an AttributeError for a JSON list, as a proxy may send.
Source: huggingface_hub 2.4.0, utils/_http.py.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import quote

import msgspec

from whisper_speedtest.cache.evidence import LONGEST_LISTING, Listing, RemoteFile
from whisper_speedtest.cache.folders import is_safe
from whisper_speedtest.cache.hashes import is_etag, is_sha1
from whisper_speedtest.cache.model import RepoError, Unavailable
from whisper_speedtest.common.text import human, short
from whisper_speedtest.hub.between import BETWEEN, sender_named
from whisper_speedtest.hub.remote import Remote

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    import httpx2

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.hub.settings import HubSettings

_MOST_NAMES = 20  # of a repo's files, in an error
_STALE_CREDENTIALS = "Invalid credentials in Authorization header"
_DISABLED = "Access to this resource is disabled."
_ABSENT = {"RepoNotFound": "repo", "RevisionNotFound": "revision", "EntryNotFound": "file"}
"""The hub's error code → what it does not have."""


class _Lfs(msgspec.Struct):
    sha256: str


class _Sibling(msgspec.Struct, rename="camel"):
    rfilename: str
    size: Annotated[int, msgspec.Meta(ge=0, le=10**15)]
    blob_id: str | None = None
    lfs: _Lfs | None = None


class _Info(msgspec.Struct):
    id: str
    sha: str
    siblings: list[object] | None = None


class HuggingFaceHub(Remote):
    """The hub of some settings."""

    name: ClassVar = "the hub"
    gives: ClassVar = "a hub's data"
    named_in: ClassVar = "HF_ENDPOINT"
    is_hub: ClassVar = True
    own_limit: ClassVar = ", or set HF_TOKEN to have a limit of your own"

    def __init__(self, settings: HubSettings) -> None:
        super().__init__(settings.endpoint, settings.retry, settings.timeout)
        self._token = settings.token
        self._no_token = settings.no_token
        if settings.no_hub:
            self._unreachable[""] = settings.no_hub

    def _listing(self, files: ModelFiles, cancelled: threading.Event) -> Listing:
        if fault := _fault_of_id(files.repo):
            raise RepoError(f"{files}: no valid repo id; {fault}")
        body = bytearray()
        revision = quote(files.revision, safe="")
        url = f"{self._endpoint}/api/models/{files.repo}/revision/{revision}?blobs=true"
        with self._open(str(files), files, "GET", url) as response:
            is_json = response.headers.get("Content-Type", "").startswith("application/json")
            for piece in self._pieces(response, cancelled):
                body.extend(piece)
                if len(body) > LONGEST_LISTING:
                    raise Unavailable(
                        f"{files}: expected a listing of at most {human(LONGEST_LISTING)}, "
                        f"{self._endpoint} sends more; check HF_ENDPOINT"
                    )
        try:
            info = msgspec.json.decode(body.decode(json.detect_encoding(body)), type=_Info)
        except (ValueError, RecursionError) as error:
            if not (is_json or isinstance(error, msgspec.ValidationError)):
                raise self._web_page(str(files), "") from None
            raise Unavailable(
                f"{files}: {self._endpoint} answered with something else than {self.gives} "
                f"({short(str(error))}); check {self.named_in}, {BETWEEN}"
            ) from None
        return _checked(files, info)

    def _url(self, files: ModelFiles, commit: str, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(files.repo, name, revision=commit, endpoint=self._endpoint)

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _refusal(self, said: str, files: ModelFiles, response: httpx2.Response) -> ModelError:
        status = response.status_code
        code = response.headers.get("X-Error-Code", "")
        message = response.headers.get("X-Error-Message", "")
        no_token = "no token was sent" + (f", since {self._no_token}" if self._no_token else "")
        of_token = status == HTTPStatus.UNAUTHORIZED and self._token and message and not code
        if message == _STALE_CREDENTIALS or of_token:
            refused = "user and password; leave them out of HF_ENDPOINT"
            if self._token:
                refused = (
                    "the token; set HF_TOKEN anew (hf auth login), or "
                    "HF_HUB_DISABLE_IMPLICIT_TOKEN=1 to go without"
                )
            reason = f"the hub answered {status} {short(message)}: it does not take {refused}"
            return self._gave_up(str(files), reason)
        if code == "GatedRepo":
            sent = "" if self._token else f" ({no_token})"
            return Unavailable(
                f"{said}: accept its licence at {self._endpoint}/{files.repo}, and set HF_TOKEN to "
                f"a token of that account{sent}"
            )
        if message == _DISABLED:
            return Unavailable(f"{said}: the repo was disabled; choose another size or variant")
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and (code or message):
            sent = "the token that was sent does not open it" if self._token else no_token
            return Unavailable(
                f"{said}: there is no such repo, or it is private and {sent}; check its id in "
                "the adapter's check map, or set HF_TOKEN to a token that opens it"
            )
        if code in _ABSENT and "/resolve/" in response.request.url.path:
            return Unavailable(f"{said}: it has listed that a moment ago; try again later")
        if lacking := _ABSENT.get(code):
            lacking += f" {files.revision}" if lacking == "revision" else ""
            return RepoError(f"{said}: expected {lacking} to exist; fix the adapter's check map")
        between = sender_named(response.headers) or "unknown"
        said = said.replace(self.name, self._endpoint, 1)
        return Unavailable(
            f"{said}, without a hub's error code, so something else answers ({between}); "
            f"check {self.named_in}, {BETWEEN}"
        )


def _fault_of_id(repo: str) -> str:
    """Return why no repo on the hub can have this id; "" if one can."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        return str(error)
    return ""


def _checked(files: ModelFiles, info: _Info) -> Listing:
    """Return the hub's listing, after checking that it has all files of a model and safe names."""
    pinned = files.revision if is_sha1(files.revision) else ""
    for what, got, right in (
        ("a commit", info.sha, is_sha1(info.sha)),
        (f"the commit {pinned}", info.sha, pinned in {"", info.sha}),
        ("a repo's id", info.id, not _fault_of_id(info.id)),
    ):
        if not right:
            raise Unavailable(
                f"{files}: expected {what} from the hub, got {short(got)!r}; check HF_ENDPOINT"
            )
    listed, named = _files_of(files, info)
    if not listed.keys() >= set(files.files):
        raise _lacking(files, info, listed, named)
    return Listing(info.id, info.sha, listed)


def _files_of(files: ModelFiles, info: _Info) -> tuple[dict[str, RemoteFile], set[str]]:
    """Return the listed files that have size and hash, and the names of all that are listed."""
    listed: dict[str, RemoteFile] = {}
    named = set()
    for each in info.siblings or []:
        named.add(str(each.get("rfilename")) if isinstance(each, dict) else "")
        try:
            sibling = msgspec.convert(each, _Sibling)
        except msgspec.ValidationError:
            continue
        if not is_safe(sibling.rfilename):
            raise RepoError(
                f"{files}: the hub lists the unsafe file name {short(sibling.rfilename)!r}; "
                "do not use it"
            )
        etag = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id or ""
        file = RemoteFile(sibling.rfilename, sibling.size, etag)
        if is_etag(etag) and listed.setdefault(file.name, file) != file:
            raise Unavailable(
                f"{files}: the hub lists {short(file.name)} twice, with other content; "
                "check HF_ENDPOINT"
            )
    return listed, named


def _lacking(
    files: ModelFiles, info: _Info, listed: Mapping[str, RemoteFile], named: set[str]
) -> ModelError:
    """Return the error of a listing that does not have all files of a model; see `_files_of`."""
    if named == {""}:
        return Unavailable(
            f"{files}: expected a list of files from the hub, got {short(repr(info.siblings))}; "
            "check HF_ENDPOINT"
        )
    lacking = [name for name in files.files if name not in listed]
    # In ASCII, as letters that look alike would hide what is wrong.
    names = [ascii(short(name))[1:-1] for name in sorted(listed)[:_MOST_NAMES]]
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    wrong = (
        f"{files} (commit {info.sha[:12]}): expected the files {', '.join(lacking)} with size "
        f"and hash, the hub lists {', '.join(names) or 'none'}{more}"
    )
    if odd := ", ".join(sorted(named.intersection(lacking))):
        return Unavailable(f"{wrong}; what it says of {odd} cannot be right: check HF_ENDPOINT")
    return RepoError(f"{wrong}; fix the adapter's check map")
