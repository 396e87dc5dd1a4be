"""The store: plans, fetches and verifies models, wherever they come from.

    store = Store.from_environment()
    plan = store.plan(models, max_download=4_000_000_000)    # no byte is downloaded yet
    outcomes = store.fetch(plan, watcher)                    # ModelFiles → VerifiedModel or error
    model = store.prepare(files)                             # one model; raises the error

A model comes from the project itself, from a repo on the hub, or from a web server, as one file by
its URL and sha256. For a model in the store's lock, the locked commit is requested, and files with
other hashes are refused. The errors are Unavailable (no network, no licence, no room), RepoError
(the host lacks what the check map names) and VerificationError (wrong bytes).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from whisper_speedtest.cache import embedded
from whisper_speedtest.cache.hashes import Proof, is_sha256
from whisper_speedtest.cache.inspection import Inspection
from whisper_speedtest.cache.lock import Lock
from whisper_speedtest.cache.model import ModelError, Unavailable, VerificationError, VerifiedModel
from whisper_speedtest.cache.plan import Plan, PlannedModel, without_room
from whisper_speedtest.common.files import existing
from whisper_speedtest.hub.hosted import HostedModels, Watcher, threads
from whisper_speedtest.hub.settings import HubSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import Self

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.planning import OtherPlaces
    from whisper_speedtest.hub.hosted import Fetched, FetchedModels


class Store:
    """Plans, fetches and verifies the models of a session. Thread-safe.

    Keep one for a whole session, as it remembers which hosts cannot be reached.
    """

    def __init__(
        self, settings: HubSettings | Callable[[], HubSettings], lock: Lock | None = None
    ) -> None:
        """Describe the store. If `settings` is a function, it is called when they are needed."""
        self._given = settings
        self.lock = lock or Lock()

    @classmethod
    def from_environment(cls, *, offline: bool = False, lock: Lock | None = None) -> Self:
        """Return the store that huggingface_hub's own variables describe (HF_HUB_CACHE, ...).

        `offline` makes it offline even without HF_HUB_OFFLINE. For models that the project makes
        itself, the variables are not read, and huggingface_hub is not imported.
        """
        return cls(partial(HubSettings.from_environment, offline=offline), lock)

    @cached_property
    def settings(self) -> HubSettings:
        """The settings of the hub cache and the hub; raises Unavailable if they cannot be read."""
        return self._given if isinstance(self._given, HubSettings) else self._given()

    @property
    def cache(self) -> Path | None:
        """The hub cache; None until a model needs it."""
        return self.settings.cache if "settings" in vars(self) else None

    @cached_property
    def _hosted(self) -> HostedModels:
        return HostedModels(self.settings)

    def inspect(self, files: ModelFiles) -> Inspection:
        """Return the state of a model on this machine; hash every byte, and make no request.

        A model that the project makes itself is made first, unless it is there and intact.
        """
        if files.embedded:
            return embedded.make(files).local
        found, locked = self._hosted.inspect(self._at_locked_commit(files)), self.lock.of(files)
        return replace(locked.judged(found), files=files) if locked else found

    def moved(self, models: Iterable[ModelFiles]) -> dict[ModelFiles, tuple[str, str] | ModelError]:
        """Return each model whose revision has moved → its known and its present commit.

        The known commit is that of the lock, or else of the cache. If a host does not answer, the
        error is in place of the commits. Left out are models that were never fetched, and those
        whose revision cannot move.
        """
        hosted = [files for files in dict.fromkeys(models) if not (files.embedded or files.by_url)]
        try:
            known = {files: self._known_commit(files) for files in hosted}
            if self.settings.offline:
                raise Unavailable("offline (--offline or HF_HUB_OFFLINE); run once without that")
        except ModelError as error:
            return dict.fromkeys(hosted, error)
        asked = [files for files in hosted if known[files] not in {"", files.revision}]
        with threads(self.settings.workers) as (pool, cancelled):
            looks = {files: pool.submit(self._hosted.commit, files, cancelled) for files in asked}
            now = {files: look.result() for files, look in looks.items()}
        return {
            files: commit if isinstance(commit, ModelError) else (known[files], commit)
            for files, commit in now.items()
            if commit != known[files]
        }

    def _known_commit(self, files: ModelFiles) -> str:
        """Return the commit of a revision when it was last looked up; "" if it never was."""
        locked = self.lock.of(files)
        return locked.commit if locked else self._hosted.inspect(files).commit or ""

    def _at_locked_commit(self, files: ModelFiles) -> ModelFiles:
        """Return the model to request: a locked one by its commit in place of its revision."""
        locked = self.lock.of(files)
        return replace(files, revision=locked.commit) if locked else files

    def _checked_plan(self, files: ModelFiles, model: PlannedModel) -> PlannedModel:
        """Return a plan under its revision's name; with a problem if it contradicts the lock."""
        if not (locked := self.lock.of(files)):
            return model
        known = {
            each.name: Proof(each.size, each.etag)
            for each in model.required
            if is_sha256(each.etag)
        }
        held = {name: proof for name, (_, proof) in model.held.items()}
        wrong = locked.contradiction(known | held)
        confirmed = held.keys() & locked.files.keys()
        required = (
            replace(each, unconfirmed=each.unconfirmed and each.name not in confirmed)
            for each in model.required
        )
        return replace(
            _renamed(model, files),
            required=tuple(required),
            problem=model.problem or (_unlike_lock(files, wrong) if wrong else None),
        )

    def _checked_outcome(self, files: ModelFiles, outcome: Fetched) -> Fetched:
        """Return an outcome under its revision's name; an error if it contradicts the lock."""
        locked = self.lock.of(files)
        if not locked or not isinstance(outcome, VerifiedModel):
            return outcome
        proofs = {name: proof for name, (_, proof) in outcome.files.items()}
        if wrong := locked.contradiction(proofs):
            return _unlike_lock(files, wrong)
        return replace(outcome, revision=files.revision)

    def plan(
        self,
        models: Iterable[ModelFiles],
        *,
        max_download: int | None = None,
        places: Mapping[ModelFiles, OtherPlaces] | None = None,
    ) -> Plan:
        """Verify the models on this machine, and plan the downloads of the others.

        Models that the project makes itself are made first, unless they are there and intact. An
        error of a model is its `problem`, and is not raised. `max_download`, in bytes, and the room
        on the disk are given to the smallest models first. Each incomplete model takes one request.
        A file that is already in one of `places`, with the right content, is not downloaded.
        """
        distinct = tuple(dict.fromkeys(models))
        made = {files: embedded.make(files) for files in distinct if files.embedded}
        if len(made) == len(distinct):
            return Plan(tuple(made.values()), None)
        hosted = [files for files in distinct if files not in made]
        try:
            cache = self.settings.cache
        except ModelError as error:
            for files in hosted:
                problem = type(error)(f"{files}: {error}", str(error))
                made[files] = PlannedModel(files, Inspection(files, None, {}), problem=problem)
            return Plan(tuple(made[files] for files in distinct), None)
        with threads(self.settings.workers) as (pool, cancelled):
            looks = {
                files: pool.submit(
                    self._hosted.plan,
                    self._at_locked_commit(files),
                    cancelled,
                    (places or {}).get(files, {}),
                    self.lock.of(files),
                )
                for files in hosted
            }
            planned = made | {
                files: self._checked_plan(files, look.result()) for files, look in looks.items()
            }
        free: int | None
        try:
            free = shutil.disk_usage(existing(cache)).free
            left_out = without_room(planned.values(), max_download, free, cache)
        except OSError as error:
            free, left_out = None, _without_known_room(planned.values(), cache, error)
        for files, problem in left_out.items():
            explained = self._hosted.explained(planned[files].local, problem)
            planned[files] = replace(planned[files], problem=explained)
        return Plan(tuple(planned[files] for files in distinct), free)

    def fetch(self, plan: Plan, watcher: Watcher | None = None) -> FetchedModels:
        """Download what the plan says; return the outcome of each model.

        An error only affects its own model. Its verified files are kept for the next run, but its
        revision is not moved to a commit whose files are incomplete.
        """
        outcomes: FetchedModels = {}
        asked = {model.files: self._at_locked_commit(model.files) for model in plan.to_fetch}
        if asked:
            models = [_renamed(model, asked[model.files]) for model in plan.to_fetch]
            fetched = self._hosted.fetch(models, watcher or Watcher())
            for files, requested in asked.items():
                outcomes[files] = self._checked_outcome(files, fetched[requested])
        for model in plan.models:
            if model.files not in outcomes:
                outcomes[model.files] = model.problem or model.local.verified()
        return outcomes

    def prepare(self, files: ModelFiles, watcher: Watcher | None = None) -> VerifiedModel:
        """Return a verified model, fetching what is missing or corrupt.

        Raises:
            Unavailable: The model cannot be fetched here and now.
            RepoError: The host has no such repo, revision or file.
            VerificationError: A file is wrong, and could not be replaced.
        """
        outcome = self.fetch(self.plan([files]), watcher)[files]
        if isinstance(outcome, VerifiedModel):
            return outcome
        raise outcome


def _without_known_room(
    models: Iterable[PlannedModel], cache: Path, error: OSError
) -> dict[ModelFiles, Unavailable]:
    """Return each model that needs room → its error, as the disk does not say how much it has."""
    cause = (
        f"expected the disk of {cache} to say how much room it has, got {error.strerror or error}; "
        "set HF_HUB_CACHE to a folder on another disk"
    )
    return {
        model.files: Unavailable(f"{model.files}: {cause}", cause) for model in models if model.room
    }


def _renamed(model: PlannedModel, files: ModelFiles) -> PlannedModel:
    """Return the same plan for `files`, the same model under another name of its revision."""
    return replace(model, files=files, local=replace(model.local, files=files))


def _unlike_lock(files: ModelFiles, wrong: str) -> VerificationError:
    """Return the error of a model that differs from the lock."""
    return VerificationError(
        f"{files}: {wrong}; if the lock is wrong, take this model out of it and write it anew with "
        "--lock-models"
    )
