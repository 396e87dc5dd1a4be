"""A toy library that does on demand what real ones do by accident; a variant for each."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn

from adapters.base import Adapter, CheckMap, ModelFiles, Traits, Transcript, WeightsError
from adapters.sizes import DIMENSIONS
from fixtures.audio import clips

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.base import Audio, Case, DecodeSettings, Device
    from adapters.sizes import Dimensions

FILE = "config.json"
VARIANTS = (
    "good",
    "raises",
    "mishears",
    "aborts",
    "killed",
    "exits",
    "hangs",
    "babbles",
    "opens-network",
    "resolves-name",
    "leaves-child",
    "fails-to-load",
    "varies",
    "empty",
    "hums",
    "slow",
    "lazy",
)
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(3600)
"""
"""What the child of the variant "leaves-child" does: nothing short of SIGKILL ends it."""

HOARD = 200_000_000
"""How many bytes the variant "hoards-verifying" takes while its load is verified."""

SLOW_SECONDS = 0.2
"""How long the variant "slow" sleeps in each call."""


ENDS = "TOY_ENDS"
"""The variable that names the phase in which a toy's process ends, and by what: `load SIGSEGV`, or
with an exit status in place of the signal."""


def _end_where_told(phase: str) -> None:
    """End this process where ENDS names the phase."""
    told, _, by = os.environ.get(ENDS, "").partition(" ")
    if told != phase:
        return
    if by.isdigit():
        os._exit(int(by))
    os.kill(os.getpid(), signal.Signals[by])


def _abort() -> NoReturn:
    os.abort()


def _kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL was survived")


