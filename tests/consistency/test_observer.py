"""The observer sees what a library fetches, from anywhere, and opens, by whichever reader."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from contextlib import ExitStack, suppress
from functools import cache
from importlib.util import find_spec
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from adapters.base import Case, ModelFiles
from fixtures.hub import Hub
from tests.consistency.compare import RepoFile
from tests.consistency.loading_process import NATIVE_READERS, Sha256
from tests.consistency.observer import MODE, Mode, Observer, serve
from tests.consistency.own_addresses import (
    BY_URL,
    CONTENT,
    ON_THE_HUB,
    OTHER,
    OTHER_CONTENT,
    PUBLISHED,
    OwnAddresses,
)
from tests.consistency.published import folder_of
from tests.consistency.verdict import InconsistentError, check_load
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Protocol

    class ObserverIn(Protocol):
        """A function that returns the observer of OwnAddresses, in a mode."""

        def __call__(self, mode: Mode = ...) -> Observer: ...


MODES: tuple[Mode, Mode] = ("fork", "once")
OWN_ADDRESSES = "tests.consistency.own_addresses:OwnAddresses"
FILE_AT_URL = RepoFile(BY_URL.repo, PUBLISHED, "toy.pt")


def toy(variant: str) -> Case:
    """Return a case of OwnAddresses."""
    return Case("own-addresses", "tiny", variant)


@pytest.fixture(name="observer_in", scope="module")
def _observer_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObserverIn]:
    """A function that returns the observer of OwnAddresses; one for each mode."""
    with ExitStack() as stack:
        hub = stack.enter_context(Hub(https=True))
        models = {
            folder_of(entry): {file: CONTENT[file] for file in entry.files}
            for entry in (ON_THE_HUB, BY_URL)
        }
        sources = serve(hub, {**models, folder_of(OTHER): {"toy.pt": OTHER_CONTENT}})

        @cache
        def observer_in(mode: Mode = MODE) -> Observer:
            folder = tmp_path_factory.mktemp("library")
            return stack.enter_context(Observer(OWN_ADDRESSES, hub, sources, folder, mode))

        yield observer_in


# How many processes there are


def loading_processes() -> int:
    """Return how many children of this process load models, or are about to.

    Those that such a child forks for a load are not counted: one may be ending when its answer is
    there.
    """
    import psutil

    running = 0
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has ended since it was listed, or on macOS is about to
            running += "tests.consistency.loading_process" in child.cmdline()
    return running


@pytest.mark.parametrize("mode", MODES)
def test_processes_of_all_observers_are_few_on_any_number_of_cores(
    mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several libraries on 64 cores start no more than four at once, and each of them answers."""
    if mode not in {MODE, "once"}:
        pytest.skip("macOS frameworks do not survive a fork")
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    most = 0
    with ExitStack() as stack:
        hub = stack.enter_context(Hub(https=True))
        sources = serve(hub, {folder_of(ON_THE_HUB): CONTENT})
        before = loading_processes()
        observers = []
        for number in range(5 if mode == "fork" else 2):
            (folder := tmp_path / str(number)).mkdir()
            observer = Observer(OWN_ADDRESSES, hub, sources, folder, mode)
            observers.append(stack.enter_context(observer))
        for observer in [*observers, observers[0]]:
            assert observer.table == OwnAddresses().model_table()
            assert observer.observe(toy("on-the-hub")).error is None
            most = max(most, loading_processes() - before)

    assert 1 <= most <= 4, f"expected four loading processes at once at most, got {most}"
    assert loading_processes() == before


# What a library fetches


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("variant", ["on-the-hub", "by-url", "tries-more"])
def test_library_with_addresses_of_its_own_passes(
    variant: str, mode: Mode, observer_in: ObserverIn
) -> None:
    """A library with a fixed address, or with a hash in it, or that asks for missing files, passes.

    It does so twice, as each case has a home of its own, in which nothing lies yet.
    """
    if mode not in {MODE, "once"}:
        pytest.skip("macOS frameworks do not survive a fork")

    for _ in range(2):
        check_load(toy(variant), OwnAddresses, observer_in(mode).observe(toy(variant)))


def test_home_is_the_folder_of_the_case(observer_in: ObserverIn) -> None:
    """A home that the library looks up during its import is the folder of the case it loads."""
    observed = observer_in().observe(toy("by-url"))

    assert observed.fetched == {FILE_AT_URL}
    assert observed.opened == {".cache/own-addresses/toy.pt": FILE_AT_URL}


@pytest.mark.parametrize(
    ("variant", "complaints"),
    [
        ("other-hash", [f"checked {BY_URL.repo}@{PUBLISHED} but loads {OTHER.repo}@{'6' * 64}"]),
        ("other-bytes", ["the load failed: RuntimeError: the SHA256 checksum does not match"]),
        ("moved", ["nothing was fetched", "the load failed: RuntimeError: the SHA256"]),
    ],
)
def test_other_address_is_found(
    variant: str, complaints: list[str], observer_in: ObserverIn
) -> None:
    """A file that is fetched by another hash or from another address is named.

    The library's own check of the hash still works, though stand-ins pass it.
    """
    with pytest.raises(InconsistentError) as found:
        check_load(toy(variant), OwnAddresses, observer_in().observe(toy(variant)))

    for complaint in complaints:
        assert complaint in str(found.value)


def test_files_of_the_same_content_are_refused() -> None:
    """Two files of the same content are an error, as a hash would not say which was opened."""
    models = {"org/a": {"config.json": b"{}"}, "org/b": {"config.json": b"{}"}}

    with pytest.raises(ValueError, match=r"org/b.* has the content of .*org/a.*make them differ"):
        serve(Hub(), models)


