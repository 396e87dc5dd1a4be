"""The environment variables of an engine's process, and the folders that they lead to."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HF_HOME = "huggingface"
"""The folder in an engine's folder that holds its hub cache."""

_SCRATCH = "tmp"

COMPILED_BY_MLX = f"{_SCRATCH}/mlx"
"""The folder in an engine's folder for code that mlx compiles, with g++ on the CPU or for CUDA."""

COMPILED = (COMPILED_BY_MLX, ".nv", ".triton", ".cache/torch/kernels", "numba", "torchinductor")
"""The folders in an engine's folder for code that is compiled while a library runs.

The caches of NVIDIA's driver, of Triton and of PyTorch's kernels are in the home folder; variables
set those of Numba and PyTorch's inductor. On a Mac, Metal's compiler uses a cache of the system,
which cannot be moved.
"""

# The names below are beginnings of the names of variables.

# They would let a library look beyond its engine's folder, or hand it a secret.
_ELSEWHERE = ("HF_", "HUGGING", "TRANSFORMERS_", "XDG_", "PYTEST_", "PYTHONPATH")

# An engine has no network. But a library may prepare for using one, and would fail if such a
# variable had a wrong value.
_OF_THE_NETWORK = ("SSL_CERT_", "REQUESTS_CA_", "CURL_CA_")

# They would turn warnings into errors, spoil the log, or trace the code that is timed.
_OF_DEVELOPERS = tuple(
    """
    PYTHONWARNINGS PYTHONIOENCODING COVERAGE_ COV_CORE_ PYTHONDEVMODE
    PYTHONMALLOC PYTHONOPTIMIZE PYTHONPROFILEIMPORTTIME PYTHONTRACEMALLOC
    PYTHONVERBOSE PYTHONINSPECT PYTHONPERFSUPPORT PYTHON_
    """.split()
)

# They change how fast a library computes, or with what: threads, instruction sets, number types,
# allocators, compilers and their caches.
_OF_SPEED = tuple(
    """
    OMP_ GOMP_ KMP_ MKL_ OPENBLAS_ GOTO_ BLIS_ VECLIB_ NUMEXPR_
    DNNL_ ONEDNN_ ATEN_ TORCH PYTORCH_ TRITON_ NUMBA_ NPY_
    CUDA_ CUBLAS CUDNN_ NVIDIA_TF32_ METAL_ MTL_
    CT2_ MLX_ GGML_ WHISPER_ ORT_ RAYON_ TOKENIZERS_
    GLIBC_TUNABLES MALLOC_ Malloc
    """.split()
)

# These pass, although _OF_SPEED has their beginnings. The first two say which GPU a library finds,
# the others where CUDA is installed, which mlx needs to compile.
_LET_THROUGH = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH")

_LEFT_OUT = (*_ELSEWHERE, *_OF_THE_NETWORK, *_OF_DEVELOPERS, *_OF_SPEED)

_NUMBER_OF_A_GPU = re.compile(r"\b(GPU|MIG)-[0-9a-fA-F-]+")


def sealed_environment(folder: Path, compiled: Path | None = None) -> dict[str, str]:
    """Return an environment in which every cache that a library knows of lies inside `folder`.

    Code that is compiled while a library runs is kept in `compiled`, to which links in `folder`
    lead, so that several engines can share it. None: each engine compiles everything anew.
    """
    inherited: Mapping[str, str] = {
        name: value
        for name, value in os.environ.items()
        if name in _LET_THROUGH
        or not (name.startswith(_LEFT_OUT) or name.lower().endswith("_proxy"))
    }
    (folder / _SCRATCH).mkdir(exist_ok=True)
    if compiled is not None:
        for place in COMPILED:
            (compiled / place).mkdir(parents=True, exist_ok=True)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).symlink_to(compiled / place)
    return {**inherited, **_set_by_the_suite(str(folder))}


def _set_by_the_suite(folder: str) -> dict[str, str]:
    """Return the variables that every engine gets; its home folder is `folder`."""
    return {
        "HOME": folder,
        "TMPDIR": f"{folder}/{_SCRATCH}",
        "HF_HOME": f"{folder}/{HF_HOME}",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NUMBA_CACHE_DIR": f"{folder}/numba",
        # By default, the threads of numpy's OpenBLAS poll for about 0.1 s after each product, on
        # cores that the library's own threads need: on two cores faster-whisper took twice as long.
        # 4 stands for 2^4 ticks. Neither the number of threads nor any result changes.
        "OPENBLAS_THREAD_TIMEOUT": "4",
        "PYTHONUNBUFFERED": "1",
        "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torchinductor",
    }


def recorded(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an engine's process that a result records.

    These are the variables that the suite has set, and all that affect speed, whether they came
    from the shell or a library has set them. `~` stands for the engine's folder. Any other path is
    left out, and so is the UUID of a GPU.
    """
    home, ours = environment["HOME"], _set_by_the_suite("")
    return {
        name: _without_places(value, home)
        for name, value in sorted(environment.items())
        if name in ours or name.startswith(_OF_SPEED)
    }


def _without_places(value: str, home: str) -> str:
    """Return a variable's value as `recorded` describes it."""
    if value == home or value.startswith(f"{home}/"):
        return f"~{value.removeprefix(home)}"
    if "/" in value:
        return "(a path)"
    return _NUMBER_OF_A_GPU.sub(r"\1-(its number)", value)