class Toy(Adapter):
    """Says a clip's reference where it knows the clip, and else the text in its file.

    Its variant tells what it does otherwise. The engine's tests use some more variants, which are
    not in the check map, so that no session runs them.
    """

    packages: ClassVar = ("pytest",)
    check_map: ClassVar[CheckMap] = {
        "micro": {variant: ModelFiles("embedded/micro-mlx-fp16", (FILE,)) for variant in VARIANTS}
    }
    traits = Traits(has_model_table=True, batches=False, cuts="always", timestamps=False)
    tuned: ClassVar = {"batch_size": 2}

    @classmethod
    def place(cls, case: Case) -> Mapping[str, str]:
        return {FILE: f"models/{case.size}/{FILE}"}

    def model_table(self) -> Mapping[str, Mapping[str, str]]:
        return {}

    def import_library(self) -> None:
        print("the toy library greets on stdout")
        _end_where_told("import_library")
        clips()  # of which the list is read once

    def select_device(self, device: Device, threads: int) -> None:
        if device == "gpu":
            raise RuntimeError("the toy has no GPU")
        self._threads = threads

    def mend(self, case: Case) -> tuple[str, ...]:
        return ("the first mend", "the second") if case.variant == "tells" else ()

    def threads(self) -> int | None:
        return self._threads

    def load(self, case: Case) -> None:
        _end_where_told("load")
        self._variant = case.variant
        self._file = Path(f"models/{case.size}/{FILE}")
        self._calls = 0
        if case.variant == "fails-to-load":
            raise OSError("the toy cannot read its file")
        if case.variant == "hangs-loading":
            time.sleep(3600)
        if case.variant != "lazy":
            self._text = self._file.read_text(encoding="utf-8")
        if case.variant == "good":
            # Held as libraries hold weights that they map, which keeps them in memory.
            with self._file.open("rb") as file:
                self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._mapped.read()

    def verify_load(self, case: Case) -> str:
        _end_where_told("verify_load")
        if case.variant == "hangs-verifying":
            time.sleep(3600)
        if case.variant == "hoards-verifying":
            bytearray(b"x") * HOARD
        if case.variant != "lazy" and self._text != self._file.read_text(encoding="utf-8"):
            raise WeightsError("the toy holds another text than its file")
        return "text"

    def dimensions(self, case: Case) -> Dimensions | None:
        told = {"good": case.size, "is-of-base": "base"}.get(case.variant)
        return DIMENSIONS[told] if told else None

    def device_in_use(self, log: str) -> Device | None:
        if self._variant != "reads-its-log":
            return None
        return "cpu" if "the toy library greets on stdout" in log else "gpu"

    def advice(self, said: str) -> str:
        return "let it rest" if "cannot sing" in said else ""

    def accelerator_memory(self) -> int | None:
        return 4096 if self._variant == "tells" else None

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        print(f"the toy is asked for {len(audio)} samples", file=sys.stderr)
        self._calls += 1
        _end_where_told(f"call-{self._calls}")
        match self._variant:
            case "raises":
                raise ValueError("the toy dislikes this audio")
            case "is-tired":
                raise ValueError("the toy cannot sing\nas it is tired")
            case "aborts":
                _abort()
            case "killed":
                _kill()
            case "exits":
                os._exit(3)
            case "waits-for-a-program":
                subprocess.run(["/bin/sleep", "3600"], check=False)
            case "hangs":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Nothing short of SIGKILL ends it.
                Path("hanging").touch()
                time.sleep(3600)
            case "babbles":
                os.write(int(sys.argv[-1]), b"\0\0\0\5hello")
            case "forges":
                forged = json.dumps({"value": "not of the engine's making"}).encode()
                os.write(int(sys.argv[-1]), len(forged).to_bytes(4, "big") + forged)
            case "hangs-up":
                os.close(int(sys.argv[-1]))
                time.sleep(3600)
            case "hogs":
                ctypes.PyDLL(None).sleep(3600)  # With the interpreter's lock held.
            case "chats":
                os.write(2, b"no text: \xff\n")
                for number in range(1, 31):
                    print(f"line {number}", file=sys.stderr)
                os._exit(0)
            case "quits":
                sys.exit(5)
            case "tells":
                told = {"samples": len(audio), "sum": float(audio.sum()), **asdict(settings)}
                return Transcript(json.dumps(told), (), fallback=False)
            case "looks-around":
                modules = (
                    "common",
                    "cache",
                    "hub",
                    "engine",
                    "results",
                    "session",
                    "measure",
                    "speech",
                )
                seen = {
                    "environment": dict(os.environ),
                    "folder": str(Path.cwd()),
                    "process": os.getpid(),
                    "group": os.getpgrp(),
                    "inheritable": os.get_inheritable(int(sys.argv[-1])),
                    "path": sys.path,
                    "modules": {name: str(find_spec(name) or "") for name in modules},
                }
                return Transcript(json.dumps(seen), (), fallback=False)
            case "opens-network":
                with socket.socket() as connection:
                    connection.connect(("127.0.0.1", 9))
            case "resolves-name":
                socket.getaddrinfo("huggingface.co", 443)
            case "leaves-child":
                child = subprocess.Popen(
                    [sys.executable, "-c", STUBBORN],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                )
                assert child.stdout is not None
                child.stdout.readline()
                return Transcript(str(child.pid), (), fallback=False)
            case "mishears":
                return Transcript("all of it wrong", (), fallback=False)
            case "varies":
                return Transcript(f"take {self._calls}", (), fallback=False)
            case "empty":
                return Transcript("", (), fallback=False)
            case "hums":
                return Transcript("\N{EIGHTH NOTE}", (), fallback=False)
            case "slow":
                time.sleep(SLOW_SECONDS)
            case "lazy" if self._calls == 1:
                self._text = self._file.read_text(encoding="utf-8")
        known = {clip.samples: clip.reference or "" for clip in clips().values()}
        return Transcript(known.get(len(audio), self._text), (), fallback=False)