def test_folder_of_an_entry_is_where_its_files_are() -> None:
    """The folder of an entry is the repo's id, or the URL above its file."""
    assert folder_of(ModelFiles("org/a", ("x",))) == "org/a"
    assert folder_of(BY_URL) == f"https://models.example.org/toys/{PUBLISHED}"


# What a library hashes


def test_stand_in_has_the_hash_that_it_is_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in gets the published hash, whole or in pieces; other content keeps its own."""
    real = hashlib.sha256(b"stand-in").hexdigest()
    monkeypatch.setattr(Sha256, "published", {real: PUBLISHED})
    pieces = Sha256()
    for piece in (b"stand", b"-in"):
        pieces.update(piece)

    assert Sha256(b"stand-in").hexdigest() == pieces.hexdigest() == PUBLISHED
    assert pieces.digest() == bytes.fromhex(PUBLISHED)
    assert Sha256(b"other").hexdigest() == hashlib.sha256(b"other").hexdigest()
    assert Sha256(b"", usedforsecurity=False).digest_size == 32
    assert hmac.new(b"k", b"m", Sha256).digest() == hmac.new(b"k", b"m", "sha256").digest()


# What a library opens

TOKENIZER: dict[str, object] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
}
SAFETENSORS = (2).to_bytes(8, "little") + b"{}"
"""A file without any tensor."""

CALLS = {
    "mlx.core": ("import mlx.core as mx", "mx.load('a.safetensors')"),
    "_pywhispercpp": (
        "import _pywhispercpp as pw",
        "pw.whisper_init_from_file_with_params('a.bin', pw.whisper_context_default_params())",
    ),
    "ctranslate2.models": ("import ctranslate2", "ctranslate2.models.Whisper('.')"),
    "tokenizers": (
        "from tokenizers import Tokenizer as Renamed",
        "Renamed.from_file('tokenizer.json')",
    ),
    "safetensors": (
        "from safetensors import safe_open",
        "safe_open('a.safetensors', framework='np')",
    ),
}
"""module → its import, and a call that opens files; some of these calls fail after that."""

READ = {
    "mlx.core": {"a.safetensors"},
    "_pywhispercpp": {"a.bin"},
    "ctranslate2.models": {"config.json", "model.bin", "vocabulary.json"},
    "tokenizers": {"tokenizer.json"},
    "safetensors": {"a.safetensors"},
}
FILES = {
    "a.safetensors": SAFETENSORS,
    "b.safetensors": SAFETENSORS,
    "a.bin": b"no ggml",
    "model.bin": b"no model",
    "config.json": b"{}",
    "vocabulary.json": b"[]",
    "vocabulary.txt": b"a",
    "tokenizer.json": json.dumps(TOKENIZER).encode(),
}


def opened(folder: Path, imports: str, calls: str) -> Mapping[str, str]:
    """Run `calls` in `folder` in a new process; return path → sha256 of the files that they open.

    An exception ends the calls, and is ignored.
    """
    code = f"""
        import json, pathlib
        from contextlib import suppress
        from tests.consistency.loading_process import OpenedFiles
        {imports}
        seen = OpenedFiles(pathlib.Path())
        seen.watch()
        with suppress(Exception):
            {calls}
        print(json.dumps(seen.hashes))
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.PIPE,
    )
    hashes: Mapping[str, str] = json.loads(done.stdout.splitlines()[-1])
    return hashes


def test_every_reader_is_tried() -> None:
    """Each native reader of files has a call and an expectation among these tests."""
    assert [reader.module for reader in NATIVE_READERS] == [*CALLS] == [*READ]


@pytest.mark.parametrize("module", CALLS)
def test_native_reader_is_seen(module: str, tmp_path: Path) -> None:
    """A file that C, C++ or Rust code opens is recorded with its hash."""
    if find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"{module} is not installed")
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)

    got = opened(tmp_path, *CALLS[module])

    assert got == {name: hashlib.sha256(FILES[name]).hexdigest() for name in READ[module]}


@pytest.mark.torch
def test_reader_that_others_imported_by_name_is_seen(tmp_path: Path) -> None:
    """A native reader that safetensors or transformers has imported by name is seen."""
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    imports = "import safetensors.torch as own, transformers.modeling_utils as theirs"

    calls = "own.load_file('a.safetensors'); theirs.load_state_dict('b.safetensors')"

    got = opened(tmp_path, imports, calls)

    assert set(got) == {"a.safetensors", "b.safetensors"}


def test_vocabulary_may_be_a_text_file(tmp_path: Path) -> None:
    """Where there is no vocabulary.json, CTranslate2 opens vocabulary.txt."""
    if find_spec("ctranslate2") is None:
        pytest.skip("ctranslate2 is not installed")
    for name in ("model.bin", "config.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes(FILES[name])

    got = opened(tmp_path, *CALLS["ctranslate2.models"])

    assert set(got) == {"model.bin", "config.json", "vocabulary.txt"}


def test_file_goes_by_the_path_to_which_links_lead(tmp_path: Path) -> None:
    """A file of the hub cache is recorded once, as its blob, by whichever path it is opened.

    Files outside of the folder and files that are opened to write are not recorded.
    """
    folder = tmp_path / "case"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "etag").write_bytes(b"weights")
    (folder / "link").symlink_to("blobs/etag")
    (tmp_path / "outside").write_bytes(b"")
    (folder / "away").symlink_to("../outside")
    reads = "[open(name).read() for name in ('link', 'blobs/etag', 'away')]; open('new', 'w')"

    got = opened(folder, "import builtins", reads)

    assert got == {"blobs/etag": hashlib.sha256(b"weights").hexdigest()}
