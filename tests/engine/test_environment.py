"""What an engine gets from the shell and from the checkout, and what it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from adapters import REGISTRY
from adapters.base import Case, DecodeSettings
from tests.helpers.project import ROOT
from whisper_speedtest.engine.checkout import OWN, Checkout
from whisper_speedtest.engine.environment import COMPILED, recorded, sealed_environment
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.foreign import foreign_package
from whisper_speedtest.engine.process import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Audio
    from whisper_speedtest.cache.model import VerifiedModel

SETTINGS = DecodeSettings()
ROOMS = ("common", "cache", "hub", "engine", "results", "session", "measure", "speech")
FOLDERS = ("fixtures", "tests", "benchmarks")
OF_SPEED = (
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "GOMP_CPU_AFFINITY"),
    *("KMP_BLOCKTIME", "KMP_AFFINITY", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_MAX_THREADS", "BLIS_NUM_THREADS", "DNNL_MAX_CPU_ISA"),
    *("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "NPY_DISABLE_CPU_FEATURES"),
    *("TORCH_CUDNN_V8_API_DISABLED", "TORCHINDUCTOR_FORCE_DISABLE_CACHES", "TORCHDYNAMO_DISABLE"),
    *("PYTORCH_ENABLE_MPS_FALLBACK", "PYTORCH_CUDA_ALLOC_CONF", "TRITON_CACHE_DIR"),
    *("NUMBA_NUM_THREADS", "CUDA_LAUNCH_BLOCKING", "CUDA_CACHE_DISABLE", "CUDA_CACHE_PATH"),
    *("CUBLAS_WORKSPACE_CONFIG", "CUDNN_LOGINFO_DBG", "NVIDIA_TF32_OVERRIDE"),
    *("METAL_DEVICE_WRAPPER_TYPE", "MTL_SHADER_VALIDATION", "CT2_FORCE_CPU_ISA"),
    *("MLX_DISABLE_COMPILE", "MLX_PTX_CACHE_DIR", "GGML_METAL_NO_RESIDENCY", "RAYON_NUM_THREADS"),
    *("GOTO_NUM_THREADS", "WHISPER_ARG_THREADS", "ORT_DISABLE_ALL_OPTIMIZATION"),
    *("TOKENIZERS_PARALLELISM", "MALLOC_ARENA_MAX", "MallocNanoZone", "GLIBC_TUNABLES"),
)
"""Variables that change how fast some library computes, or with which code."""


# The environment


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "HF_HUB_CACHE",
        "HF_ENDPOINT",
        "HUGGING_FACE_HUB_TOKEN",
        "HUGGINGFACE_HUB_CACHE",
        "TRANSFORMERS_CACHE",
        "XDG_CACHE_HOME",
        "PYTEST_CURRENT_TEST",
        "PYTHONPATH",
        "ALL_PROXY",
        "https_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "PYTHONWARNINGS",
        "PYTHONIOENCODING",
        "COVERAGE_PROCESS_START",
        "COV_CORE_SOURCE",
        "PYTHONDEVMODE",
        "PYTHONMALLOC",
        "PYTHONTRACEMALLOC",
        "PYTHONOPTIMIZE",
        "PYTHONPROFILEIMPORTTIME",
        "PYTHONVERBOSE",
        "PYTHONINSPECT",
        "PYTHONPERFSUPPORT",
        "PYTHON_CPU_COUNT",
        "PYTHON_GIL",
        "PYTHON_JIT",
        *OF_SPEED,
    ],
)
def test_variable_that_leads_elsewhere_or_is_secret_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An engine is passed no secret, no path that leads elsewhere, and no variable of speed."""
    monkeypatch.setenv(name, "/elsewhere")

    environment = sealed_environment(tmp_path)

    assert name not in environment
    assert "/elsewhere" not in environment.values()


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "LANG", "LD_LIBRARY_PATH", "MY_HF_TOKENISER", "PYTHONNOUSERSITE"),
        *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH"),
    ],
)
def test_other_variables_are_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What a library may need of the shell is passed on as it is."""
    monkeypatch.setenv(name, "as it is")

    assert sealed_environment(tmp_path)[name] == "as it is"


def test_every_cache_lies_in_the_engine_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home, temporary files and hub cache are the engine's own, and the hub is offline."""
    expected = {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path / "tmp"),
        "HF_HOME": str(tmp_path / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NUMBA_CACHE_DIR": str(tmp_path / "numba"),
        "OPENBLAS_THREAD_TIMEOUT": "4",
        "PYTHONUNBUFFERED": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "torchinductor"),
    }
    for name in expected:
        monkeypatch.delenv(name, raising=False)
    shell = {"HOME": "/home/someone", "TMPDIR": "/var/tmp", "HF_HUB_OFFLINE": "0"}  # noqa: S108
    for name, value in shell.items():
        monkeypatch.setenv(name, value)

    environment = sealed_environment(tmp_path)

    changed = {name: value for name, value in environment.items() if os.environ.get(name) != value}
    assert changed == expected
    assert (tmp_path / "tmp").is_dir()
    assert os.environ["HOME"] == "/home/someone"


