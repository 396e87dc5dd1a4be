"""Files that are exchanged after their check are found: by the engine, or in a library's memory.

The engine hashes the files right before a load and right after it, and the adapter compares the
weights in memory with those of the files, and their dimensions with those of the size. What is
exchanged before the library opens it and put back before the second hash has the right bytes both
times; then the system has noted that the file, or the link to it, was changed.

What the engine finds by itself is shown with the toy library, and what is in memory with real ones.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY, files_of
from adapters.base import Case
from tests.helpers.harm import kept_times, notes_moves
from tests.helpers.processes import running_engines
from tests.helpers.project import edit
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.base import Device

CASE = Case("lightning-whisper-mlx", "micro", "fp16")
WEIGHTS, CONFIG = "weights.npz", "config.json"
ONE_HEAD = ('"n_audio_head": 2', '"n_audio_head": 1')
"""A change of the settings with which every weight still fits."""

PLACE = f"models/micro/{FILE}"
"""Where the toy library looks for its file, below its engine's folder."""

OTHER_TEXT = "what the toy sees"
"""Another text than that of the toy's model, and as long."""


@pytest.fixture(name="micro")
def _micro(tmp_path: Path) -> VerifiedModel:
    """A copy of the embedded model, of which all files were verified; not compressed."""
    kept = Store.from_environment().prepare(files_of(CASE))
    (folder := tmp_path / "micro").mkdir()
    write_weights(folder / WEIGHTS, kept.files[WEIGHTS][0], factor=1)
    shutil.copyfile(kept.files[CONFIG][0], folder / CONFIG)
    files = {name: (folder / name, prove(folder / name)) for name in kept.files}
    return VerifiedModel(kept.repo, kept.revision, kept.commit, files)


@pytest.fixture(name="lightning")
def _lightning(micro: VerifiedModel, tmp_path: Path, tests_device: Device) -> Iterator[Engine]:
    """An engine whose files are checked, and whose real library is about to open them."""
    (folder := tmp_path / "engine").mkdir()
    with Engine(CASE, micro, folder, tests_device) as engine:
        engine.lay_out()
        engine.launch()
        engine.import_library()
        yield engine
    assert running_engines() == []


@pytest.fixture(name="before_load")
def _before_load(new_toy: Callable[[str], Engine]) -> Callable[[str], Engine]:
    """A function that makes an engine of the toy library, by variant, that is about to load."""

    def make(variant: str) -> Engine:
        engine = new_toy(variant)
        engine.lay_out()
        engine.launch()
        engine.import_library()
        return engine

    return make


def write_weights(path: Path, source: Path, *, factor: int) -> None:
    """Write the weights of another file, each matrix multiplied by a factor."""
    import numpy as np

    with np.load(source) as stored:
        weights = {n: array * factor if array.ndim == 2 else array for n, array in stored.items()}
    np.savez(path, allow_pickle=False, **weights)


def other_weights(folder: Path, file: Path) -> Path:
    """Write weights of the same names, shapes and size, and of other values; return the file."""
    write_weights(other := folder / WEIGHTS, file, factor=-1)
    assert other.stat().st_size == file.stat().st_size
    return other


def failure_of(engine: Engine) -> str:
    """Load the model, which must succeed; return how its verification fails."""
    engine.load()
    with pytest.raises(EngineError) as failure:
        engine.verify_load()
    assert not engine.loaded
    return str(failure.value)


def test_weights_exchanged_between_check_and_load_are_found(
    lightning: Engine, micro: VerifiedModel, tmp_path: Path
) -> None:
    """Weights that are exchanged between check and load are found by the hash after the load."""
    path, proof = micro.files[WEIGHTS]
    other = other_weights(tmp_path, path)
    got = prove(other).sha256
    other.replace(path)

    assert failure_of(lightning).startswith(
        "lightning-whisper-mlx[micro-fp16]: a file changed during the load: "
        f"{micro.repo}@{micro.commit[:12]} {WEIGHTS}: expected sha256 {proof.sha256}, got {got}; "
    )


def test_any_file_exchanged_between_check_and_load_is_found(
    before_load: Callable[[str], Engine], model: VerifiedModel
) -> None:
    """A file that is exchanged between check and load is found, even if the library takes it."""
    path, proof = model.files[FILE]
    engine = before_load("good")
    path.write_text(OTHER_TEXT, encoding="utf-8")

    told = failure_of(engine)

    expected = f" {FILE}: expected sha256 {proof.sha256}, got {prove(path).sha256}; "
    assert expected in told


def test_link_that_leads_elsewhere_by_then_is_found(
    before_load: Callable[[str], Engine], model: VerifiedModel, tmp_path: Path
) -> None:
    """A link that leads to another file by the time of the load is found."""
    path, _ = model.files[FILE]
    other = tmp_path / "other"
    shutil.copyfile(path, other)
    engine = before_load("good")
    link = tmp_path / "engine-0" / PLACE
    link.unlink()
    link.symlink_to(other)

    told = failure_of(engine)

    assert told.startswith(
        f"toy[micro-good]: {PLACE} changed during the load: expected a link to the verified "
        f"{path}, got {other}; run it again"
    )


