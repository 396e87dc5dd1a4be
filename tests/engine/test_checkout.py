"""Another checkout of the suite, under another interpreter: what it can measure, and refusals."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters import all_cases, files_of, valid_adapters, why_not_installed
from adapters.base import Case, DecodeSettings
from tests.helpers.processes import running_engines
from tests.helpers.project import ROOT, edit
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.checkout import OWN, Checkout, CheckoutError, look_into
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.process import Engine

if TYPE_CHECKING:
    from pathlib import Path

CASE = Case("other", "micro", "fp16")

ADAPTER = '''
from typing import ClassVar

from adapters.base import Adapter, ModelFiles, Traits, Transcript


class Other(Adapter):
    """Says where its code is, with numpy and the standard library alone."""

    packages: ClassVar = ("numpy",)
    check_map: ClassVar = {"micro": {"fp16": ModelFiles("embedded/toy", ("config.json",), "r1")}}
    traits = Traits(has_model_table=True, batches=False, cuts="always", timestamps=False)
    tuned: ClassVar = {"vad": True}

    @classmethod
    def place(cls, case):
        return {"config.json": f"models/{case.size}/config.json"}

    def import_library(self):
        import numpy

    def select_device(self, device, threads):
        self.told = threads

    def load(self, case):
        with open("models/micro/config.json") as file:
            self.text = file.read()

    def threads(self):
        return self.told

    def verify_load(self, case):
        return "text"

    def dimensions(self, case):
        return None

    def transcribe(self, audio, settings):
        return Transcript(f"{self.text} {len(audio)} {audio.dtype} {__file__}", (), False)
'''
"""Of a checkout that has a library which this one does not know."""


def make_checkout(tree: Path) -> Path:
    """Copy what an engine needs of this checkout to a folder, with a library of its own."""
    for name in ("adapters", "whisper_speedtest"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    (tree / "adapters" / "other.py").write_text(ADAPTER, encoding="utf-8")
    edit(tree / "adapters" / "__init__.py", "= {\n", '= {\n    "other": "adapters.other:Other",\n')
    return tree


@pytest.fixture(name="tree", scope="module")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout."""
    return make_checkout(tmp_path_factory.mktemp("checkouts") / "other")


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> VerifiedModel:
    """A model of one small file."""
    path = tmp_path / FILE
    path.write_text("{}", encoding="utf-8")
    return VerifiedModel("embedded/toy", "r1", "0" * 40, {FILE: (path, prove(path))})


def test_checkout_tells_what_it_can_measure(tree: Path) -> None:
    """A checkout lists its cases, their files and places, and the libraries that are missing."""
    checkout = look_into(tree, sys.executable, "the other")

    assert list(checkout.entries) == [CASE, *all_cases()]
    entry = checkout.entries[CASE]
    assert entry.adapter == "adapters.other:Other"
    assert (entry.files.repo, entry.files.revision) == ("embedded/toy", "r1")
    assert entry.files.files == ("config.json",)
    assert entry.places == {"config.json": "models/micro/config.json"}
    for case in all_cases():
        assert checkout.entries[case].files == files_of(case)
        assert checkout.places(case) == OWN.places(case)
        assert checkout.adapter(case) == OWN.adapter(case)
    absent = {name: why for name in valid_adapters() if (why := why_not_installed(name))}
    assert checkout.not_installed == absent, "expected the libraries that this interpreter lacks"
    assert running_engines() == []


def test_engine_of_another_checkout_runs_its_code(
    tree: Path, model: VerifiedModel, tmp_path: Path
) -> None:
    """An engine of another checkout runs that checkout's code with the files verified here."""
    checkout = look_into(tree, sys.executable, "the other")
    (folder := tmp_path / "engine").mkdir()

    with Engine(CASE, model, folder, "cpu", 3, checkout=checkout) as engine:
        engine.hear("clip", np.zeros(1600, np.float32))
        text = engine.transcribe("clip", DecodeSettings()).text

        assert text == f"{{}} 1600 float32 {tree / 'adapters' / 'other.py'}"
        assert engine.facts.threads == 3
        assert engine.label == "other[micro-fp16] of the other"
    with pytest.raises(EngineError, match=r"^other\[micro-fp16\] of the other: expected an open"):
        engine.memory()


