"""A plugin of tox: each extra of pyproject.toml has an environment of its name.

What runs there is [testenv:library] in tox.ini. The environment `libraries` installs every extra.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tox.config.loader.memory import MemoryLoader
from tox.plugin import impl
from tox.tox_env.python.pip.req_file import PythonDeps

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = tuple(PROJECT["optional-dependencies"])


def every_lock() -> str:
    """Return the lines that install everything, a lock that allows a source distribution last.

    Any lock after it would forbid source distributions again. A new extra has no lock yet when
    `tox -e lock` is to write it.
    """
    locks = [ROOT / "requirements" / f"{extra}.txt" for extra in EXTRAS]
    locks.sort(key=lambda lock: lock.exists() and "--no-binary" in lock.read_text(encoding="utf-8"))
    return "\n".join(f"-r requirements/{lock.name}" for lock in [Path("tests.txt"), *locks])


@impl
def tox_extend_envs() -> tuple[str, ...]:
    """Name the environments."""
    return EXTRAS


@impl
def tox_add_core_config(core_conf: Any, state: Any) -> None:  # noqa: ARG001 - the hook's signature
    """Say what they are made of."""
    loaders = state.conf.memory_seed_loaders
    for extra in EXTRAS:
        loaders[extra].append(MemoryLoader(base=["testenv:library"]))
    loaders["libraries"].append(MemoryLoader(deps=PythonDeps(every_lock(), ROOT)))
