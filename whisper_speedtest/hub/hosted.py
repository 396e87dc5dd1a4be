"""Plans and fetches models from a hub or a web server, which are kept in the hub cache."""

from __future__ import annotations

import difflib
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from whisper_speedtest.cache.folders import RepoFolder, is_safe, matches
from whisper_speedtest.cache.inspecting import find_content, inspect
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.cache.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
)
from whisper_speedtest.cache.plan import PlannedModel
from whisper_speedtest.cache.planning import plan_by_listing, plan_offline
from whisper_speedtest.cache.repos import cached_repos
from whisper_speedtest.cache.staging import Staging, advice_on_folder, begun, record, staging
from whisper_speedtest.common.text import human, printable
from whisper_speedtest.hub import web
from whisper_speedtest.hub.huggingface import HuggingFaceHub
from whisper_speedtest.hub.tries import Cancelled, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.evidence import RemoteFile
    from whisper_speedtest.cache.hashes import Proof
    from whisper_speedtest.cache.lock import LockedModel
    from whisper_speedtest.cache.plan import Key
    from whisper_speedtest.cache.planning import OtherPlaces
    from whisper_speedtest.hub.remote import Remote
    from whisper_speedtest.hub.settings import HubSettings

    Fetched = VerifiedModel | ModelError
    """The model after a fetch, or why there is none."""
    FetchedModels = dict[ModelFiles, Fetched]

_POLL = 0.2  # seconds between two looks at what another session has downloaded
_PATIENCE = 6
"""For how many `HubSettings.timeout` another session may go on without receiving a byte."""

_USER = re.compile(r"://[^/@\s]*@")


class Watcher:
    """Is told of the progress of downloads, by several threads at once. This one does nothing."""

    def start(self, repo: str, file: str, size: int) -> None:
        """Take note that a download of `size` bytes of a file begins."""

    def wait(self, repo: str, file: str, size: int) -> None:
        """Take note that another session downloads the file, and has `size` bytes of it."""

    def advance(self, repo: str, file: str, size: int) -> None:
        """Take note that `size` more bytes were received; negative if bytes were discarded."""

    def finish(self, repo: str, file: str) -> None:
        """Take note that the file is verified and in place, or was given up."""