class ToyWithGPU(Toy):
    """The toy library where it has a GPU: a variant does there what it does, and is good on a CPU.

    Of the variant "falls-back" it says that it computes on the CPU, wherever it was told to.
    """

    def select_device(self, device: Device, threads: int) -> None:
        self._told = device
        super().select_device("cpu", threads)

    def load(self, case: Case) -> None:
        super().load(self._as_told(case))

    def verify_load(self, case: Case) -> str:
        return super().verify_load(self._as_told(case))

    def _as_told(self, case: Case) -> Case:
        return case if self._told == "gpu" else replace(case, variant="good")

    def device_in_use(self, log: str) -> Device | None:  # noqa: ARG002
        return "cpu" if self._variant == "falls-back" else self._told


class ToyThatKeepsSilent(ToyWithGPU):
    """The toy library with a GPU, that does not tell what it computes on."""

    def device_in_use(self, log: str) -> Device | None:  # noqa: ARG002
        return None


class LateToy(Toy):
    """The toy library, that imports a module of its own in the load or in the first call.

    Its variant "compiles" keeps something in the first call where Numba keeps what it compiles.
    "recompiles" keeps a further file in each call, says what is kept there, and is killed while it
    keeps that of its second call.
    """

    check_map: ClassVar[CheckMap] = {
        "micro": dict.fromkeys(
            ("in-load", "in-call", "compiles", "recompiles"),
            ModelFiles("embedded/micro-mlx-fp16", (FILE,)),
        )
    }

    def load(self, case: Case) -> None:
        super().load(case)
        if case.variant == "in-load":
            import_module("tests.adding")

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        if self._variant == "in-call":
            import_module("tests.adding")
        kept = Path(os.environ["NUMBA_CACHE_DIR"])
        kept.mkdir(exist_ok=True)
        if self._variant == "compiles" and not (kept / "kept").exists():
            (kept / "kept").write_bytes(b"compiled")
        if self._variant == "recompiles":
            there = {each.name: each.read_text("ascii") for each in sorted(kept.iterdir())}
            (kept / f"call-{self._calls + 1}").write_text("torn" if self._calls else "whole")
            if self._calls:
                _kill()
            self._calls += 1
            return Transcript(json.dumps(there), (), fallback=False)
        return super().transcribe(audio, settings)


class ToyWithoutTiny(ToyWithGPU):
    """The toy library with a GPU, that can load no model of the size `tiny` on any device."""

    def load(self, case: Case) -> None:
        if case.size == "tiny":
            raise OSError("the toy cannot read any tiny model")
        super().load(case)


class ToyWithSlowSelection(Toy):
    """The toy library that never answers whether it has a GPU."""

    def select_device(self, device: Device, threads: int) -> None:
        if device == "gpu":
            time.sleep(3600)
        super().select_device(device, threads)


class ToyThatIsKilled(Toy):
    """The toy library that the system kills when it is asked for its GPU."""

    def select_device(self, device: Device, threads: int) -> None:
        if device == "gpu":
            os.kill(os.getpid(), signal.SIGKILL)
        super().select_device(device, threads)


class ToyWithAClock(Toy):
    """The toy library whose phases take seconds, and which tells what they took by its own clock.

    The transcript of its first call is that, as JSON: the phase of a start → seconds. The launch is
    what the system says of the time since the process was made, to 0.01 s; Linux.
    """

    SECONDS: ClassVar = {"import_library": 1.0, "load": 1.5, "first_call": 2.5}
    _took: dict[str, float]

    def _take(self, phase: str) -> float:
        begin = time.perf_counter()
        import_module("numpy")  # as every library does, and whoever is handed audio
        time.sleep(self.SECONDS[phase])
        return time.perf_counter() - begin

    def import_library(self) -> None:
        if sys.platform != "linux":
            raise NotImplementedError(sys.platform)
        ticks = int(Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        self._took = {"launch": age, "import_library": self._take("import_library")}
        super().import_library()

    def load(self, case: Case) -> None:
        self._took["load"] = self._take("load")
        super().load(case)

    def transcribe(
        self,
        audio: Audio,  # noqa: ARG002
        settings: DecodeSettings,  # noqa: ARG002
    ) -> Transcript:
        self._took.setdefault("first_call", self._take("first_call"))
        return Transcript(json.dumps(self._took), (), fallback=False)
