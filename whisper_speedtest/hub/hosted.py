"""Models that come from a hub or a web server, and are kept in the hub cache."""

from __future__ import annotations

import difflib
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_speedtest.hub import cache, web
from whisper_speedtest.hub.cache import Record, RepoFolder, cached_repos, is_safe
from whisper_speedtest.hub.huggingface import HuggingFaceHub
from whisper_speedtest.hub.inspection import Inspection
from whisper_speedtest.hub.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
)
from whisper_speedtest.hub.plan import PlannedModel
from whisper_speedtest.hub.sizes import human, short
from whisper_speedtest.hub.staging import Staging, begun, staging
from whisper_speedtest.hub.tries import Cancelled, Retry, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Self

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.hashes import Proof
    from whisper_speedtest.hub.plan import Key
    from whisper_speedtest.hub.remote import Listing, Remote, RemoteFile

    Outcomes = dict[ModelFiles, VerifiedModel | ModelError]

_LONGEST_TIMEOUT = 3600  # seconds
_POLL = 0.2  # seconds
_PATIENCE = 6
"""How many of the settings' time limits another session may take without a byte."""

_USER = re.compile(r"://[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class HubSettings:
    """A hub cache, the hub behind it, and the limits of both.

    Attributes:
        cache: The hub cache, as HF_HUB_CACHE.
        endpoint: The hub's address, as HF_ENDPOINT.
        token: Sent to the endpoint only, and to no other server; never shown.
        no_token: Why there is no token although one was meant to be; "" where none was.
        offline: Make no request at all.
        memory: The machine's, in bytes; a larger model is not fetched. None: not looked at.
        retry: When to try again.
        timeout: Seconds without a byte, for connecting and for reading.
        workers: How many models are verified, and how many files downloaded, at once.
    """

    cache: Path
    endpoint: str
    token: str | None = field(default=None, repr=False)
    no_token: str = ""
    offline: bool = False
    memory: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float = 10.0
    workers: int = 8

    @classmethod
    def from_environment(cls, *, offline: bool = False) -> Self:
        """Return the settings in HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and their kin.

        huggingface_hub reads them when it is first imported. `offline` adds to HF_HUB_OFFLINE.

        Raises:
            Unavailable: One of them has a value that huggingface_hub cannot be imported with.
        """
        import psutil

        try:
            from huggingface_hub import constants, file_download  # noqa: F401 - used by the cache
        except Exception as error:  # noqa: BLE001 - whatever a variable made it do
            raise Unavailable(
                f"cannot use huggingface_hub ({told(error)}); "
                "correct or unset the variables HF_... that have such a value"
            ) from None
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        if not 0 < timeout <= _LONGEST_TIMEOUT:
            raise Unavailable(
                f"expected HF_HUB_DOWNLOAD_TIMEOUT to be 1 to {_LONGEST_TIMEOUT} seconds, "
                f"got {timeout}; correct or unset it"
            )
        offline = offline or constants.is_offline_mode()
        token, no_token = (None, "") if offline else _token()
        return cls(
            cache=Path(constants.HF_HUB_CACHE),
            endpoint=constants.ENDPOINT,
            token=token,
            no_token=no_token,
            offline=offline,
            memory=psutil.virtual_memory().total,
            timeout=timeout,
        )


def _token() -> tuple[str | None, str]:
    """Return the token that huggingface_hub finds, and why there is none where one was meant to be.

    Public repos need none, so that nothing fails before a host asks for one.
    """
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None, ""
    try:
        token = get_token()
    except Exception as error:  # noqa: BLE001 - whatever it makes of the file or of a service
        return None, f"it could not be read ({told(error)}); set HF_TOKEN"
    for at, character in enumerate(token or "", 1):
        if not "!" <= character <= "~":
            wrong = f"character {at} of it is U+{ord(character):04X}, which no header may have"
            return None, f"{wrong}; set HF_TOKEN anew"
    return token, ""


class Watcher:
    """Told of downloads as they go on, from several threads at once. This one does nothing."""

    def start(self, repo: str, file: str, size: int) -> None:
        """Say that a file is being downloaded, of which `size` bytes have to come."""

    def wait(self, repo: str, file: str, size: int) -> None:
        """Say that another session is downloading it, and has `size` bytes of it by now."""

    def advance(self, repo: str, file: str, size: int) -> None:
        """Say that `size` more bytes are there; negative when a try was in vain."""

    def finish(self, repo: str, file: str) -> None:
        """Say that the file is verified and in place, or given up."""


class HostedModels:
    """The hub cache, with the hub and the web servers that its files come from. Thread-safe."""

    def __init__(self, settings: HubSettings) -> None:
        self.settings = settings
        self._hub = HuggingFaceHub(
            settings.endpoint,
            settings.token,
            settings.retry,
            settings.timeout,
            settings.no_token,
        )
        self._servers: dict[str, web.WebServer] = {}

    def inspect(self, files: ModelFiles) -> Inspection:
        """Return what the hub cache holds of a model, every byte hashed; makes no request."""
        return cache.inspect(self.settings.cache, files)

    def plan(self, files: ModelFiles, cancelled: threading.Event) -> PlannedModel:
        """Plan one model by itself; never raises for it, see `PlannedModel.problem`."""
        try:
            return self._planned(files, cancelled)
        except Exception as error:  # noqa: BLE001 - a fault of one model ends no session
            return PlannedModel(
                files, Inspection(files, None, {}), problem=self._unforeseen(files, error)
            )

    def _planned(self, files: ModelFiles, cancelled: threading.Event) -> PlannedModel:
        local = Inspection(files, None, {})
        memory = self.settings.memory
        try:
            if not files.files or not all(map(is_safe, files.files)):
                raise RepoError(
                    f"{files}: expected the names of the files that a model needs, "
                    f"got {files.files}; fix the adapter's check map"
                )
            remote = self._remote(files)
            local = self.inspect(files)
            model = PlannedModel(files, local)
            if model.complete:
                self._record(local)
            elif self.settings.offline:
                raise Unavailable(
                    f"{files}: offline (--offline or HF_HUB_OFFLINE); run once without that"
                )
            else:
                model = self._resolved(local, remote.listing(files, cancelled))
            if memory and model.size and model.size > memory:
                raise Unavailable(
                    f"{files}: {human(model.size)} of files, more than this machine's "
                    f"{human(memory)} of memory; choose a smaller size or variant",
                    f"more than this machine's {human(memory)} of memory",
                )
        except ModelError as error:
            return PlannedModel(files, local, problem=self.explained(local, error))
        return model

    def _remote(self, files: ModelFiles) -> Remote:
        """Return whom to ask for a model; each host apart, as each may be out of reach alone."""
        if not files.by_url:
            return self._hub
        origin = web.origin(files)
        server = web.WebServer(origin, self.settings.retry, self.settings.timeout)
        return self._servers.setdefault(origin, server)

    def _resolved(self, local: Inspection, listing: Listing) -> PlannedModel:
        """Compare what is there with what the host lists."""
        files, commit = local.files, listing.commit
        folder = RepoFolder(self.settings.cache, files.repo)
        listed_as = listing.repo if listing.repo != files.repo else ""
        if listed_as and commit not in {files.revision, *folder.manifests(files.revision)}:
            raise RepoError(
                f"{files}: expected this repo, the hub leads to {short(listed_as)} (commit "
                f"{commit[:12]}); if that is the model that is meant, name it in the adapter's "
                "check map"
            )
        required = tuple(listing.files[name] for name in files.files)
        held = {}
        for file in required:
            finding = local.findings[file.name]
            # Failing this, it may be a blob of another commit, or one that lost its link.
            kept = local.commit == commit and finding.matches(file)
            if proof := finding.proof if kept else folder.holds(file):
                held[file.name] = proof
        parts = {file.etag: min(begun(folder, file.etag), file.size) for file in required}
        return PlannedModel(files, local, commit, required, held, parts, listed_as)

    def _record(self, local: Inspection) -> None:
        """Write the manifest of a model that is there without one, or with a wrong one."""
        folder = RepoFolder(self.settings.cache, local.files.repo)
        commit = local.commit or ""
        records = {
            finding.name: Record(finding.proof.size, finding.proof.sha256, finding.etag)
            for finding in local.findings.values()
            if finding.proof
        }
        if records.items() <= folder.manifests(local.files.revision).get(commit, {}).items():
            return
        # A cache that may only be read serves as well: the files are verified each time.
        with suppress(OSError), staging(folder) as stage:
            stage.note(local.files.revision, commit, records)

    def fetch(self, models: Sequence[PlannedModel], watcher: Watcher) -> Outcomes:
        """Download what is planned for some models; return what became of each."""
        outcomes: Outcomes = {}
        stages: dict[str, Staging] = {}
        jobs: dict[Key, Future[Proof]] = {}
        with ExitStack() as stack, threads(self.settings.workers) as (pool, cancelled):
            for model in models:
                repo = model.files.repo
                try:
                    if repo not in stages:
                        folder = RepoFolder(self.settings.cache, repo)
                        stages[repo] = stack.enter_context(staging(folder))
                except OSError as error:
                    outcomes[model.files] = self._unwritable(model.local, error)
                    continue
                for file in model.download:
                    if (repo, file.etag) not in jobs:
                        jobs[repo, file.etag] = pool.submit(
                            self._download, model, file, stages[repo], watcher, cancelled
                        )
            # Downloads start in the order of the plan, so that models are done in about that order.
            for model in models:
                if model.files not in outcomes:
                    outcomes[model.files] = self._finish(model, stages[model.files.repo], jobs)
        return outcomes

    def _download(
        self,
        model: PlannedModel,
        file: RemoteFile,
        stage: Staging,
        watcher: Watcher,
        cancelled: threading.Event,
    ) -> Proof:
        """Bring one file among the blobs, unless another session has done so."""
        repo = model.files.repo
        folder = RepoFolder(self.settings.cache, repo)
        known = model.begun.get(file.etag, 0)
        watcher.start(repo, file.name, file.size - known)
        try:
            with stage.part(file.etag, self._patience(repo, file, watcher, cancelled)) as part:
                if proof := folder.holds(file):
                    watcher.advance(repo, file.name, file.size - known)
                    return proof
                watcher.advance(repo, file.name, begun(folder, file.etag) - known)
                proof = self._remote(model.files).download(
                    model.files,
                    model.commit or "",
                    file,
                    part,
                    lambda size: watcher.advance(repo, file.name, size),
                    cancelled,
                )
                stage.publish(part, file.etag)
        finally:
            watcher.finish(repo, file.name)
        return proof

    def _patience(
        self, repo: str, file: RemoteFile, watcher: Watcher, cancelled: threading.Event
    ) -> Callable[[int], bool]:
        """Return what waits for another session; False once that has brought nothing for long."""
        seen, since = -1, 0.0

        def wait(size: int) -> bool:
            nonlocal seen, since
            if size != seen:
                seen, since = size, time.monotonic()
                watcher.wait(repo, file.name, size)
            if cancelled.wait(_POLL):
                raise Cancelled
            return time.monotonic() - since < _PATIENCE * self.settings.timeout

        return wait

    def _finish(
        self, model: PlannedModel, stage: Staging, jobs: Mapping[Key, Future[Proof]]
    ) -> VerifiedModel | ModelError:
        """Wait for a model's downloads; then make the commit, and the revision, consist of them."""
        files, commit = model.files, model.commit or ""
        try:
            proofs = dict(model.held)
            for file in model.download:
                proofs[file.name] = jobs[files.repo, file.etag].result()
            verified = {}
            for file in model.required:
                finding = model.local.findings[file.name]
                kept = model.local.commit == commit and finding.matches(file)
                path = finding.path if kept else stage.link(commit, file.name, file.etag)
                verified[file.name] = (path, proofs[file.name])
            stage.refer(files.revision, commit)
            records = {
                file.name: Record(file.size, proofs[file.name].sha256, file.etag)
                for file in model.required
            }
            stage.note(files.revision, commit, records)
        except OSError as error:
            return self._unwritable(model.local, error)
        except ModelError as error:
            return self.explained(model.local, error)
        except Exception as error:  # noqa: BLE001 - a fault of one model ends no session
            return self._unforeseen(files, error)
        return VerifiedModel(files.repo, files.revision, commit, verified, model.listed_as)

    def _unwritable(self, local: Inspection, error: OSError) -> ModelError:
        refused = Unavailable(
            f"{local.files}: cannot write to the hub cache {self.settings.cache} "
            f"({error.strerror or error}); make it writable, or set HF_HUB_CACHE to another folder"
        )
        return self.explained(local, refused)

    def _unforeseen(self, files: ModelFiles, error: Exception) -> ModelError:
        """Return a refusal for an error of another kind, which somebody's code has raised."""
        reason = f"{files}: {told(error)}; nobody foresaw this: please report it"
        return Unavailable(self._without_secrets(reason))

    def explained(self, local: Inspection, error: ModelError) -> ModelError:
        """Add to a refusal what the cache holds, and how near it comes; leave the token out."""
        files = local.files
        message = str(error)
        cause = error.cause or message.removeprefix(f"{files}: ")
        kind: type[ModelError] = type(error)
        if local.state == "corrupt":
            wrong = "; ".join(fault.reason for fault in local.faults)
            message = f"{files}: {wrong}; not replaced, since: {message}"
            kind = VerificationError if kind is Unavailable else kind
            cause = ""
        elif local.faults:
            message += f"; not in the cache: {', '.join(fault.name for fault in local.faults)}"
        others = {
            folder.repo: folder
            for folder in cached_repos(self.settings.cache)
            if folder.repo != files.repo
        }
        near = [
            repo
            for repo in difflib.get_close_matches(files.repo, others, n=5, cutoff=0.7)
            if any(others[repo].root.glob("snapshots/*"))
        ]
        if near:
            message += f"; the cache holds {', '.join(near)}, never used in its place"
        return kind(self._without_secrets(message), self._without_secrets(cause))

    def _without_secrets(self, text: str) -> str:
        """Return a text without the token, and without users and passwords in addresses."""
        if token := self.settings.token:
            text = text.replace(token, "(token)")
        return _USER.sub("://", text)


@contextmanager
def threads(count: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Give threads, and the event that ends what they do when the block fails or is interrupted."""
    cancelled = threading.Event()
    with ThreadPoolExecutor(count, thread_name_prefix="hub") as pool:
        try:
            yield pool, cancelled
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
