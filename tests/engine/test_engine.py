"""An engine is sealed to its model's files, and its failures have names and no survivors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY
from adapters.base import Case, DecodeSettings
from tests.helpers.processes import running_engines
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.engine.process import Engine, EngineError, probe_gpu, sealed_environment
from whisper_speedtest.hub.hashes import prove
from whisper_speedtest.hub.model import VerificationError, VerifiedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETTINGS = DecodeSettings()
TEXT = "what the toy says"


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> VerifiedModel:
    """A model of one small file."""
    path = tmp_path / "store" / FILE
    path.parent.mkdir()
    path.write_text(TEXT, encoding="utf-8")
    return VerifiedModel("embedded/toy", "main", "0" * 40, {FILE: (path, prove(path))})


@pytest.fixture(name="toy")
def _toy(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Engine]]:
    """A function that makes an engine of the toy library, by variant."""
    import numpy as np

    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    engines: list[Engine] = []

    def make(variant: str) -> Engine:
        engine = Engine(Case("toy", "micro", variant), model, tmp_path / "engine", "cpu")
        engine.hear("clip", np.zeros(16_000, np.float32))
        engines.append(engine)
        return engine

    (tmp_path / "engine").mkdir()
    yield make
    for engine in engines:
        engine.close()


def wait_until_gone(pid: int) -> bool:
    """Tell whether a process ends within ten seconds."""
    import psutil

    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_transcript_comes_back(toy: Callable[[str], Engine]) -> None:
    """The transcript is what the library returned for the audio handed over before."""
    assert toy("good").transcribe("clip", SETTINGS).text == TEXT


def test_library_output_cannot_disturb_the_answers(
    toy: Callable[[str], Engine], tmp_path: Path
) -> None:
    """What a library prints, on stdout too, goes to the engine's log."""
    toy("good").transcribe("clip", SETTINGS)

    log = (tmp_path / "engine" / "engine.log").read_text(encoding="utf-8")
    assert log == "the toy library greets on stdout\nthe toy is asked for 16000 samples\n"


@pytest.mark.parametrize(
    ("variant", "outcome"),
    [
        ("raises", "transcribe raised ValueError: the toy dislikes this audio"),
        ("aborts", "the engine was ended by SIGABRT during transcribe"),
        ("killed", "the engine was ended by SIGKILL (the system's out-of-memory killer sends it)"),
        ("exits", "the engine ended with exit status 3 during transcribe"),
        ("babbles", "its answer to transcribe could not be read"),
        ("opens-network", "an engine is offline, and the library asked for ('127.0.0.1', 9)"),
        ("resolves-name", "an engine is offline, and the library asked for huggingface.co"),
    ],
)
def test_failure_is_named(toy: Callable[[str], Engine], variant: str, outcome: str) -> None:
    """An error names the case, what happened in which call, and the end of the library's stderr."""
    engine = toy(variant)

    with pytest.raises(EngineError) as failure:
        engine.transcribe("clip", SETTINGS)

    message = str(failure.value)
    assert message.startswith(f"toy[micro-{variant}]: ")
    assert outcome in message
    assert "  | the toy is asked for 16000 samples" in message
    assert running_engines() == []


def test_failure_to_load_is_named(toy: Callable[[str], Engine]) -> None:
    """A model that does not load is an error of that case, with the library's own words."""
    with pytest.raises(EngineError, match="load raised OSError: the toy cannot read its file"):
        toy("fails-to-load")

    assert running_engines() == []


def test_launch_waits_until_the_process_is_up(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not come up fails its launch, so that its start is in no later phase."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.no_such_module:Toy")
    (tmp_path / "engine").mkdir()
    case = Case("toy", "micro", "good")

    with (
        Engine(case, model, tmp_path / "engine", "cpu") as engine,
        pytest.raises(EngineError, match="exit status 1 during ping"),
    ):
        engine.launch()


def test_failed_engine_stays_failed(toy: Callable[[str], Engine]) -> None:
    """Every call after a failure raises that failure, and starts nothing."""
    engine = toy("aborts")
    with pytest.raises(EngineError) as first:
        engine.transcribe("clip", SETTINGS)

    with pytest.raises(EngineError) as second:
        engine.ready()

    assert second.value is first.value
    assert running_engines() == []


