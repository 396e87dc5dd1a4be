"""The process in which a library loads a model online, while the files that it opens are recorded.

It is started as `python -P -m tests.consistency.loading_process ADAPTER fork|once`. It writes the
library's own table as a line of JSON. Then it answers each line `[case, folder, published]` on
standard input with a line `{"opened": {path: sha256}, "error": message or null}`. `published` maps
the sha256 of a stand-in to that of the file that it stands for; see `Sha256`.

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
"""Packages that open model files too, to compare weights and to keep the books of a download."""


def _the_file(path: Path) -> Iterator[Path]:
    yield path


def _ctranslate2_files(folder: Path) -> Iterator[Path]:
    """Source: CTranslate2, src/models/model.cc and src/vocabulary.cc."""
    yield folder / "config.json"
    yield folder / "model.bin"
    vocabularies = (folder / "vocabulary.json", folder / "vocabulary.txt")
    yield next(filter(Path.is_file, vocabularies), vocabularies[0])


class NativeReader(NamedTuple):
    """A function in C, C++ or Rust that opens what its first argument names.

    `name` is where it is found in `module`. `files` tells the files from the path that is given.
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
    """The files under a folder that the library has opened to read, not NOT_THE_LIBRARY.

    A file is hashed before the open returns, and goes by the path to which links lead. Python's
    opens raise an audit event. What C, C++ or Rust code opens does not, so that such a file is
    missed here, and the case fails, until its reader is one of NATIVE_READERS.
    """

    def __init__(self, folder: Path) -> None:
        self.hashes: dict[str, str] = {}
        self._folder = folder.resolve()
        self._hashing = False

    def watch(self) -> None:
        """Begin. Audit hooks cannot be taken out again, so this is for a process that ends soon."""
        sys.addaudithook(self._hear)
        for reader in NATIVE_READERS:
            if reader.module in sys.modules:
                _make_heard(reader)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or self._hashing or not isinstance(arguments[0], (str, bytes)):
            return
        path, _, flags = arguments
        file = Path(os.fsdecode(path)).resolve()
        reads = flags & os.O_ACCMODE == os.O_RDONLY
        if reads and file.is_relative_to(self._folder) and file.is_file() and _by_the_library():
            self._hashing = True
            digest = sha256(file.read_bytes()).hexdigest()
            self._hashing = False
            self.hashes[file.relative_to(self._folder).as_posix()] = digest


def _make_heard(reader: NativeReader) -> None:
    """Have each call raise the audit events that opens in Python would, wherever it is named."""
    *owners, name = reader.name.split(".")
    owner: Any = functools.reduce(getattr, owners, sys.modules[reader.module])
    native = getattr(owner, name)

    def heard(file: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(file, (str, os.PathLike)):
            for path in reader.files(Path(file)):
                sys.audit("open", str(path), "r", os.O_RDONLY)
        return native(file, *arguments, **options)

    if owners:
        setattr(owner, name, staticmethod(heard))
        return
    for module in list(sys.modules.values()):
        # Others may have imported it by name. Not getattr, for which lazy modules import more.
        if getattr(module, "__dict__", {}).get(name) is native:
            setattr(module, name, heard)


class Sha256:
    """Takes the place of `hashlib.sha256` for a library that checks what it has fetched.

    A stand-in cannot have the hash of the file that it stands for. The library, which would refuse
    it for that, is told the `published` hash (by the real one) of those, and the truth of the rest.
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


def _by_the_library() -> bool:
    """Tell by the nearest caller that is neither in this module nor in the standard library."""
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
    """Load a case in `folder` and return what was seen."""
    os.chdir(folder)
    Sha256.published = published
    hashlib.sha256 = Sha256  # type: ignore[assignment]
    opened = OpenedFiles(folder)
    error = None
    try:
        adapter.select_device("cpu", 1)
        opened.watch()
        adapter.mend(case)
        adapter.load(case)
    except Exception as problem:  # noqa: BLE001 - whatever a library raises is part of the answer
        traceback.print_exc()
        first_line, *_ = str(problem).splitlines() or [""]
        error = f"{type(problem).__name__}: {first_line}"
    return {"opened": opened.hashes, "error": error}


def ended(status: int) -> dict[str, Any]:
    """Return the answer of a process that gave none, from its exit status, as subprocess has it."""
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return {"opened": {}, "error": f"the process that loaded the model ended with {how}"}


def main() -> None:
    """Serve the process that started this one."""
    path, mode = sys.argv[1:]
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as answers:
        os.dup2(2, 1)  # what a library prints is no answer
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
