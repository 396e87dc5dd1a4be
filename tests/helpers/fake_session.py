"""As much of a session of pytest as the pre-fetch and the check of models deal with."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from _pytest._io import TerminalWriter

from whisper_speedtest.session.models import prefetch

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.hub.store import Store

DEFAULTS: dict[str, Any] = {
    "check_models": None,
    "collectonly": False,
    "continue_on_collection_errors": False,
    "lock_models": False,
    "max_download": 10**12,
    "max_others": 0.1,
    "against": None,
    "audio": [],
    "budget": None,
    "calls": None,
    "cold_files": False,
    "corpus": [],
    "baseline": None,
    "fail_slower": None,
    "head_to_head": False,
    "keyword": "",
    "markexpr": "",
    "minutes": None,
    "offline": False,
    "pause": None,
    "prefetch_only": False,
    "processes": None,
    "refresh": False,
    "resume": None,
    "shard": None,
}


class FakeSession:
    """A session and its config in one, with the options that are given and a screen of its own."""

    def __init__(self, store: Store | None = None, *, failed: int = 0, **options: Any) -> None:
        self.config = self
        self.items: list[pytest.Item] = []
        self.args = ["benchmarks"]
        self.testsfailed = failed
        self.exitstatus = 0
        self.pluginmanager = SimpleNamespace()
        self.stash = pytest.Stash()
        if store:
            self.stash[prefetch.STORE] = store
        self.invocation_params = SimpleNamespace(args=("benchmarks",), dir=Path("/here"))
        self.rootpath = Path("/here")
        self._options = {**DEFAULTS, **options}
        self._screen = io.StringIO()
        self._out = TerminalWriter(self._screen)

    def set_options(self, **options: Any) -> None:
        """Change some options."""
        self._options |= options

    @property
    def as_config(self) -> pytest.Config:
        """This session, for those who take a config."""
        return cast("pytest.Config", self)

    def getoption(self, name: str, default: Any = pytest.UsageError) -> Any:
        """Return an option's value, or what is given for an option that is not there."""
        if default is not pytest.UsageError:
            return default
        return self._options[name.removeprefix("--").replace("-", "_")]

    def get_terminal_writer(self) -> TerminalWriter:
        """Return what writes on the screen."""
        return self._out

    @property
    def lines(self) -> list[str]:
        """What was written."""
        return self._screen.getvalue().splitlines()

    @property
    def real(self) -> pytest.Session:
        """This fake, for those who take a session."""
        return cast("pytest.Session", self)

    def fetch(self, *models: ModelFiles) -> None:
        """Do what is done before the first test."""
        prefetch.fetch(cast("pytest.Config", self), models)

    def model(self, files: ModelFiles) -> VerifiedModel:
        """Return what the fixture `model` gives."""
        return prefetch.session_model(cast("pytest.Config", self), files)