def test_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    """A folder that is no checkout is refused with the file that it lacks."""
    with pytest.raises(CheckoutError) as refused:
        look_into(tmp_path, sys.executable, "the other")

    assert str(refused.value) == (
        "expected a checkout of this suite, with whisper_speedtest/engine/__main__.py, got "
        f"{tmp_path}; name its top folder"
    )


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("/no/such/python", "/no/such/python: expected a Python interpreter, got: No such file"),
        ("/", "/: expected a Python interpreter, got: Permission denied; name one"),
        (shutil.which("true"), "got one that ended with exit status 0; take a checkout that has"),
    ],
)
def test_interpreter_that_does_not_run_the_engine_is_refused(python: str, said: str) -> None:
    """An interpreter that does not run the engine is refused by name, with what became of it."""
    with pytest.raises(CheckoutError) as refused:
        look_into(ROOT, python, "the other")

    assert said in str(refused.value)
    assert python in str(refused.value)
    assert str(ROOT) in str(refused.value)


def test_checkout_of_another_version_of_the_wire_is_refused(tree: Path, tmp_path: Path) -> None:
    """A checkout of another version of the wire is refused with both versions and a next step."""
    shutil.copytree(tree, tmp_path / "later")
    wire = tmp_path / "later" / "whisper_speedtest" / "engine" / "wire.py"
    edit(wire, "VERSION = 1\n", "VERSION = 2\n")

    with pytest.raises(CheckoutError) as refused:
        look_into(tmp_path / "later", sys.executable, "the other")

    assert str(refused.value) == (
        f"{tmp_path / 'later'}: expected an engine that speaks version 1 of the wire, got version "
        "2; take two checkouts of this suite that speak the same version"
    )


def test_checkout_from_before_the_wire_had_a_version_is_refused(tree: Path, tmp_path: Path) -> None:
    """A checkout from before the wire had a version is refused, and its error is quoted."""
    shutil.copytree(tree, tmp_path / "earlier")
    worker = tmp_path / "earlier" / "whisper_speedtest" / "engine" / "worker.py"
    edit(
        worker, "adapter, parents_version, descriptor = sys.argv", "adapter, descriptor = sys.argv"
    )

    with pytest.raises(CheckoutError) as refused:
        look_into(tmp_path / "earlier", sys.executable, "the other")

    assert "expected an engine that speaks version 1 of the wire" in str(refused.value)
    assert "exit status 1; take a checkout that has whisper_speedtest/engine/wire.py" in str(
        refused.value
    )
    assert "  | ValueError: too many values to unpack (expected 2" in str(refused.value)


def test_checkout_whose_adapters_fail_is_refused(tree: Path, tmp_path: Path) -> None:
    """A checkout whose list of cases fails is refused with the error of its process."""
    shutil.copytree(tree, tmp_path / "broken")
    catalogue = tmp_path / "broken" / "whisper_speedtest" / "engine" / "catalogue.py"
    edit(catalogue, "        entries = []\n", "        raise OSError('no room')\n")

    said = (
        "expected a list of its cases, got OSError: no room; see that pytest --collect-only works"
    )
    with pytest.raises(CheckoutError, match=said):
        look_into(tmp_path / "broken", sys.executable, "the other")


def test_process_that_says_nothing_is_not_waited_for(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout's process that says nothing is ended after a limit."""
    shutil.copytree(tree, tmp_path / "silent")
    worker = tmp_path / "silent" / "whisper_speedtest" / "engine" / "worker.py"
    edit(worker, "    wire = Wire(", "    os.read(0, 1)\n    wire = Wire(")
    monkeypatch.setattr("whisper_speedtest.engine.checkout.SECONDS_TO_ANSWER", 0.1)

    with pytest.raises(CheckoutError, match=r"that is up within 0\.1 s, got none; see that "):
        look_into(tmp_path / "silent", sys.executable, "the other")

    assert running_engines() == []


def test_foreign_code_in_place_of_the_checkout_s_is_refused(tree: Path, tmp_path: Path) -> None:
    """A checkout whose interpreter runs other code in its place is refused."""
    shutil.copytree(tree, tmp_path / "copy")
    entry = tmp_path / "copy" / "whisper_speedtest" / "engine" / "__main__.py"
    edit(entry, "sys.path.append(", f"sys.path.append({str(tree)!r})\nsys.path.append(")

    with pytest.raises(CheckoutError) as refused:
        look_into(tmp_path / "copy", sys.executable, "the other")

    assert f"expected its own code to run, got that of {tree}; uninstall" in str(refused.value)


def test_own_checkout_asks_the_registry() -> None:
    """This checkout itself runs in pytest's interpreter, and has no name in messages."""
    case = Case("lightning-whisper-mlx", "micro", "fp16")

    assert (OWN.root, OWN.python, OWN.name) == (ROOT, sys.executable, "")
    assert OWN.adapter(case) == "adapters.lightning_whisper_mlx:LightningWhisperMLX"
    assert isinstance(OWN, Checkout)
