"""The journal: a file that takes each result as its test ends, one line of JSON each.

    {"format": "whisper-speedtest journal", "version": 1}
    {"version": 2, "test": "test_load[…]", "measure": "load", …}
    …

The first line says what the file is; each further one is a `Result`, as result.schema.json
describes it. A line is written at once and synced to the disk, so that a session which is killed
loses no result before that moment. A last line without a line break was cut when its session was
killed: it is no result, and the next session that writes to the file removes it.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from whisper_speedtest.common.files import flock, look_at
from whisper_speedtest.common.text import short
from whisper_speedtest.measure.result import Result, from_json, to_json

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

FORMAT = "whisper-speedtest journal"
VERSION = 1
HEADER = json.dumps({"format": FORMAT, "version": VERSION}).encode() + b"\n"
"""The first line of every journal."""

_RESULT_VERSION = {field.name: field.default for field in msgspec.structs.fields(Result)}["version"]
"""The version of results that this suite reads and writes."""

_MOST_SHOWN = 60
"""How many characters of a wrong line a message shows."""


class JournalError(Exception):
    """A file that is no journal, is damaged, or is being written by another session."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a journal holds."""

    results: tuple[Result, ...]
    """In the order in which they were written."""

    cut: int = 0
    """Bytes of a last line that was cut when its session was killed."""


def line_of(result: Result) -> bytes:
    """Return the line of a result, with its line break."""
    return json.dumps(to_json(result), allow_nan=False).encode() + b"\n"


def parse(content: bytes, name: str) -> Content:
    """Return what the bytes of a journal hold; `name` is what messages call the file.

    An empty file, and one with the beginning of a first line, are journals without results.

    Raises:
        JournalError: It is no journal, has another version, or a line in it is damaged.
    """
    *lines, rest = content.split(b"\n")
    if not lines:
        if not HEADER.startswith(rest):
            _refuse(name, 1, f"the first line of a journal, {_shown(HEADER)}", rest, "name another")
        return Content((), len(rest))
    _check_header(lines[0], name)
    results = [_result(line, number, name) for number, line in enumerate(lines[1:], start=2)]
    return Content(tuple(results), len(rest))


def read(path: Path) -> Content:
    """Return what is in a journal.

    Raises:
        JournalError: As `parse` does, or the file cannot be read.
    """
    try:
        look_at(path)
        if not path.is_file():
            what = "no plain file" if path.exists() else "none"
            raise JournalError(f"{path}: expected a journal, got {what}; name another file")
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise JournalError(
            f"{path}: expected a journal that can be read, got {error.strerror}; name another file"
        ) from error


class Journal:
    """Writes a journal, which no other session can write to while it is open.

    An existing file is added to, and never overwritten. A file that was made here and has got no
    result is removed when it is closed, with the folders that were made for it. Where the file
    system has no locks it stays, as another session may have it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        """The open file; None while it is closed."""

        self._is_made_for_nothing = False
        """Whether the file was made here, is locked, and has got no result yet."""

        self._made_folders: list[Path] = []
        """The folders that were made for it, the innermost first."""

    def open(self, *, must_be_new: bool = False) -> None:
        """Make the file and its folders, or open the one that is there, and lock it.

        Of an existing file, a last line that was cut is removed. If the journal is open already,
        nothing is done.

        Raises:
            JournalError: It is no journal, or another session writes to it.
            FileExistsError: It is there, although it must be new.
            OSError: It cannot be written.
        """
        if self._descriptor is not None:
            return
        folder = self.path.parent
        self._made_folders = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        try:
            descriptor = os.open(self.path, flags | os.O_EXCL, 0o666)
            is_new = True
        except FileExistsError:
            if must_be_new:
                raise
            descriptor = os.open(self.path, flags, 0o666)
            is_new = False
        self._descriptor = descriptor
        try:
            is_locked = self._lock(descriptor)
            self._is_made_for_nothing = is_new and is_locked
            self._make_whole(descriptor)
        except BaseException:
            self.close()
            raise

    def _lock(self, descriptor: int) -> bool:
        """Lock the file; return False where its file system has no locks.

        Raises:
            JournalError: Another session has locked it.
        """
        try:
            return flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(
                f"{self.path}: expected a journal that no other session writes to, got one that is "
                "in use; name another, or wait for that session to end"
            ) from None

    def _make_whole(self, descriptor: int) -> None:
        """Remove a last line that was cut, and write the first line where there is none."""
        content = read(self.path)
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, size - content.cut)
        if size == content.cut:
            _write(descriptor, HEADER)

    def append(self, result: Result) -> None:
        """Add a result, which is on the disk once this returns. If it fails, no part of it stays.

        Raises:
            JournalError, OSError: As `open` does.
        """
        self.open()
        assert self._descriptor is not None
        _write(self._descriptor, line_of(result))
        self._is_made_for_nothing = False

    def close(self) -> None:
        """Close the file, if it is open; remove it if it was made for nothing."""
        if self._descriptor is None:
            return
        if self._is_made_for_nothing:  # it is still locked, so no other session has written to it
            with suppress(OSError):
                self.path.unlink()
                for folder in self._made_folders:
                    folder.rmdir()
            self._is_made_for_nothing = False
        os.close(self._descriptor)
        self._descriptor = None


def _write(descriptor: int, line: bytes) -> None:
    """Add a whole line to a file, and sync it; if that fails or is interrupted, add nothing."""
    size = os.fstat(descriptor).st_size
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _check_header(line: bytes, name: str) -> None:
    """Raise JournalError unless this is the first line of a journal of our version."""
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        _refuse(name, 1, f"the first line of a journal, {_shown(HEADER)}", line, "name another")
    if header.get("version") != VERSION:
        what = f"a journal of version {VERSION}"
        _refuse(name, 1, what, line, "another version of this suite wrote it: name another")


def _result(line: bytes, number: int, name: str) -> Result:
    """Return the result in a line; `number` is that of the line, from 1, for messages.

    Decoding at once is fast, but does not say why it fails; only then it is done step by step.

    Raises:
        JournalError: It is no result of our version; the message says what is wrong with it.
    """
    with suppress(ValueError, RecursionError):
        return msgspec.json.decode(line, type=Result)
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        _refuse(name, number, "a result as JSON", line, "the file is damaged: name another")
    version = plain.get("version") if isinstance(plain, dict) else None
    if isinstance(version, int) and version != _RESULT_VERSION:
        what = f"a result of version {_RESULT_VERSION}"
        _refuse(name, number, what, line, "another version of this suite wrote it: name another")
    try:
        return from_json(plain)
    except ValueError as error:
        what = f"a result ({error})"
        remedy = "a newer version of this suite wrote it, or the file is damaged: name another"
        _refuse(name, number, what, line, remedy)


def _refuse(name: str, number: int, expected: str, got: bytes, remedy: str) -> NoReturn:
    """Raise JournalError for a line of the file that messages call `name`."""
    raise JournalError(f"{name}, line {number}: expected {expected}, got {_shown(got)}; {remedy}")


def _shown(line: bytes) -> str:
    """Return a line, or the beginning of a long one, in quotes."""
    return repr(short(line.decode(errors="replace"), _MOST_SHOWN))
