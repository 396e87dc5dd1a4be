"""The store: plans, fetches and verifies models in the hub cache.

    store = Store.from_environment()
    plan = store.plan(models, max_download=4_000_000_000)    # no byte is fetched yet
    outcomes = store.fetch(plan, progress)                   # ModelFiles → VerifiedModel or error
    model = store.prepare(files)                             # one model; raises the error

A model's files are in a repo on the hub, or one file by its URL and sha256: which of the two it is
decides whom the store asks for it, and nothing else.

Its errors are of three kinds: Unavailable (no network, no licence, no room), RepoError (the check
map names what the hub or server has not) and VerificationError (wrong bytes).
"""

from __future__ import annotations

import difflib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from whisper_speedtest.hub import web
from whisper_speedtest.hub.cache import (
    Inspection,
    Record,
    RepoFolder,
    cached_repos,
    inspect,
    is_safe,
)
from whisper_speedtest.hub.huggingface import HuggingFaceHub
from whisper_speedtest.hub.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
)
from whisper_speedtest.hub.plan import Plan, PlannedModel
from whisper_speedtest.hub.remote import Retry
from whisper_speedtest.hub.sizes import flag, human

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from typing import Self

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.cache import RemoteFile, Staging
    from whisper_speedtest.hub.model import Proof
    from whisper_speedtest.hub.plan import Key
    from whisper_speedtest.hub.remote import Listing, Remote


class Progress(Protocol):
    """Told of downloads as they go on, from several threads at once."""

    def start(self, repo: str, file: str, size: int) -> None:
        """Say that a file of `size` bytes is being downloaded."""

    def advance(self, repo: str, file: str, size: int) -> None:
        """Say that `size` more bytes have come; negative when a try was in vain."""

    def finish(self, repo: str, file: str) -> None:
        """Say that the file is verified and in place, or given up."""