class HostedModels:
    """The models in the hub cache, and the hosts that they come from. Thread-safe."""

    def __init__(self, settings: HubSettings) -> None:
        self.settings = settings
        self._hub = HuggingFaceHub(settings)
        self._servers: dict[str, web.WebServer] = {}

    def inspect(self, files: ModelFiles) -> Inspection:
        """Return the state of a model in the hub cache; hash every byte, and make no request."""
        return inspect(self.settings.cache, files)

    def commit(self, files: ModelFiles, cancelled: threading.Event) -> str | ModelError:
        """Return the present commit of a model's revision, or why the host does not say it."""
        try:
            return self._remote(files).listing(files, cancelled).commit
        except Exception as error:  # noqa: BLE001 - a fault of one model ends no session
            return self.explained(Inspection(files, None, {}), error)

    def plan(
        self,
        files: ModelFiles,
        cancelled: threading.Event,
        places: OtherPlaces,
        locked: LockedModel | None = None,
    ) -> PlannedModel:
        """Plan one model. An error of the model is its `problem`, and is not raised."""
        local = Inspection(files, None, {})
        folder = RepoFolder(self.settings.cache, files.repo)
        try:
            remote = self._remote(files)
            local = self.inspect(files)
            local = locked.judged(local) if locked else local
            model = PlannedModel(files, local)
            if model.complete:
                record(folder, local)
            elif self.settings.offline:
                model = plan_offline(local, folder, places)
            else:
                model = plan_by_listing(local, folder, remote.listing(files, cancelled), places)
            self._require_memory(model)
        except Exception as error:  # noqa: BLE001 - a fault of one model ends no session
            return PlannedModel(files, local, problem=self.explained(local, error))
        return model

    def _remote(self, files: ModelFiles) -> Remote:
        """Return the host of a model. Hosts have an object each, as one alone may be out of reach.

        Raises:
            RepoError: The check map's entry cannot be fetched and verified.
        """
        if not files.files or not all(map(is_safe, files.files)):
            raise RepoError(
                f"{files}: expected the names of the files that a model needs, got {files.files}; "
                "fix the adapter's check map"
            )
        if not files.by_url:
            return self._hub
        origin = web.origin(files)
        server = web.WebServer(origin, self.settings.retry, self.settings.timeout)
        return self._servers.setdefault(origin, server)

    def _require_memory(self, model: PlannedModel) -> None:
        """Raise Unavailable if the files are larger than this machine's memory."""
        memory, size = self.settings.memory, model.size
        if memory and size and size > memory:
            cause = f"more than this machine's {human(memory)} of memory"
            raise Unavailable(
                f"{model.files}: {human(size)} of files, {cause}; choose a smaller size or variant",
                cause,
            )

    def fetch(self, models: Sequence[PlannedModel], watcher: Watcher) -> FetchedModels:
        """Download what is planned for some models; return the outcome of each."""
        outcomes: FetchedModels = {}
        stages: dict[str, Staging] = {}
        jobs: dict[Key, Future[Proof]] = {}
        with ExitStack() as stack, threads(self.settings.workers) as (pool, cancelled):
            download = partial(self._download, watcher=watcher, cancelled=cancelled)
            # Downloads start in the order of the plan, so that models are done in about that order.
            for model in models:
                repo = model.files.repo
                folder = RepoFolder(self.settings.cache, repo)
                try:
                    if repo not in stages:
                        stages[repo] = stack.enter_context(staging(folder))
                    stages[repo].require(model.files.revision, model.commit or "", model.required)
                except OSError as error:
                    outcomes[model.files] = self._unwritable(model.local, error)
                    continue
                for file in model.required:
                    key = repo, file.etag
                    if key in jobs:
                        continue
                    if file.name not in model.held:
                        jobs[key] = pool.submit(download, model, file, stages[repo])
                        continue
                    path, _ = model.held[file.name]
                    if not folder.is_place_of(path, model.commit or "", file):
                        jobs[key] = pool.submit(stages[repo].adopt, path, file.etag)
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
        """Download one file to the blobs, unless another session has done so."""
        repo = model.files.repo
        folder = RepoFolder(self.settings.cache, repo)
        known = model.begun.get(file.etag, 0)
        watcher.start(repo, file.name, file.size - known)
        try:
            with stage.part(file.etag, self._patience(repo, file, watcher, cancelled)) as part:
                if found := find_content(folder, model.commit or "", file, ()):
                    watcher.advance(repo, file.name, file.size - known)
                    path, proof = found
                    return proof if path.parent == folder.blobs else stage.adopt(path, file.etag)
                watcher.advance(repo, file.name, begun(folder, file.etag) - known)
                self._remote(model.files).download(
                    model.files,
                    model.commit or "",
                    file,
                    part,
                    lambda size: watcher.advance(repo, file.name, size),
                    cancelled,
                )
                return stage.publish(part, file.etag)
        finally:
            watcher.finish(repo, file.name)

    def _patience(
        self, repo: str, file: RemoteFile, watcher: Watcher, cancelled: threading.Event
    ) -> Callable[[int], bool]:
        """Return a function to wait for another session; it returns False when that seems stuck."""
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
        """Wait for a model's downloads; then link its snapshot to them and write its manifest."""
        files, commit = model.files, model.commit or ""
        try:
            findings = {}
            for file in model.required:
                pointer = RepoFolder(self.settings.cache, files.repo).pointer(commit, file.name)
                path, proof = model.held.get(file.name, (None, None))
                if not proof or (files.repo, file.etag) in jobs:
                    proof = jobs[files.repo, file.etag].result()
                if path != pointer:
                    stage.link(commit, file.name, file.etag)
                findings[file.name] = Finding(
                    file.name, "complete", pointer, file.etag, proof, unconfirmed=file.unconfirmed
                )
            made = Inspection(files, commit, findings, model.listed_as)
            stage.write_ref(files.revision, commit)
            stage.write_manifest(made)
            return made.verified()
        except OSError as error:
            return self._unwritable(model.local, error)
        except Exception as error:  # noqa: BLE001 - a fault of one model ends no session
            return self.explained(model.local, error)

    def _unwritable(self, local: Inspection, error: OSError) -> ModelError:
        refused = Unavailable(
            f"{local.files}: cannot write to the hub cache {self.settings.cache} "
            f"({error.strerror or error}); {advice_on_folder(error, self.settings.cache)}, or set "
            "HF_HUB_CACHE to another folder"
        )
        return self.explained(local, refused)

    def explained(self, local: Inspection, error: Exception) -> ModelError:
        """Return the error with what the cache has of the model, and without the token.

        An error that is no ModelError is unexpected, and is made into one.
        """
        files = local.files
        if not isinstance(error, ModelError):
            error = Unavailable(f"{files}: {quoted(error)}; nobody foresaw this: please report it")
        message = str(error)
        cause = error.cause or message.removeprefix(f"{files}: ")
        kind: type[ModelError] = type(error)
        if local.state in {"corrupt", "unknown"}:
            corrupt = local.state == "corrupt"
            wrong = "; ".join(dict.fromkeys(fault.reason for fault in local.faults))
            message = f"{files}: {wrong}; {'not replaced, since: ' if corrupt else ''}{message}"
            if corrupt and kind is Unavailable:
                kind = VerificationError
            cause = ""
        elif local.faults:
            message += f"; not in the cache: {', '.join(fault.name for fault in local.faults)}"
        if similar := self._similar_repos(files.repo):
            message += f"; the cache holds {', '.join(similar)}, never used in its place"
        return kind(self._showable(message), self._showable(cause))

    def _similar_repos(self, repo: str) -> list[str]:
        """Return the repos in the cache, with files, whose names are close to that of `repo`."""
        others = {each.repo: each.root for each in cached_repos(self.settings.cache)}
        close = difflib.get_close_matches(repo, others.keys() - {repo}, n=5, cutoff=0.7)
        return [each for each in close if matches(others[each], "snapshots/*")]

    def _showable(self, text: str) -> str:
        """Return a text without the token, and without users and passwords in addresses.

        Control characters for terminals, which the name of a folder may have, are replaced as well.
        """
        if token := self.settings.token:
            text = text.replace(token, "(token)")
        return printable(_USER.sub("://", text))


@contextmanager
def threads(count: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Yield threads, and the event that is set to end their work if the block fails."""
    cancelled = threading.Event()
    with ThreadPoolExecutor(count, thread_name_prefix="hub") as pool:
        try:
            yield pool, cancelled
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
