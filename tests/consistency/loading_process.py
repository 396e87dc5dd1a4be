"""The process in which a library loads a model online, while the files that it opens are recorded.

It is started as `python -P -m tests.consistency.loading_process ADAPTER fork|once`. It writes the
library's own table as a line of JSON. Then it answers each line `[case, folder, published]` on
standard input with a line `{"opened": {path: sha256}, "error": message or null, "dimensions": what
the library tells of the model in memory, or null}`. `published` maps the sha256 of a stand-in to
that of the file that it stands for; see `Sha256`.

With `fork`, each model is loaded by a child forked from this process, which has imported the
library and done nothing else; with `once`, by this process itself, which then ends.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from hashlib import sha256  # the real one, whatever hashlib.sha256 is made to be
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from adapters import load_adapter
from adapters.base import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from adapters.base import Adapter

NOT_THE_LIBRARY = {"adapters", "huggingface_hub"}
"""Packages whose own opens do not count: they verify weights and manage the hub cache."""


def _the_file(path: Path) -> Iterator[Path]:
    yield path


def _ctranslate2_files(folder: Path) -> Iterator[Path]:
    """Yield what CTranslate2 opens in a model's folder.

    Source: CTranslate2, src/models/model.cc and src/vocabulary.cc.
    """
    yield folder / "config.json"
    yield folder / "model.bin"
    vocabularies = (folder / "vocabulary.json", folder / "vocabulary.txt")
    yield next(filter(Path.is_file, vocabularies), vocabularies[0])


class NativeReader(NamedTuple):
    """A function in C, C++ or Rust that opens the file, or the files in the folder, it is given.

    `name` is its name in `module`. `files` returns what it opens, from its first argument.
    """

    module: str
    name: str
    files: Callable[[Path], Iterator[Path]] = _the_file


NATIVE_READERS = (
    NativeReader("mlx.core", "load"),
    NativeReader("_pywhispercpp", "whisper_init_from_file_with_params"),
    NativeReader("ctranslate2.models", "Whisper", _ctranslate2_files),
    NativeReader("tokenizers", "Tokenizer.from_file"),
    NativeReader("safetensors", "safe_open"),
)


class OpenedFiles:
    """Records the files under a folder that the library opens to read: path → sha256.

    A file is hashed at the moment when it is opened, and its path is the one to which links lead.
    An open in Python raises an audit event. One in C, C++ or Rust does not: such a file is missed
    here, and the case fails, until the function that opens it stands in NATIVE_READERS.
    """

    def __init__(self, folder: Path) -> None:
        self.hashes: dict[str, str] = {}
        self._folder = folder.resolve()
        self._hashing = False

    def watch(self) -> None:
        """Begin, and go on until the process ends, as audit hooks cannot be removed."""
        sys.addaudithook(self._on_event)
        announce_native_opens()

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or self._hashing or not isinstance(arguments[0], (str, bytes)):
            return
        path, _, flags = arguments
        file = Path(os.fsdecode(path)).resolve()
        reads = flags & os.O_ACCMODE == os.O_RDONLY
        if reads and file.is_relative_to(self._folder) and file.is_file() and _library_is_calling():
            self._hashing = True
            digest = sha256(file.read_bytes()).hexdigest()
            self._hashing = False
            self.hashes[file.relative_to(self._folder).as_posix()] = digest


def announce_native_opens() -> None:
    """Make each call of a native reader, of a module that is imported, raise audit events."""
    for reader in NATIVE_READERS:
        if reader.module in sys.modules:
            _announce_opens(reader)


def _announce_opens(reader: NativeReader) -> None:
    """Make each call of a native reader raise the audit events of opens in Python."""
    *owners, name = reader.name.split(".")
    owner: Any = functools.reduce(getattr, owners, sys.modules[reader.module])
    native = getattr(owner, name)

    def announced(file: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(file, (str, os.PathLike)):
            for path in reader.files(Path(file)):
                sys.audit("open", str(path), "r", os.O_RDONLY)
        return native(file, *arguments, **options)

    if owners:
        setattr(owner, name, staticmethod(announced))
        return
    for module in list(sys.modules.values()):
        # Other modules may have imported the function by name. Lazy modules answer getattr with
        # an import, so that their dictionary is asked instead.
        if getattr(module, "__dict__", {}).get(name) is native:
            setattr(module, name, announced)


class Sha256:
    """Takes the place of `hashlib.sha256`, for libraries that check the hash of what they fetch.

    A stand-in does not have the hash of the file that it stands for, so a library would refuse it.
    Of the stand-ins in `published` (own hash → published hash) the library is told the published
    hash, and of everything else the true one.
    """

    published: ClassVar[Mapping[str, str]] = {}

    def __init__(self, data: bytes = b"", **options: Any) -> None:
        self._real = sha256(data, **options)

    def hexdigest(self) -> str:
        """Return the hash, as hashlib's does."""
        digest = self._real.hexdigest()
        return self.published.get(digest, digest)

    def digest(self) -> bytes:
        """Return the hash, as hashlib's does."""
        return bytes.fromhex(self.hexdigest())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _library_is_calling() -> bool:
    """Tell whether the nearest caller that is not the standard library's is the library's code."""
    frame: FrameType | None = sys._getframe()
    while frame:
        package = frame.f_globals["__name__"].partition(".")[0]
        if frame.f_code.co_filename != __file__ and package not in sys.stdlib_module_names:
            return package not in NOT_THE_LIBRARY
        frame = frame.f_back
    return False


def load(
    adapter: Adapter, case: Case, folder: Path, published: Mapping[str, str]
) -> dict[str, Any]:
    """Load a case in `folder`; return what was opened, its dimensions, and the error if any."""
    os.chdir(folder)
    Sha256.published = published
    hashlib.sha256 = Sha256  # type: ignore[assignment]
    opened = OpenedFiles(folder)
    error = dimensions = None
    try:
        adapter.select_device("cpu", 1)
        opened.watch()
        adapter.mend(case)
        adapter.load(case)
        dimensions = adapter.dimensions(case)
    except Exception as problem:  # noqa: BLE001 - whatever a library raises is part of the answer
        traceback.print_exc()
        first_line, *_ = str(problem).splitlines() or [""]
        error = f"{type(problem).__name__}: {first_line}"
    told = asdict(dimensions) if dimensions else None
    return {"opened": opened.hashes, "error": error, "dimensions": told}


def ended(status: int) -> dict[str, Any]:
    """Return the answer for a process that gave none: `status` is subprocess's return code."""
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    error = f"the process that loaded the model ended with {how}"
    return {"opened": {}, "error": error, "dimensions": None}


def main() -> None:
    """Answer the process that started this one, until its input ends."""
    path, mode = sys.argv[1:]
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as answers:
        os.dup2(2, 1)  # what a library prints goes to standard error: it is no answer
        adapter = load_adapter(path)()
        print(json.dumps(adapter.model_table()), file=answers)
        adapter.import_library()
        for line in sys.stdin:
            case, folder, published = json.loads(line)
            child = os.fork() if mode == "fork" else 0
            if child == 0:
                seen = load(adapter, Case(*case), Path(folder), published)
                print(json.dumps(seen), file=answers)
                # No interpreter shutdown: a library's destructors may hang or abort.
                os._exit(0)
            if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                print(json.dumps(ended(status)), file=answers)


if __name__ == "__main__":
    main()
