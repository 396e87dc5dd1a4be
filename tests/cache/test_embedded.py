"""Models that the project makes itself: made once, verified each time, made anew when harmed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import BASE, failing, flip_bit, truncate
from tests.helpers.project import ROOT, child_environment
from tests.helpers.stores import read
from whisper_speedtest.cache import embedded
from whisper_speedtest.cache.hashes import is_sha1
from whisper_speedtest.cache.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
)
from whisper_speedtest.cache.plan import MARGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

MICRO = ModelFiles("embedded/micro-mlx-fp16", ("weights.npz", "config.json"))
CHECKPOINT = ROOT / "fixtures" / "models" / "micro" / "weights.npz"


@pytest.fixture(name="cache")
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which exports are kept; as in a fresh clone, even its parent is not there."""
    monkeypatch.setattr(embedded, "CACHE", tmp_path / "new" / "models")
    return tmp_path / "new" / "models"


@pytest.fixture(name="exports")
def _exports(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The exporters that were run: module, format and variant of each."""
    run, runs = subprocess.run, list[list[str]]()

    def note(command: list[str], **options: Any) -> Any:
        runs.append(command[2:5])
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", note)
    return runs


def made(files: ModelFiles = MICRO) -> VerifiedModel:
    """Return an embedded model, made if need be."""
    return embedded.inspect(files).verified()


def problem(files: ModelFiles = MICRO) -> ModelError:
    """Return why an embedded model cannot be had."""
    planned = embedded.plan(files)
    assert planned.problem is not None
    return planned.problem


def test_export_is_the_checkpoint_and_named_by_its_hash(cache: Path) -> None:
    """The unquantised export has the checkpoint's bytes; no link leads out of the cache."""
    model = made()

    digest = hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    path, proof = model.files["weights.npz"]
    assert (model.repo, model.revision, model.commit) == (MICRO.repo, "main", digest)
    assert (proof.size, proof.sha256) == (CHECKPOINT.stat().st_size, digest)
    assert read(model)["weights.npz"] == CHECKPOINT.read_bytes()
    assert list(model.files) == list(MICRO.files)
    assert path.resolve().is_relative_to(cache)


def test_intact_export_is_not_made_again(cache: Path, exports: list[list[str]]) -> None:
    """It is made by the exporter of its checkpoint, told its format and variant, and then kept."""
    first = made()
    again = made()

    assert cache.is_dir()
    assert again == first
    assert exports == [["fixtures.models.micro.export", "mlx", "fp16"]]


def test_export_of_which_nothing_is_recorded_is_made_anew(
    cache: Path, exports: list[list[str]]
) -> None:
    """Its blobs may be named by their own hashes, and hold any other weights."""
    first = made()
    (manifest,) = cache.glob("*/.speedtest/*.json")
    manifest.unlink()

    assert made() == first
    assert len(exports) == 2
    assert manifest.is_file()


def test_models_of_one_export_share_it(cache: Path, exports: list[list[str]]) -> None:
    """Asked for at once, for different files, it is made once."""
    models = [MICRO, *(replace(MICRO, files=(name,)) for name in MICRO.files)] * 2

    with ThreadPoolExecutor(len(models)) as pool:
        found = list(pool.map(made, models))

    assert [tuple(model.files) for model in found] == [files.files for files in models]
    assert len(exports) == 1
    assert len(list(cache.iterdir())) == 1


def test_processes_at_once_make_one_export(tmp_path: Path) -> None:
    """Of several processes that need an export, one makes it, and none takes it from another."""
    script = (
        "import sys; from pathlib import Path; from adapters.base import ModelFiles;"
        "from whisper_speedtest.cache import embedded; embedded.CACHE = Path(sys.argv[1]);"
        "made = []; export = embedded._export;"
        "embedded._export = lambda *args: (made.append(1), export(*args));"
        f"embedded.inspect({MICRO!r}).verified(); print(len(made))"
    )

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "models")],
            cwd=ROOT, env=child_environment(), stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    exports = [process.communicate()[0].strip() for process in processes]

    assert sorted(exports) == ["0", "0", "0", "1"], "exports by process; one of them was to make it"


def test_variants_have_exports_of_their_own(cache: Path) -> None:
    """A quantised variant is another model, in another folder."""
    fp16, quantised = made(), made(replace(MICRO, repo="embedded/micro-mlx-4bit"))

    assert fp16.files["weights.npz"][1] != quantised.files["weights.npz"][1]
    assert fp16.commit == quantised.commit
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "harm",
    [flip_bit, truncate, lambda path: path.resolve().unlink(), lambda path: path.unlink()],
    ids=["bit-flipped", "cut", "blob-gone", "link-gone"],
)
def test_harmed_export_is_made_anew(
    cache: Path, exports: list[list[str]], harm: Callable[[Path], object]
) -> None:
    """What is not there to the last byte is exported again, and nothing is left lying about."""
    harm(made().files["weights.npz"][0])

    model = made()

    assert read(model)["weights.npz"] == CHECKPOINT.read_bytes()
    assert len(exports) == 2
    assert list(cache.rglob("staging-*")) == []