def test_interrupted_call_ends_the_engine(toy: Callable[[str], Engine]) -> None:
    """A time limit that comes down on a hung call leaves no process, and a note that names it."""
    engine = toy("hangs")

    def interrupt(*_: object) -> None:
        pytest.fail("Timeout")

    before = signal.signal(signal.SIGALRM, interrupt)
    limit, _ = signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(pytest.fail.Exception) as failure:
            engine.transcribe("clip", SETTINGS)
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, limit)

    (note,) = failure.value.__notes__
    assert note.startswith("toy[micro-hangs]: stopped during transcribe, which had not returned")
    assert running_engines() == []


def test_what_a_library_starts_ends_with_its_engine(toy: Callable[[str], Engine]) -> None:
    """Closing an engine ends its grandchildren too."""
    engine = toy("leaves-child")
    grandchild = int(engine.transcribe("clip", SETTINGS).text)
    os.kill(grandchild, 0)
    assert len(running_engines()) == 1

    engine.close()

    assert wait_until_gone(grandchild)


@pytest.mark.parametrize("variant", ["good", "hangs"])
def test_engine_ends_with_a_killed_parent(tmp_path: Path, variant: str) -> None:
    """An engine does not outlive its parent, idle or in mid-call, even when that is SIGKILLed."""
    script = textwrap.dedent(
        f"""
        import sys, threading
        from pathlib import Path
        import numpy as np
        from adapters import REGISTRY
        from adapters.base import Case, DecodeSettings
        from whisper_speedtest.engine.process import Engine
        from whisper_speedtest.hub.hashes import prove
        from whisper_speedtest.hub.model import VerifiedModel

        REGISTRY["toy"] = "tests.helpers.toy_adapter:Toy"
        file = Path("{FILE}")
        file.write_text("text")
        files = {{"{FILE}": (file.absolute(), prove(file))}}
        model = VerifiedModel("embedded/toy", "main", "0", files)
        Path("engine").mkdir()
        engine = Engine(Case("toy", "micro", "{variant}"), model, Path("engine").absolute(), "cpu")
        engine.hear("clip", np.zeros(9, np.float32))
        print(engine._process.pid, flush=True)
        engine.transcribe("clip", DecodeSettings())
        threading.Event().wait()
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        engine = int(parent.stdout.readline())
        parent.kill()

    assert wait_until_gone(engine)


def test_folder_holds_the_verified_files_only(toy: Callable[[str], Engine], tmp_path: Path) -> None:
    """The library finds the verified bytes where it looks, and no other file beside them."""
    toy("good")

    found = {
        str(path.relative_to(tmp_path / "engine"))
        for path in (tmp_path / "engine").rglob("*")
        if not path.is_dir()
    }
    assert found == {f"models/micro/{FILE}", "engine.log"}


def test_file_changed_after_its_verification_is_not_run(
    model: VerifiedModel, toy: Callable[[str], Engine]
) -> None:
    """The files are hashed once more before a model is loaded."""
    path, _ = model.files[FILE]
    path.write_text(TEXT.replace("says", "sang"), encoding="utf-8")

    with pytest.raises(VerificationError, match=r"config\.json: expected sha256 .*, got .*"):
        toy("good")

    assert running_engines() == []


def test_environment_has_no_secret_and_no_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No token is handed to a library, and every cache it knows of lies in the engine's folder."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("HF_HUB_CACHE", "/elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")

    environment = sealed_environment(tmp_path)

    assert {"secret", "/elsewhere"}.isdisjoint(environment.values())
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["HF_HOME"].startswith(str(tmp_path))
    assert environment["HOME"] == str(tmp_path)


def test_gpu_that_does_not_work_is_told(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe returns the reason why a library cannot use the GPU, and leaves no process."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")

    reason = probe_gpu(Case("toy", "micro", "good"), model, tmp_path)

    assert reason is not None
    assert "import_library raised RuntimeError: the toy has no GPU" in reason
    assert running_engines() == []
