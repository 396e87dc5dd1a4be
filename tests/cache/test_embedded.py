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
    return embedded.make(files).local.verified()


def problem(files: ModelFiles = MICRO) -> ModelError:
    """Return why an embedded model cannot be had."""
    planned = embedded.make(files)
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
    """An export is made by its checkpoint's exporter, told format and variant, and then kept."""
    first = made()
    again = made()

    assert cache.is_dir()
    assert again == first
    assert exports == [["fixtures.models.micro.export", "mlx", "fp16"]]


def test_export_of_which_nothing_is_recorded_is_made_anew(
    cache: Path, exports: list[list[str]]
) -> None:
    """An export without a manifest is made anew, as its blobs may hold any other weights."""
    first = made()
    (manifest,) = cache.glob("*/.speedtest/*.json")
    manifest.unlink()

    assert made() == first
    assert len(exports) == 2
    assert manifest.is_file()


def test_models_of_one_export_share_it(cache: Path, exports: list[list[str]]) -> None:
    """Models that need different files of one export at once make that export once."""
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
        f"embedded.make({MICRO!r}).local.verified(); print(len(made))"
    )

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "models")],
            cwd=ROOT, env=child_environment(), stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    exports = [process.communicate()[0].strip() for process in processes]

    assert sorted(exports) == ["0", "0", "0", "1"], (
        "expected one of the processes to export, and the others to share it"
    )


def test_variants_have_exports_of_their_own(cache: Path) -> None:
    """A quantised variant of a model has an export of its own, in a folder of its own."""
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
    """An export that is not there to the last byte is made anew, and no staging folder stays."""
    harm(made().files["weights.npz"][0])

    model = made()

    assert read(model)["weights.npz"] == CHECKPOINT.read_bytes()
    assert len(exports) == 2
    assert list(cache.rglob("staging-*")) == []


def test_other_versions_of_the_exporters_packages_are_another_export(
    cache: Path, exports: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other versions of the packages that write an export make it another export."""
    made()
    monkeypatch.setattr(embedded, "version", lambda package: f"{package} of tomorrow")

    made()

    assert cache.is_dir()
    assert len(exports) == 2


def test_key_is_of_all_that_decides_on_the_bytes_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export's key is made of checkpoint, config, exporter, formats and package versions."""
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
    """An exporter that fails is reported with its exit status and last words; nothing is left."""
    script = ["-c", "import sys; sys.exit('no room for weights')"]
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda _, **options: run([sys.executable, *script], **options)
    )

    error = problem()
    inspection = embedded.make(MICRO).local

    assert type(error) is VerificationError
    assert "got exit status 1:\nno room for weights" in str(error)
    assert inspection.state == "corrupt"
    assert {fault.reason for fault in inspection.faults} == {str(error)}
    assert list(cache.rglob("staging-*")) == []


def test_package_that_is_not_installed_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedded model whose package is not installed is unavailable, and nothing is written."""

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
    """Embedded models are made in one temporary folder where the checkout cannot be written to."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))

    made, again = embedded.make(MICRO), embedded.make(MICRO)

    assert made.problem is None
    assert made.local == again.local
    (folder,) = (tmp_path / "scratch").iterdir()
    for finding in made.local.findings.values():
        assert finding.state == "complete"
        assert finding.path.is_relative_to(folder)
    assert unwritable.is_file()


@pytest.mark.parametrize("cleaned", [False, True], ids=["kept", "cleaned"])
def test_temporary_folder_is_gone_when_the_process_has_ended(tmp_path: Path, cleaned: bool) -> None:
    """Nothing is said of it, also where whoever cleans temporary files was faster."""
    code = (
        "import shutil, sys; from whisper_speedtest.cache import embedded; "
        "folder = embedded._temporary_folder(); folder.mkdir(); print(folder); "
        "sys.argv[1:] == ['cleaned'] and shutil.rmtree(folder.parent)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code, *(["cleaned"] if cleaned else [])],
        cwd=ROOT, env=child_environment(TMPDIR=str(tmp_path)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")
    assert Path(ended.stdout.strip()).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_to_are_named(
    unwritable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedded model that can be made nowhere is unavailable, and both folders are named."""
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
    """An export that lacks one byte of room is made elsewhere, and no file of it stays behind."""
    disks(monkeypatch, lambda folder: MARGIN - folder.is_relative_to(cache))

    (path, _) = made().files["weights.npz"]

    assert path.is_relative_to(scratch)
    assert len(exports) == 1
    assert list(cache.rglob("staging-*")) == []
    assert [file for file in cache.rglob("*") if file.is_file()] == []


def test_disks_without_room_are_told_before_an_export(
    cache: Path, scratch: Path, exports: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export without room is refused with the bytes needed, the bytes free and what to do."""
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
    """A disk or a quota that an export fills is named as the reason, and not the exporter."""
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
    """An embedded repo's name that lacks checkpoint, format or variant is the check map's error."""
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
    """A check map that names no file, or one that the exporter does not make, is an error."""
    error = problem(replace(MICRO, files=files))

    assert type(error) is RepoError
    assert f"fixtures.models.micro.export makes, and that is no {lacking};" in str(error)


# In the store


def test_store_plans_it_beside_models_of_a_hub(cache: Path, hub: Hub, store: Store) -> None:
    """An embedded model is complete when it is planned, and no host is asked for it."""
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
    """One embedded model's problem is no other's, and `prepare` raises it."""
    wrong = replace(MICRO, repo="embedded/micro-mlx-3bit")

    outcomes = store.fetch(store.plan([wrong, MICRO]))

    assert type(outcomes[wrong]) is VerificationError
    assert isinstance(outcomes[MICRO], VerifiedModel)
    with pytest.raises(VerificationError, match="micro-mlx-3bit: expected fixtures"):
        store.prepare(wrong)


def test_it_needs_no_hub_no_token_and_no_huggingface_hub() -> None:
    """An embedded model can be had offline, with an unusable HF_HOME, without huggingface_hub."""
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