def test_what_is_compiled_is_kept_where_engines_may_share_it(tmp_path: Path) -> None:
    """What an engine has compiled is found by the next one that shares its folder, and no other."""
    (one := tmp_path / "one").mkdir()
    (next_one := tmp_path / "next").mkdir()
    (other := tmp_path / "other").mkdir()

    sealed_environment(one, tmp_path / "compiled")
    for place in COMPILED:
        (one / place / "version" / "kernel").mkdir(parents=True)
    sealed_environment(next_one, tmp_path / "compiled")
    sealed_environment(other)

    assert set(COMPILED) >= {"tmp/mlx", ".nv", ".triton", "numba", "torchinductor"}
    for place in COMPILED:
        assert (next_one / place / "version" / "kernel").is_dir()
        assert not (other / place).exists()


def test_places_for_what_is_compiled_lead_to_folders_of_their_own(tmp_path: Path) -> None:
    """Each place for what is compiled leads to a folder of its own below the shared one."""
    sealed_environment(tmp_path, tmp_path / "compiled")

    folders = {(tmp_path / place).resolve() for place in COMPILED}
    assert len(folders) == len(COMPILED)
    assert all(folder.is_relative_to(tmp_path / "compiled") for folder in folders)
    assert not (tmp_path / "tmp").is_symlink()
    assert not (tmp_path / ".cache").is_symlink()