def test_file_in_place_of_a_link_is_found(
    before_load: Callable[[str], Engine], model: VerifiedModel, tmp_path: Path
) -> None:
    """A file in the place of an engine's link is found."""
    path, _ = model.files[FILE]
    engine = before_load("good")
    link = tmp_path / "engine-0" / PLACE
    link.unlink()
    shutil.copyfile(path, link)

    assert (
        f"{PLACE} changed during the load: expected a link to the verified {path}, got "
        f"{link.resolve()}; run it again"
    ) in failure_of(engine)


def test_weights_put_back_after_the_load_are_found(
    lightning: Engine, micro: VerifiedModel, tmp_path: Path
) -> None:
    """Weights that are put back after the load are found by the values in memory."""
    path, _ = micro.files[WEIGHTS]
    other = other_weights(tmp_path, path)
    path.rename(tmp_path / "kept")
    other.rename(path)
    lightning.load()
    (tmp_path / "kept").replace(path)

    with pytest.raises(EngineError) as failure:
        lightning.verify_load()

    assert "expected the values of the" in str(failure.value)
    assert "the file was exchanged around the load" in str(failure.value)


def by_moving(path: Path, other: bytes) -> Iterator[None]:
    """Put another file in place, then move the first one back."""
    path.rename(kept := path.with_name("kept"))
    path.write_bytes(other)
    yield
    kept.replace(path)


def by_writing(path: Path, other: bytes) -> Iterator[None]:
    """Write to the file, then write what it was, each time with the times of before."""
    content = path.read_bytes()
    for each in (other, content):
        with kept_times(path):
            path.write_bytes(each)
        yield


@pytest.mark.parametrize("exchanged", [by_moving, by_writing])
def test_file_put_back_after_the_load_is_found(
    before_load: Callable[[str], Engine],
    model: VerifiedModel,
    tmp_path: Path,
    exchanged: Callable[[Path, bytes], Iterator[None]],
) -> None:
    """A file that is put back after the load is found by the time at which it was changed."""
    if exchanged is by_moving and not notes_moves(tmp_path):
        pytest.skip("this file system does not note in a file that it was moved")
    path, _ = model.files[FILE]
    engine = before_load("lazy")
    around = exchanged(path, OTHER_TEXT.encode())
    next(around)
    engine.load()
    next(around, None)

    with pytest.raises(EngineError) as failure:
        engine.verify_load()

    model.recheck()

    told = re.search(
        r"(\S+) was changed during the load: expected no change since (.+), got one at ([^;]+);",
        str(failure.value),
    )
    assert told, str(failure.value)
    assert told[1] == str(path.resolve())
    expected, got = map(datetime.fromisoformat, told.groups()[1:])
    changed = datetime.fromtimestamp(path.stat().st_ctime, UTC)
    assert (got, got > expected) == (changed, True), "expected the time of the last change"


def test_heads_of_another_model_put_back_after_the_load_are_found(
    lightning: Engine, micro: VerifiedModel
) -> None:
    """The heads of another model are found in memory after the right config is put back."""
    path, _ = micro.files[CONFIG]
    before = path.read_text(encoding="utf-8")
    edit(path, *ONE_HEAD)
    lightning.load()
    path.write_text(before, encoding="utf-8")

    with pytest.raises(EngineError) as failure:
        lightning.verify_load()

    assert "expected an encoder and a decoder of the same n_*_head, got 1 and 2" in str(
        failure.value
    )


def test_folder_put_back_after_the_load_is_found(
    before_load: Callable[[str], Engine], model: VerifiedModel, tmp_path: Path
) -> None:
    """A folder that is put back after the load is found by the time at which it was moved."""
    if not notes_moves(tmp_path):
        pytest.skip("this file system does not note in a file that it was moved")
    engine = before_load("lazy")
    store = model.files[FILE][0].parent
    store.rename(tmp_path / "kept")
    shutil.copytree(tmp_path / "kept", store)
    (store / FILE).write_text(OTHER_TEXT, encoding="utf-8")
    engine.load()
    store.rename(tmp_path / "other")
    (tmp_path / "kept").rename(store)

    with pytest.raises(EngineError) as failure:
        engine.verify_load()

    assert f"{store.resolve()} was changed during the load: expected no " in str(failure.value)


def test_link_of_the_hub_cache_that_is_moved_during_the_load_is_not_followed(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link of the hub cache that is moved during the load is not followed."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    path, proof = model.files[FILE]
    (link := tmp_path / "snapshot").symlink_to(path.parent)
    cached = replace(model, files={FILE: (link / FILE, proof)})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / FILE).write_text(OTHER_TEXT, encoding="utf-8")
    (folder := tmp_path / "engine").mkdir()
    with Engine(Case("toy", "micro", "good"), cached, folder, "cpu") as engine:
        engine.lay_out()
        engine.launch()
        engine.import_library()
        link.unlink()
        link.symlink_to(tmp_path / "other")
        engine.load()
        link.unlink()
        link.symlink_to(path.parent)

        engine.verify_load()

        assert (engine.loaded, (folder / PLACE).resolve()) == (True, path.resolve())


def test_untouched_files_are_loaded(lightning: Engine) -> None:
    """Untouched files of the embedded model are loaded and verified by a real library."""
    lightning.load()
    lightning.verify_load()

    assert lightning.loaded


@pytest.mark.parametrize("variant", ["good", "lazy"])
def test_untouched_file_of_the_toy_is_loaded(
    before_load: Callable[[str], Engine], variant: str
) -> None:
    """An untouched file of the toy library is loaded and verified."""
    engine = before_load(variant)
    engine.load()
    engine.verify_load()

    assert engine.loaded
