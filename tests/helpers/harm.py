"""Two stand-in models, and what can befall a file of theirs in the cache."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from adapters.base import ModelFiles

BASE = ModelFiles("mlx-community/whisper-base-mlx", ("weights.npz", "config.json"))
QUANTISED = ModelFiles("mlx-community/whisper-base-mlx-4bit", ("weights.npz", "config.json"))


def weights(seed: str, size: int = 300_000) -> bytes:
    """Bytes that look like nothing else."""
    return hashlib.shake_256(seed.encode()).digest(size)


def content(files: ModelFiles, edition: str = "", size: int = 300_000) -> dict[str, bytes]:
    """Return what the hub serves as the files of a model; `edition` tells commits apart.

    `size` is that of the weights, in bytes.
    """
    return {
        name: json.dumps({"of": files.repo, "edition": edition}).encode()
        if name.endswith(".json")
        else weights(f"{files.repo}/{name}{edition}", size)
        for name in files.files
    }


def flip_bit(path: Path) -> None:
    """Change one bit in the middle of a file, and nothing of its size and times."""
    with kept_times(path):
        changed = bytearray(path.read_bytes())
        changed[len(changed) // 2] ^= 1
        path.write_bytes(changed)


def truncate(path: Path) -> None:
    """Cut a file in half."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def put_other_variant(path: Path) -> None:
    """Put the other variant's file in place, with the times of the one before: `cp -p`."""
    with kept_times(path):
        path.write_bytes(content(QUANTISED)[path.name])


def replace_link(path: Path) -> None:
    """Put the other variant's file in place of the link itself."""
    path.unlink()
    path.write_bytes(content(QUANTISED)[path.name])


def link_elsewhere(path: Path) -> None:
    """Make the link one to another repo's file of the same name."""
    target = path.parents[3] / "elsewhere" / path.resolve().name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content(QUANTISED)[path.name])
    path.unlink()
    path.symlink_to(target)


def link_other_blob(path: Path) -> None:
    """Make the link one to another, intact blob of the same repo."""
    body = b"a file of another commit"
    blob = path.resolve().parent / hashlib.sha256(body).hexdigest()
    blob.write_bytes(body)
    path.unlink()
    path.symlink_to(blob)


def await_next_tick(folder: Path) -> None:
    """Wait until the system gives a file another time than it did: it counts in some ms."""
    (probe := folder / "probe").touch()
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == first:
        probe.chmod(0o600)


def notes_moves(folder: Path) -> bool:
    """Return whether the file system notes in a file that it was moved; POSIX leaves that open."""
    (probe := folder / "moved").touch()
    first = probe.stat().st_ctime_ns
    await_next_tick(folder)
    return probe.rename(folder / "moved, as a probe").stat().st_ctime_ns != first


def failing(code: int) -> Callable[..., NoReturn]:
    """Return a function of the system's that always fails."""

    def fail(*arguments: Any, **named: Any) -> NoReturn:  # noqa: ARG001
        raise OSError(code, os.strerror(code))

    return fail


@contextmanager
def kept_times(path: Path) -> Iterator[None]:
    """Set a file's times back when the block ends."""
    before = path.stat()
    yield
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


HARMS: tuple[Callable[[Path], None], ...] = (
    flip_bit,
    truncate,
    put_other_variant,
    replace_link,
    link_elsewhere,
    link_other_blob,
)


def written(path: Path) -> tuple[int, int, int, int]:
    """Return what changes when a file is written or replaced, which reading it does not change."""
    found = path.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