def test_engine_keeps_what_is_compiled_where_it_is_told(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine's places for what is compiled are links to the folder that it is told."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    (folder := tmp_path / "engine").mkdir()
    compiled = tmp_path / "compiled"

    with Engine(Case("toy", "micro", "good"), model, folder, "cpu", compiled=compiled) as engine:
        engine.ready()

    for place in COMPILED:
        assert (folder / place).resolve() == (compiled / place).resolve()


def test_engine_that_fails_takes_back_what_it_compiled_since_its_load_was_verified(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that fails takes back what it compiled since its load was verified."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    (folder := tmp_path / "engine").mkdir()
    compiled = tmp_path / "compiled"

    with Engine(Case("toy", "micro", "aborts"), model, folder, "cpu", compiled=compiled) as engine:
        engine.lay_out()
        engine.launch()
        (compiled / "numba" / "of the load").touch()
        engine.import_library()
        engine.load()
        engine.verify_load()
        (compiled / "numba" / "of the call").touch()
        engine.hear("a", np.zeros(8, np.float32))
        with pytest.raises(EngineError, match="SIGABRT"):
            engine.transcribe("a", SETTINGS)

    assert [path.name for path in (compiled / "numba").iterdir()] == ["of the load"]


def test_engine_that_does_not_load_takes_back_what_it_compiled(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that does not load takes back what it compiled, and nothing of other engines."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    (folder := tmp_path / "engine").mkdir()
    compiled = tmp_path / "compiled"
    (compiled / "numba").mkdir(parents=True)
    (compiled / "numba" / "of another").touch()
    case = Case("toy", "micro", "fails-to-load")

    with Engine(case, model, folder, "cpu", compiled=compiled) as engine:
        engine.lay_out()
        engine.launch()
        (compiled / "numba" / "of the load").touch()
        engine.import_library()
        with pytest.raises(EngineError, match="load raised"):
            engine.load()

    assert [path.name for path in (compiled / "numba").iterdir()] == ["of another"]


AFTER_A_PRODUCT = """
import os, time
import numpy as np

def spent():
    threads = os.listdir("/proc/self/task")
    return sum(int(open(f"/proc/self/task/{each}/schedstat").read().split()[0]) for each in threads)

numbers = np.ones((500, 500), np.float32)
numbers @ numbers
before = spent()
time.sleep(0.4)
print((spent() - before) / 1e9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere numpy has no OpenBLAS")
def test_threads_of_numpy_sleep_when_they_have_nothing_to_do(tmp_path: Path) -> None:
    """The threads of numpy sleep in an engine's environment when they have nothing to do."""
    told = subprocess.run(
        [sys.executable, "-c", AFTER_A_PRODUCT],
        env=sealed_environment(tmp_path), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert float(told) < 0.03, f"numpy's threads computed for {told.strip()} s while all was done"


# What is recorded of it


SET_BY_THE_SUITE = {
    "HF_HOME": "~/huggingface",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "HOME": "~",
    "NUMBA_CACHE_DIR": "~/numba",
    "OPENBLAS_THREAD_TIMEOUT": "4",
    "PYTHONUNBUFFERED": "1",
    "TMPDIR": "~/tmp",
    "TORCHINDUCTOR_CACHE_DIR": "~/torchinductor",
}


def test_hostile_shell_leaves_no_trace_but_the_choice_of_a_gpu(
    new_toy: Callable[[str], Engine], audio: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine has none of the shell's variables about speed but the choice of a GPU."""
    for name in (*OF_SPEED, "HF_TOKEN", "PYTHONMALLOC"):
        monkeypatch.setenv(name, "from the shell")
    for name in set(recorded(dict(os.environ))) - {*SET_BY_THE_SUITE}:
        monkeypatch.delenv(name)  # as a machine with a GPU has some
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    engine = new_toy("looks-around")

    engine.hear("clip", audio)
    seen = json.loads(engine.transcribe("clip", SETTINGS).text)["environment"]

    assert [name for name, value in seen.items() if "from the shell" in value] == []
    assert engine.facts.environment == {**SET_BY_THE_SUITE, "CUDA_VISIBLE_DEVICES": "1,2"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CUDA_VISIBLE_DEVICES", "0", "0"),
        ("CUDA_VISIBLE_DEVICES", "", ""),
        ("CUDA_VISIBLE_DEVICES", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-(its number)"),
        ("CUDA_VISIBLE_DEVICES", "0,MIG-8932F937-d72c", "0,MIG-(its number)"),
        ("CUDA_HOME", "/home/someone/cuda", "(a path)"),
        ("TRITON_CACHE_DIR", "/engines/one/torchinductor/triton", "~/torchinductor/triton"),
        ("TRITON_CACHE_DIR", "/engines/one-more/triton", "(a path)"),
        ("KMP_DUPLICATE_LIB_OK", "True", "True"),
    ],
)
def test_variable_is_told_without_places_and_numbers(name: str, value: str, told: str) -> None:
    """A recorded variable shows neither paths of the machine nor serial numbers of its GPUs."""
    assert recorded({"HOME": "/engines/one", name: value}) == {"HOME": "~", name: told}


def test_other_variables_are_not_told() -> None:
    """A variable that has no bearing on speed is not recorded."""
    environment = {"HOME": "/e", "USER": "someone", "PATH": "/home/someone/bin", "LANG": "C"}

    assert recorded(environment) == {"HOME": "~"}


def test_what_is_told_is_in_the_order_of_the_names() -> None:
    """The recorded variables are in the order of their names."""
    told = recorded({"HOME": "/e", "TMPDIR": "/e/tmp", "OMP_X": "1", "CUDA_HOME": "x"})

    assert list(told) == ["CUDA_HOME", "HOME", "OMP_X", "TMPDIR"]


# Where it runs


@pytest.fixture(name="surroundings")
def _surroundings(toy: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What an engine's process says of where it is; in the shell, there is a token."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    told: dict[str, Any] = json.loads(toy("looks-around").transcribe("clip", SETTINGS).text)
    return told


def test_engine_runs_in_its_folder_with_the_sealed_environment(
    surroundings: dict[str, Any], tmp_path: Path
) -> None:
    """An engine's process finds no token, and works in its own folder, which is its home."""
    folder = tmp_path / "engine-0"

    assert "secret" not in surroundings["environment"].values()
    assert Path(surroundings["folder"]) == folder.resolve()
    assert surroundings["environment"]["HOME"] == str(folder)
    assert surroundings["environment"]["HF_HUB_OFFLINE"] == "1"


def test_engine_leads_a_group_of_its_own(surroundings: dict[str, Any]) -> None:
    """Ctrl-C, which the terminal sends to the whole group of pytest, does not reach an engine."""
    assert surroundings["group"] == surroundings["process"]
    assert surroundings["group"] != os.getpgrp()


def test_connection_is_not_inherited(surroundings: dict[str, Any]) -> None:
    """A process that a library starts does not inherit the engine's connection."""
    assert surroundings["inheritable"] is False


# What a library finds when it imports


LIBRARY = """
import json

from adapters.base import Adapter, ModelFiles, Traits, Transcript


class Library(Adapter):
    packages = ("pytest",)
    check_map = {"micro": {"good": ModelFiles("embedded/micro-mlx-fp16", ("config.json",))}}
    traits = Traits(has_model_table=False, batches=False, cuts="never", timestamps=False)
    tuned = {"batch_size": 2}

    def import_library(self):
        import some_library

        self._whose = some_library.whose

    def select_device(self, device, threads):
        pass

    def load(self, case):
        pass

    def verify_load(self, case):
        return "float32"

    def dimensions(self, case):
        return None

    def threads(self):
        return None

    def transcribe(self, audio, settings):
        return Transcript(json.dumps(self._whose), (), fallback=False)
"""
"""An adapter's module, which imports the library that imports modules of those names."""


@pytest.fixture(name="site_packages")
def _site_packages(tmp_path: Path) -> Path:
    """The folder for packages of an environment for engines; see `move_to`.

    All that is installed for this process is installed there too, and what a test puts in there is
    to engines as if pip had installed it.
    """
    venv.EnvBuilder(symlinks=True).create(tmp_path / "venv")
    base = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    packages = Path(sysconfig.get_path("purelib", "venv", base))
    installed_here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "installed_here.pth").write_text("\n".join(installed_here), encoding="utf-8")
    return packages


def move_to(site_packages: Path, engine: Engine) -> None:
    """Let an engine run in the environment that has this folder for packages."""
    engine.checkout = Checkout(OWN.root, str(site_packages.parents[2] / "bin" / "python"))


def test_library_gets_its_own_modules_of_names_that_the_project_has_too(
    site_packages: Path,
    new_toy: Callable[[str], Engine],
    audio: Audio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An installed library that imports `hub` or `tests` gets what is installed with it."""
    names = (*ROOMS, *FOLDERS)
    for name in names:
        (site_packages / f"{name}.py").write_text("whose = 'its own'\n", encoding="utf-8")
    (site_packages / "some_library.py").write_text(
        f"import importlib\n"
        f"whose = {{name: importlib.import_module(name).whose for name in {names!r}}}\n",
        encoding="utf-8",
    )
    (site_packages / "adapter_of_it.py").write_text(LIBRARY, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    engine = new_toy("good")
    move_to(site_packages, engine)
    engine.lay_out()
    monkeypatch.setitem(REGISTRY, "toy", "adapter_of_it:Library")

    engine.launch()
    engine.import_library()
    engine.load()
    engine.hear("clip", audio)
    whose = json.loads(engine.transcribe("clip", SETTINGS).text)

    assert whose == dict.fromkeys(names, "its own")


def test_versions_are_those_of_the_engine_s_interpreter(
    site_packages: Path, new_toy: Callable[[str], Engine]
) -> None:
    """What is recorded is the version that the engine's process finds, not that of pytest's."""
    (metadata := site_packages / "pytest-0.0.1.dist-info").mkdir()
    (metadata / "METADATA").write_text("Name: pytest\nVersion: 0.0.1\n", encoding="utf-8")
    engine = new_toy("good")
    move_to(site_packages, engine)

    engine.ready()

    assert engine.facts.versions == {"pytest": "0.0.1"}


def test_rooms_are_no_modules_by_themselves(surroundings: dict[str, Any]) -> None:
    """Where no such library is installed, `import engine` in an engine finds nothing of ours.

    The rooms are modules of one package only, and the checkout comes last on the path.
    """
    assert {name: surroundings["modules"][name] for name in ROOMS} == dict.fromkeys(ROOMS, "")
    assert surroundings["path"][-1] == str(ROOT)
    not_ours = {"", surroundings["folder"], str(OWN.entry.parent)}
    assert not not_ours & set(surroundings["path"])


# Packages that would be taken for ours


@pytest.fixture(name="on_path")
def _on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the last on this process's path."""
    (folder := tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return folder


def put(folder: Path, file: str) -> Path:
    """Put a Python file into a folder, which raises when it is imported."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("raise AssertionError('imported')\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["adapters", "whisper_speedtest"])
def test_project_s_own_packages_are_not_foreign(name: str) -> None:
    """In an ordinary environment there is no other package of the project's names."""
    assert foreign_package(name, ROOT) is None


@pytest.mark.parametrize("file", ["adapters/__init__.py", "adapters.py"])
def test_installed_package_of_the_same_name_is_foreign(on_path: Path, file: str) -> None:
    """An installed package of a name of the project's is found, though ours comes first."""
    foreign = put(on_path, file)

    assert foreign_package("adapters", ROOT) == foreign


def test_other_names_and_files_are_not_foreign(on_path: Path) -> None:
    """A package of another name, or a folder that is no package, is not taken for foreign."""
    put(on_path, "adapters_of_mine/__init__.py")
    put(on_path, "other/adapters/__init__.py")
    put(on_path, "adapters/readme.py")

    assert foreign_package("adapters", ROOT) is None


def test_what_no_engine_finds_is_not_foreign(
    tmp_path: Path, on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package in the working directory or PYTHONPATH is not foreign, as engines get neither."""
    for folder in ("here", "there", "elsewhere"):
        put(tmp_path / folder, "adapters/__init__.py")
    monkeypatch.chdir(tmp_path / "here")
    paths = [str(tmp_path / "there"), str(tmp_path / "elsewhere")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setattr(sys, "path", ["", *paths, str(tmp_path / "here"), *sys.path])

    assert foreign_package("adapters", ROOT) is None

    foreign = put(on_path, "adapters/__init__.py")
    assert foreign_package("adapters", ROOT) == foreign


def test_checkout_is_known_by_whatever_path_it_is_named(tmp_path: Path, on_path: Path) -> None:
    """A package is ours where its folder is the checkout, also through a link."""
    put(on_path, "some_package/__init__.py")
    (link := tmp_path / "link").symlink_to(on_path)

    assert foreign_package("some_package", link) is None
    assert foreign_package("some_package", ROOT) is not None
