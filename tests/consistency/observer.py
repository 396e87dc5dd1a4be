"""Has a library load models from a loopback hub, each in a process of its own, and observes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adapters.base import ModelFiles
from adapters.sizes import Dimensions
from tests.consistency.compare import RepoFile
from tests.consistency.loading_process import ended
from tests.consistency.verdict import Observation
from tests.helpers.project import ROOT
from whisper_speedtest.engine.environment import sealed_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from adapters.base import Case, Table
    from fixtures.hub import Hub

Mode = Literal["fork", "once"]

MODE: Mode = "fork" if sys.platform == "linux" else "once"
"""A fork takes a tenth of the time of the imports, but macOS frameworks do not survive one."""

MOST_PROCESSES = 4
"""How many loading processes run at once, of all observers together, on any number of cores.

Each holds a library, of up to 500 MB, and two pipes; macOS lets a process have 256 files open.
"""

Sources = dict[str, RepoFile]
"""SHA-256 → the file that a hub serves with it."""


def serve(hub: Hub, models: Mapping[str, Mapping[str, bytes]]) -> Sources:
    """Put models (`folder_of` → file → content) on the hub's main branches, or at their URLs.

    Raises:
        ValueError: Two files have the same content, so their hash does not say which was opened.
    """
    sources: Sources = {}
    for folder, files in models.items():
        by_url = ModelFiles(folder, ()).by_url
        if not by_url:
            hub.add(folder, files)
        for file, content in files.items():
            url = f"{folder}/{file}"
            blob = hub.add_url(url, content) if by_url else hub.blob(folder, file)
            source = _file_at(url) if by_url else RepoFile(folder, "main", file)
            if (other := sources.setdefault(blob.sha256, source)) != source:
                raise ValueError(f"{source} has the content of {other}; make them differ")
    return sources


def _file_at(url: str) -> RepoFile:
    """Return the file at a URL, which is `{repo}/{revision}/{file}`."""
    return RepoFile(*url.rsplit("/", 2))


class Observer:
    """Has one library load cases online, and observes what it fetches and opens.

    It is a context: its processes run inside the `with` block only.
    """

    def __init__(
        self, adapter: str, hub: Hub, sources: Sources, folder: Path, mode: Mode = MODE
    ) -> None:
        """Observe the library of the adapter `module:class`, in a new `folder` of its own."""
        self._adapter = adapter
        self._hub = hub
        self._sources = sources
        self._published = {
            digest: source.revision
            for digest, source in sources.items()
            if ModelFiles(source.repo, ()).by_url
        }
        self._folder = folder
        self._home = folder / "home"
        self._mode = mode
        self._observed = 0

    def __enter__(self) -> Self:
        """Make the first folder; processes are started when they are needed."""
        self._new_folder()
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        for process in self._processes:
            process.end()

    @property
    def _processes(self) -> list[_Process]:
        """The running processes of this observer, the oldest first."""
        return [process for process in _running if process.owner is self]

    @cached_property
    def table(self) -> Table:
        """The library's own table, as the adapter reads it."""
        return self._process(1).table

    def observe(self, case: Case) -> Observation:
        """Have the library load a case in a clean process and a folder of its own."""
        self._observed += 1
        folder = self._new_folder()
        self._hub.clear()
        subject = [case.adapter, case.size, case.variant]
        process = self._process(1 if self._mode == "fork" else MOST_PROCESSES)
        seen = process.ask(subject, str(folder), self._published)
        if self._mode == "once":
            process.end()
        opened = {path: self._sources.get(digest) for path, digest in seen["opened"].items()}
        told = seen["dimensions"]
        dimensions = Dimensions(**told) if told else None
        return Observation(self._fetched(), opened, seen["error"], dimensions)

    def _new_folder(self) -> Path:
        """Make a folder for the next case, make it the library's home, and return it.

        A library may look up its home while it is imported, before there is a case. So the home is
        an absolute path to a link (platformdirs ignores a relative HOME), and the link is moved
        from folder to folder in one step, as other processes may be importing the library.
        """
        folder = self._folder / str(self._observed)
        folder.mkdir()
        link = self._folder / "next-home"
        link.symlink_to(folder.name)
        link.replace(self._home)
        return folder

    def _process(self, most: int) -> _Process:
        """Return the oldest process; up to `most` in all import while that one loads."""
        while len(self._processes) < min(os.cpu_count() or 1, most):
            self._start()
        return self._processes[0]

    def _start(self) -> None:
        """Start a process; where that is one too many, end the one that was started first."""
        while len(_running) >= MOST_PROCESSES:
            _running[0].end()
        environment = {
            **sealed_environment(self._folder),
            **self._hub.env(home=self._home / "huggingface"),
            "HOME": str(self._home),
            "PYTHONPATH": str(ROOT),
        }
        _Process(self, [self._adapter, self._mode], self._folder, environment)

    def _fetched(self) -> frozenset[RepoFile]:
        """Return the files that the hub served, on the branch for which a commit was looked up.

        A request for a file that is not there, as for an optional one, does not count.
        """
        named = {
            (request.repo, self._hub.commit(request.repo, revision)): revision
            for request in self._hub.requests
            if request.kind == "info" and request.repo and request.found
            if (revision := request.revision or "main")
        }
        return frozenset(
            RepoFile(repo, named.get((repo, revision), revision), file)
            for repo, revision, file in self._hub.downloads(found=True)
        ).union(map(_file_at, self._hub.urls(found=True)))


_running: list[_Process] = []
"""Of all observers, in the order in which they were started."""


class _Process:
    """A running tests/consistency/loading_process.py."""

    def __init__(
        self, owner: Observer, arguments: list[str], folder: Path, environment: dict[str, str]
    ) -> None:
        self.owner = owner
        self._log = folder / "observe.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.consistency.loading_process", *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        _running.append(self)

    @cached_property
    def table(self) -> Table:
        """The library's own table: the first line of the answers."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            log = self._log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"expected the library's own table, got no answer:\n{log[-2000:]}")
        table: Table = json.loads(line)
        return table

    def ask(self, *question: object) -> dict[str, Any]:
        """Ask it to load a case, and return its answer."""
        assert self.table is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else ended(self._process.wait())
        return answer

    def end(self) -> None:
        """Kill it, whatever it is doing."""
        _running.remove(self)
        self._process.kill()
        self._process.communicate()
