"""The store: plans, fetches and verifies models, wherever they come from.

    store = Store.from_environment()
    plan = store.plan(models, max_download=4_000_000_000)    # no byte is downloaded yet
    outcomes = store.fetch(plan, watcher)                    # ModelFiles → VerifiedModel or error
    model = store.prepare(files)                             # one model; raises the error

A model comes from the project itself, from a repo on the hub, or from a web server, as one file by
its URL and sha256. The errors are Unavailable (no network, no licence, no room), RepoError (the
check map names what the host has not) and VerificationError (wrong bytes).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from whisper_speedtest.hub import embedded
from whisper_speedtest.hub.cache import existing
from whisper_speedtest.hub.hosted import HostedModels, Watcher, threads
from whisper_speedtest.hub.inspection import Inspection
from whisper_speedtest.hub.model import ModelError, VerifiedModel
from whisper_speedtest.hub.plan import Plan, PlannedModel, without_room
from whisper_speedtest.hub.settings import HubSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.hosted import Outcomes, Places


class Store:
    """Where a session gets its models. Thread-safe.

    Keep one for a whole session, as it remembers a host that cannot be reached.
    """

    def __init__(self, settings: HubSettings | Callable[[], HubSettings]) -> None:
        """Describe the store; settings that are a function are read when first needed."""
        self._given = settings

    @classmethod
    def from_environment(cls, *, offline: bool = False) -> Self:
        """Return the store that huggingface_hub's own variables describe (HF_HUB_CACHE, ...).

        `offline` adds to HF_HUB_OFFLINE. For models that the project makes nothing of this is read,
        and huggingface_hub is not imported.
        """
        return cls(partial(HubSettings.from_environment, offline=offline))

    @cached_property
    def settings(self) -> HubSettings:
        """The hub cache, and the hub behind it; raises Unavailable where nothing can be read."""
        return self._given if isinstance(self._given, HubSettings) else self._given()

    @cached_property
    def _hosted(self) -> HostedModels:
        return HostedModels(self.settings)

    def inspect(self, files: ModelFiles) -> Inspection:
        """Return what there is of a model, every byte hashed; makes no request."""
        return embedded.inspect(files) if files.embedded else self._hosted.inspect(files)

    def plan(
        self,
        models: Iterable[ModelFiles],
        *,
        max_download: int | None = None,
        places: Mapping[ModelFiles, Places] | None = None,
    ) -> Plan:
        """Verify what is there, resolve the rest; never raises for a model, see `problem`.

        `max_download`, in bytes, goes to the smallest models first; so does the room on the disk.
        Makes requests only for models that are not complete, one for each. A file of theirs that
        lies in one of `places` with the right content is not downloaded.
        """
        distinct = tuple(dict.fromkeys(models))
        made = {files: embedded.plan(files) for files in distinct if files.embedded}
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
                    self._hosted.plan, files, cancelled, (places or {}).get(files, {})
                )
                for files in hosted
            }
            planned = made | {files: look.result() for files, look in looks.items()}
        free = shutil.disk_usage(existing(cache)).free
        for files, problem in without_room(planned.values(), max_download, free, cache).items():
            explained = self._hosted.explained(planned[files].local, problem)
            planned[files] = replace(planned[files], problem=explained)
        return Plan(tuple(planned[files] for files in distinct), free)

    def fetch(self, plan: Plan, watcher: Watcher | None = None) -> Outcomes:
        """Download what the plan says; return what became of each model.

        A failure concerns its own model alone. What was verified before one fails is kept for the
        next run, but a revision never comes to stand for a commit of which files are missing.
        """
        outcomes: Outcomes = {}
        if plan.to_fetch:
            outcomes |= self._hosted.fetch(plan.to_fetch, watcher or Watcher())
        for model in plan.models:
            if model.files not in outcomes:
                outcomes[model.files] = model.problem or model.local.verified()
        return outcomes

    def prepare(self, files: ModelFiles, watcher: Watcher | None = None) -> VerifiedModel:
        """Return a verified model, fetching what is missing or corrupt.

        Raises:
            Unavailable: It cannot be had here and now.
            RepoError: The host has no such repo, revision or file.
            VerificationError: Bytes are wrong, and could not be replaced by right ones.
        """
        outcome = self.fetch(self.plan([files]), watcher)[files]
        if isinstance(outcome, VerifiedModel):
            return outcome
        raise outcome