def test_other_versions_of_the_exporters_packages_are_another_export(
    cache: Path, exports: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that may write other bytes after an upgrade is part of the export's key."""
    made()
    monkeypatch.setattr(embedded, "version", lambda package: f"{package} of tomorrow")

    made()

    assert cache.is_dir()
    assert len(exports) == 2


def test_key_is_of_all_that_decides_on_the_bytes_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoint, config, exporter, each format and each package's version; it is like a commit."""
    versions = {"one": "1", "two": "2"}
    monkeypatch.setattr(embedded, "version", versions.__getitem__)
    names = ["weights.npz", "config.json", "export.py", "formats/a.py", "formats/b.py"]
    for name in [*names, "README.md", "train.py"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")

    def key() -> str:
        return embedded._key(tmp_path, ["one", "two"])

    keys = [key()]
    for name in names:
        (tmp_path / name).write_text("changed", encoding="utf-8")
        keys.append(key())
    versions["two"] = "3"
    keys.append(key())

    assert len(set(keys)) == len(keys) == 7
    assert all(is_sha1(each) for each in keys)
    for name in ("README.md", "train.py"):
        (tmp_path / name).write_text("changed", encoding="utf-8")
        assert key() == keys[-1]


# What cannot be made


def test_exporter_that_fails_is_an_error_with_what_it_said(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit status and its last words are told, once; its files count as corrupt."""
    script = ["-c", "import sys; sys.exit('no room for weights')"]
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda _, **options: run([sys.executable, *script], **options)
    )

    error = problem()
    inspection = embedded.inspect(MICRO)

    assert type(error) is VerificationError
    assert "got exit status 1:\nno room for weights" in str(error)
    assert inspection.state == "corrupt"
    assert {fault.reason for fault in inspection.faults} == {str(error)}
    assert list(cache.rglob("staging-*")) == []


def test_package_that_is_not_installed_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model cannot be had here, which skips its tests; nothing is written."""

    def not_installed(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(embedded, "version", not_installed)

    error = problem()

    assert type(error) is Unavailable
    assert str(error) == f"{MICRO}: cannot be made, as mlx is not installed; install its extra"
    assert not cache.exists()


@pytest.fixture(name="unwritable")
def _unwritable(cache: Path) -> Iterator[Path]:
    """A place for models that cannot be written to, as in a checkout that may only be read."""
    embedded._temporary_folder.cache_clear()
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be", encoding="utf-8")
    yield cache
    embedded._temporary_folder.cache_clear()


def test_model_is_made_elsewhere_where_the_checkout_cannot_be_written_to(
    unwritable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one temporary folder, which all models share."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))

    made, again = embedded.plan(MICRO), embedded.plan(MICRO)

    assert made.problem is None
    assert made.local == again.local
    (folder,) = (tmp_path / "scratch").iterdir()
    for finding in made.local.findings.values():
        assert finding.state == "complete"
        assert finding.path.is_relative_to(folder)
    assert unwritable.is_file()


def test_folders_that_cannot_be_written_to_are_named(
    unwritable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model cannot be had here, and the message says where it was tried and what to do."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))

    error = problem()

    assert type(error) is Unavailable
    assert f"cannot be made in {unwritable}, nor in a temporary folder: " in str(error)
    assert "make one of them writable" in str(error)


def disks(monkeypatch: pytest.MonkeyPatch, free: Callable[[Path], int]) -> None:
    """Let each folder's disk say that it has so many bytes free."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: usage._replace(free=free(Path(folder)))
    )


@pytest.fixture(name="scratch")
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are made, of which there is none yet."""
    embedded._temporary_folder.cache_clear()
    (folder := tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    embedded._temporary_folder.cache_clear()


def test_room_is_looked_for_before_an_export(
    cache: Path, scratch: Path, exports: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last byte; where there is none, it is made elsewhere, and nothing stays behind."""
    disks(monkeypatch, lambda folder: MARGIN - folder.is_relative_to(cache))

    (path, _) = made().files["weights.npz"]

    assert path.is_relative_to(scratch)
    assert len(exports) == 1
    assert list(cache.rglob("staging-*")) == []
    assert [file for file in cache.rglob("*") if file.is_file()] == []


def test_disks_without_room_are_told_before_an_export(
    cache: Path, scratch: Path, exports: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is needed, what there is, and what to do."""
    disks(monkeypatch, lambda _: 1_500_000)

    error = problem()

    assert type(error) is Unavailable
    assert re.fullmatch(
        rf"{MICRO}: cannot be made in {cache}, nor in a temporary folder: .*No space left on "
        rf"device: expected 50\.0 MB free, got 1\.5 MB: '{scratch}/.*'; make one of them writable, "
        "or make room there",
        str(error),
    ), error
    assert exports == []


@pytest.mark.parametrize("how", ["full", "quota"])
@pytest.mark.usefixtures("scratch")
def test_disk_that_an_export_fills_is_no_fault_of_the_exporter(
    cache: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Another program may take the room meanwhile; how much a quota leaves, no system tells."""
    free, write = MARGIN, Path.write_bytes

    def fail(command: list[str], **_: Any) -> Any:
        nonlocal free
        free = 0 if how == "full" else MARGIN
        monkeypatch.setattr(Path, "write_bytes", failing(errno.EDQUOT) if how == "quota" else write)
        return subprocess.CompletedProcess(command, 1, "", "OSError: its own words")

    disks(monkeypatch, lambda _: free)
    monkeypatch.setattr(subprocess, "run", fail)

    error = problem()

    assert type(error) is Unavailable
    assert f"cannot be made in {cache}, nor in a temporary folder: " in str(error)
    told = {"full": "expected 50.0 MB free, got 0 bytes", "quota": os.strerror(errno.EDQUOT)}
    assert told[how] in str(error)
    assert "its own words" not in str(error)


@pytest.mark.parametrize(
    "repo",
    ["embedded/micro", "embedded/micro-mlx", "embedded/mikro-mlx-fp16", "embedded/micro-x-y"],
)
def test_name_of_no_model_is_an_error_that_shows_a_right_one(repo: str) -> None:
    """A checkpoint, a format and a variant are needed; the check map is at fault."""
    error = problem(replace(MICRO, repo=repo))

    assert type(error) is RepoError
    assert str(error).startswith(f"{repo}@main: expected embedded/CHECKPOINT-FORMAT-VARIANT")
    assert "fix the adapter's check map" in str(error)


@pytest.mark.parametrize(
    ("files", "lacking"),
    [
        (("weights.npz", "vocab.json"), "vocab.json"),
        (("b.json", "a.json"), "b.json, a.json"),
        ((), "file at all"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_file_that_no_export_has_is_named(files: tuple[str, ...], lacking: str) -> None:
    """A check map that names other files than the exporter makes is an error, and so is none."""
    error = problem(replace(MICRO, files=files))

    assert type(error) is RepoError
    assert f"fixtures.models.micro.export makes, and that is no {lacking};" in str(error)


# In the store


def test_store_plans_it_beside_models_of_a_hub(cache: Path, hub: Hub, store: Store) -> None:
    """It is complete at the plan, asks no host, downloads nothing, and keeps its place."""
    plan = store.plan([BASE, MICRO])
    outcomes = store.fetch(plan)

    assert [model.files for model in plan.models] == [BASE, MICRO]
    assert [model.files for model in plan.complete] == [MICRO]
    assert plan.free is not None
    assert outcomes[MICRO] == made()
    assert isinstance(outcomes[BASE], VerifiedModel)
    assert {request.repo for request in hub.requests} == {BASE.repo}
    assert cache.is_dir()


@pytest.mark.usefixtures("cache")
def test_store_tells_its_problem_as_any_models(store: Store) -> None:
    """One model's problem is no other's, and `prepare` raises it."""
    wrong = replace(MICRO, repo="embedded/micro-mlx-3bit")

    outcomes = store.fetch(store.plan([wrong, MICRO]))

    assert type(outcomes[wrong]) is VerificationError
    assert isinstance(outcomes[MICRO], VerifiedModel)
    with pytest.raises(VerificationError, match="micro-mlx-3bit: expected fixtures"):
        store.prepare(wrong)


def test_it_needs_no_hub_no_token_and_no_huggingface_hub() -> None:
    """Offline, and with an HF_HOME that cannot be, it is planned, inspected and prepared."""
    code = """
import sys
from adapters.base import ModelFiles
from whisper_speedtest.hub.store import Store
store = Store.from_environment()
files = ModelFiles("embedded/micro-mlx-fp16", ("weights.npz", "config.json"))
plan = store.plan([files])
print(plan.free, len(plan.complete), store.inspect(files).state, store.prepare(files).repo)
print([name for name in ("huggingface_hub", "httpx2", "psutil", "mlx") if name in sys.modules])
"""
    variables = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": "/dev/null/nowhere"}

    run = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.splitlines() == ["None 1 complete embedded/micro-mlx-fp16", "[]"]