@dataclass(eq=False)
class Store:
    """A hub cache and the hub behind it. Thread-safe; keep one for a whole session.

    Attributes:
        cache: The hub cache, as HF_HUB_CACHE.
        endpoint: The hub's address, as HF_ENDPOINT.
        token: Sent to the endpoint only, and to no other server; never shown.
        offline: Make no request at all.
        memory: The machine's, in bytes; a larger model is not fetched. None: not looked at.
        retry: When to try again.
        timeout: Seconds without a byte, for connecting and for reading.
        workers: Downloads at once.
    """

    cache: Path
    endpoint: str
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    memory: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float = 10.0
    workers: int = 8

    def __post_init__(self) -> None:
        self._hub = HuggingFaceHub(self.endpoint, self.token, self.retry, self.timeout)
        self._servers: dict[str, web.WebServer] = {}

    @classmethod
    def from_environment(cls, *, offline: bool = False) -> Self:
        """Return the store that huggingface_hub's own variables describe (HF_HUB_CACHE, ...).

        `offline` adds to HF_HUB_OFFLINE. They are read when huggingface_hub is first imported.
        """
        import psutil
        from huggingface_hub import constants, get_token

        return cls(
            cache=Path(constants.HF_HUB_CACHE),
            endpoint=constants.ENDPOINT,
            token=None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token(),
            offline=offline or constants.is_offline_mode(),
            memory=psutil.virtual_memory().total,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )

    def inspect(self, files: ModelFiles) -> Inspection:
        """Return what the cache holds of a model, every byte hashed; makes no request."""
        return inspect(self.cache, files)

    def plan(self, models: Iterable[ModelFiles], *, max_download: int | None = None) -> Plan:
        """Verify what is there, resolve the rest; never raises for a model, see `problem`.

        `max_download`, in bytes, goes to the smallest models first; so does the room on the disk.
        Makes requests only for models that are not complete, one for each.
        """
        with _workers(self.workers) as (pool, cancelled):
            looks = [pool.submit(self._look, files, cancelled) for files in dict.fromkeys(models)]
            planned = [look.result() for look in looks]
        free = shutil.disk_usage(_existing(self.cache)).free
        problems: dict[ModelFiles, ModelError] = {}
        asked = Plan(tuple(planned), free).download_size
        taken: dict[Key, int] = {}
        for model in sorted(planned, key=lambda model: model.download_size):
            needed = taken | model.sizes
            if needed == taken:
                continue
            total = sum(needed.values())
            if problem := self._no_room(model, total, asked, max_download, free):
                problems[model.files] = self._explained(model.local, problem)
            else:
                taken = needed
        return Plan(
            tuple(
                replace(model, problem=problems.get(model.files, model.problem))
                for model in planned
            ),
            free,
        )

    def fetch(
        self, plan: Plan, progress: Progress | None = None
    ) -> Mapping[ModelFiles, VerifiedModel | ModelError]:
        """Download what the plan says; return what became of each model.

        One model's failure is no other's. What was verified before one fails is kept for the next
        run, but a revision never comes to stand for a commit of which files are missing.
        """
        outcomes: dict[ModelFiles, VerifiedModel | ModelError] = {}
        with ExitStack() as stack, _workers(self.workers) as (pool, cancelled):
            stagings: dict[str, Staging] = {}
            jobs: dict[Key, Future[Proof]] = {}
            for model in plan.to_fetch:
                repo = model.files.repo
                try:
                    if repo not in stagings:
                        folder = RepoFolder(self.cache, repo)
                        stagings[repo] = stack.enter_context(folder.staging())
                except OSError as error:
                    outcomes[model.files] = self._explained(
                        model.local, self._unwritable(model.files, error)
                    )
                    continue
                for file in model.download:
                    if (repo, file.etag) not in jobs:
                        jobs[repo, file.etag] = pool.submit(
                            self._download,
                            *(model, file, stagings[repo], progress or _Silent(), cancelled),
                        )
            # Downloads start in the order of the plan, so that models are done in about that order.
            for model in plan.models:
                if model.files in outcomes:
                    continue
                if model.problem:
                    outcomes[model.files] = model.problem
                elif model.complete:
                    outcomes[model.files] = model.local.verified()
                else:
                    outcomes[model.files] = self._finish(model, stagings[model.files.repo], jobs)
        return outcomes

    def prepare(self, files: ModelFiles, progress: Progress | None = None) -> VerifiedModel:
        """Return a verified model, fetching what is missing or corrupt.

        Raises:
            Unavailable: It cannot be had here and now.
            RepoError: The hub has no such repo, revision or file.
            VerificationError: Bytes are wrong, and could not be replaced by right ones.
        """
        outcome = self.fetch(self.plan([files]), progress)[files]
        if isinstance(outcome, VerifiedModel):
            return outcome
        raise outcome

    def _look(self, files: ModelFiles, cancelled: threading.Event) -> PlannedModel:
        """Plan one model by itself."""
        local = Inspection(files, None, {})
        try:
            if not files.files or not all(map(is_safe, files.files)):
                raise RepoError(
                    f"{files}: expected the names of the files that a model needs, "
                    f"got {files.files}; mend the adapter's check map"
                )
            remote = self._remote(files)
            local = self.inspect(files)
            model = PlannedModel(files, local)
            if model.complete:
                self._record(local)
            elif self.offline:
                raise Unavailable(
                    f"{files}: offline (--offline or HF_HUB_OFFLINE); run once without that"
                )
            else:
                model = self._resolved(local, remote.listing(files, cancelled))
            if self.memory and model.size and model.size > self.memory:
                raise Unavailable(
                    f"{files}: {human(model.size)} of files, more than this machine's "
                    f"{human(self.memory)} of memory; choose a smaller size or variant",
                    f"more than this machine's {human(self.memory)} of memory",
                )
        except ModelError as error:
            return PlannedModel(files, local, problem=self._explained(local, error))
        return model

    def _remote(self, files: ModelFiles) -> Remote:
        """Return whom to ask for a model; one for each origin, as each may be out of reach alone.

        Raises:
            RepoError: The check map has a file by URL that cannot be fetched and verified.
        """
        if not files.by_url:
            return self._hub
        origin = web.origin(files)
        server = web.WebServer(origin, self.retry, self.timeout)
        return self._servers.setdefault(origin, server)

    def _resolved(self, local: Inspection, listing: Listing) -> PlannedModel:
        """Hold what there is against what the hub or server lists."""
        folder = RepoFolder(self.cache, local.files.repo)
        required = tuple(listing.files[name] for name in local.files.files)
        held = {}
        for file in required:
            finding = local.findings[file.name]
            # Failing this, it may be a blob of another commit, or one that lost its link.
            kept = local.commit == listing.commit and finding.proves(file)
            if proof := finding.proof if kept else folder.holds(file):
                held[file.name] = proof
        return PlannedModel(local.files, local, listing.commit, required, held)

    def _no_room(
        self, model: PlannedModel, total: int, asked: int, max_download: int | None, free: int
    ) -> Unavailable | None:
        """Return why a model's downloads do not fit.

        `total` includes the smaller models', and `asked` everybody's.
        """
        size = human(model.download_size)
        if max_download is not None and total > max_download:
            return Unavailable(
                f"{model.files}: {size} to download do not fit into the {human(max_download)} that "
                f"may be; raise that with --max-download {flag(total)}",
                f"no room in the {human(max_download)} that may be downloaded; "
                f"for all there is with --max-download {flag(asked)}",
            )
        if total > free:
            disk = (
                f"on the disk of {self.cache}, which has {human(free)} free; make room "
                "(hf cache ls, hf cache rm), or set HF_HUB_CACHE to a folder on a larger disk"
            )
            return Unavailable(
                f"{model.files}: {size} to download, {human(total)} with the smaller models, do "
                f"not fit {disk}",
                f"no room {disk}",
            )
        return None

    def _download(
        self,
        model: PlannedModel,
        file: RemoteFile,
        staging: Staging,
        progress: Progress,
        cancelled: threading.Event,
    ) -> Proof:
        """Bring one file among the blobs."""
        repo = model.files.repo
        progress.start(repo, file.name, file.size)
        try:
            staged = staging.new()
            proof = self._remote(model.files).download(
                model.files,
                model.commit or "",
                file,
                staged,
                lambda size: progress.advance(repo, file.name, size),
                cancelled,
            )
            staging.publish(staged, file.etag)
        except OSError as error:
            raise self._unwritable(model.files, error) from None
        finally:
            progress.finish(repo, file.name)
        return proof

    def _finish(
        self, model: PlannedModel, staging: Staging, jobs: Mapping[Key, Future[Proof]]
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
                kept = model.local.commit == commit and finding.proves(file)
                path = finding.path if kept else staging.link(commit, file.name, file.etag)
                verified[file.name] = (path, proofs[file.name])
            staging.refer(files.revision, commit)
            staging.note(
                files.revision,
                commit,
                {
                    file.name: Record(file.size, proofs[file.name].sha256, file.etag)
                    for file in model.required
                },
            )
        except OSError as error:
            return self._explained(model.local, self._unwritable(files, error))
        except ModelError as error:
            return self._explained(model.local, error)
        return VerifiedModel(files.repo, commit, verified)

    def _record(self, local: Inspection) -> None:
        """Write the manifest of a model that is there without one, or with a wrong one."""
        folder = RepoFolder(self.cache, local.files.repo)
        commit = local.commit or ""
        records = {
            finding.name: Record(finding.proof.size, finding.proof.sha256, finding.etag)
            for finding in local.findings.values()
            if finding.proof
        }
        if records.items() <= folder.manifests(local.files.revision).get(commit, {}).items():
            return
        # A cache that may only be read serves as well: the files are verified each time.
        with suppress(OSError), folder.staging() as staging:
            staging.note(local.files.revision, commit, records)

    def _unwritable(self, files: ModelFiles, error: OSError) -> Unavailable:
        return Unavailable(
            f"{files}: cannot write to the hub cache {self.cache} ({error.strerror or error}); "
            "make it writable, or set HF_HUB_CACHE to a folder that is"
        )

    def _explained(self, local: Inspection, error: ModelError) -> ModelError:
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
        others = [repo for repo in cached_repos(self.cache) if repo != files.repo]
        near = [
            repo
            for repo in difflib.get_close_matches(files.repo, others, n=5, cutoff=0.7)
            if any(RepoFolder(self.cache, repo).root.glob("snapshots/*"))
        ]
        if near:
            message += f"; the cache holds {', '.join(near)}, never used in its place"
        if self.token:
            message = message.replace(self.token, "(token)")
            cause = cause.replace(self.token, "(token)")
        return kind(message, cause)


class _Silent:
    """Progress that nobody watches."""

    def start(self, repo: str, file: str, size: int) -> None:
        """Do nothing."""

    def advance(self, repo: str, file: str, size: int) -> None:
        """Do nothing."""

    def finish(self, repo: str, file: str) -> None:
        """Do nothing."""


def _existing(path: Path) -> Path:
    """Return the nearest folder that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


@contextmanager
def _workers(count: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Give threads, and the event that ends what they do when the block fails or is interrupted."""
    cancelled = threading.Event()
    with ThreadPoolExecutor(count, thread_name_prefix="hub") as pool:
        try:
            yield pool, cancelled
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
