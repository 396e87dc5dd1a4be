"""An engine goes through its phases, gives its failures names, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY
from adapters.base import Case, DecodeSettings
from adapters.cores import usual_threads
from tests.engine.conftest import TEXT
from tests.helpers.processes import Interrupted, alarm, running_engines, wait_until_gone
from tests.helpers.toy_adapter import ENDS, FILE
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerificationError, VerifiedModel
from whisper_speedtest.engine.checkout import OWN, Checkout
from whisper_speedtest.engine.errors import (
    AT_LAUNCH,
    TRY_ANOTHER,
    EngineError,
    EngineTimeoutError,
)
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.engine.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Audio, Device

    Toys = Callable[[str], Engine]

SETTINGS = DecodeSettings()
OFFLINE = (
    "transcribe raised ConnectionRefusedError: an engine is offline, and the library asked for"
)


def open_descriptors() -> set[str]:
    """Return the numbers of this process's open files, pipes and sockets."""
    return {path.name for path in Path("/dev/fd").iterdir()}


# Phases


def state(engine: Engine) -> dict[str, bool]:
    """Return what an engine says of itself, apart from its failure."""
    return {name: getattr(engine, name) for name in ("loaded", "closed")}


def test_each_flag_is_set_by_its_phase_and_by_no_earlier_one(new_toy: Toys, audio: Audio) -> None:
    """An engine counts as loaded once its load has returned, and not before."""
    engine = new_toy("good")
    states = {"new": state(engine)}

    for phase in ("lay_out", "launch", "import_library", "load", "verify_load"):
        getattr(engine, phase)()
        states[phase] = state(engine)
    engine.hear("clip", audio)
    engine.memory()
    states["hear"] = state(engine)
    engine.transcribe("clip", SETTINGS)
    states["transcribe"] = state(engine)

    started = {"loaded": False, "closed": False}
    assert states == {
        **dict.fromkeys(("new", "lay_out", "launch", "import_library"), started),
        **{phase: {**started, "loaded": True} for phase in ("load", "verify_load", "hear")},
        "transcribe": {**started, "loaded": True},
    }
    assert engine.failure is None


def test_ready_goes_through_all_phases_once(new_toy: Toys, model: VerifiedModel) -> None:
    """A ready engine has loaded and verified its model in one process, and stays as it is."""
    engine = new_toy("good")
    counted = Counted(model.repo, model.revision, model.commit, model.files)
    engine.model = counted
    engine.ready()
    processes = running_engines()

    engine.ready()

    assert engine.facts.dtype == "text"
    assert len(counted.hashed) == 2, "expected one check before the load, and one after it"
    assert len(processes) == 1
    assert running_engines() == processes


@dataclass(frozen=True, slots=True)
class Counted(VerifiedModel):
    """A model that takes note of each time that its files are hashed."""

    hashed: list[str] = field(default_factory=list)

    def recheck(self) -> None:
        """Take note."""
        self.hashed.append("")


def test_files_are_hashed_right_before_the_load_and_after_it(
    new_toy: Toys, model: VerifiedModel
) -> None:
    """A start reads the model's files twice more than the library does, and no more often."""
    engine = new_toy("good")
    counted = Counted(model.repo, model.revision, model.commit, model.files)
    engine.model = counted
    times = {}

    for phase in ("lay_out", "launch", "import_library", "load", "verify_load", "ready"):
        getattr(engine, phase)()
        times[phase] = len(counted.hashed)

    assert times == {
        **dict.fromkeys(("lay_out", "launch", "import_library", "load"), 1),
        **dict.fromkeys(("verify_load", "ready"), 2),
    }


def test_ready_verifies_a_load_that_was_not_verified(new_toy: Toys) -> None:
    """A model that was loaded phase by phase is verified, and not loaded again."""
    engine = new_toy("good")
    for phase in ("lay_out", "launch", "import_library", "load"):
        getattr(engine, phase)()

    engine.ready()

    assert engine.facts.dtype == "text"


def test_audio_can_be_handed_over_before_the_verification(new_toy: Toys, audio: Audio) -> None:
    """Audio can be transcribed before the load is verified, and facts are refused until then."""
    engine = new_toy("good")
    for phase in ("lay_out", "launch", "import_library", "load"):
        getattr(engine, phase)()

    engine.hear("clip", audio)

    assert engine.transcribe("clip", SETTINGS).text == TEXT
    with pytest.raises(EngineError, match="expected a verified load"):
        _ = engine.facts


def test_facts_come_from_the_child(new_toy: Toys) -> None:
    """Versions, threads, number type and mends are what the engine's process says of itself."""
    engine = new_toy("tells")
    engine.ready()

    facts = asdict(engine.facts)
    del facts["compiler"]  # that of this machine; see below
    del facts["environment"]  # see test_environment.py
    assert facts == {
        "versions": {"pytest": pytest.__version__},
        "threads": 3,
        "dtype": "text",
        "mends": ("the first mend", "the second"),
        "device": None,
    }


def test_facts_of_a_load_that_was_not_verified_are_refused(new_toy: Toys) -> None:
    """The facts of a load that was not verified are refused, with what to call first."""
    engine = new_toy("good")

    with pytest.raises(EngineError) as failure:
        _ = engine.facts

    assert str(failure.value) == (
        "toy[micro-good]: expected a verified load before its facts are asked for, got none; "
        "call verify_load or ready first"
    )


@pytest.mark.parametrize(("asked", "given"), [(None, usual_threads()), (7, 7)])
def test_threads_are_those_of_equal_terms_unless_told(
    model: VerifiedModel, tmp_path: Path, asked: int | None, given: int
) -> None:
    """An engine that is told no number of threads takes that by which libraries are compared."""
    engine = Engine(Case("toy", "micro", "good"), model, tmp_path, "cpu", asked)

    assert engine.threads == given


# Calls


def test_transcript_comes_back(toy: Toys) -> None:
    """The transcript is what the library returned."""
    assert toy("good").transcribe("clip", SETTINGS).text == TEXT


def test_audio_and_settings_reach_the_library_whole(new_toy: Toys) -> None:
    """A minute of audio arrives with every sample, and each setting with its value."""
    import json

    import numpy as np

    audio = np.linspace(-1, 1, 960_000, dtype=np.float32)
    settings = replace(SETTINGS, language="de", beam_size=5, temperature=0.25, batch_size=8)
    engine = new_toy("tells")
    engine.hear("clip", audio)

    told = json.loads(engine.transcribe("clip", settings).text)

    assert told == {"samples": 960_000, "sum": float(audio.sum()), **asdict(settings)}


def test_audio_is_sent_once_under_each_name(toy: Toys) -> None:
    """A name stands for the audio that it was first sent with, and other names for their own."""
    import json

    import numpy as np

    engine = toy("tells")
    engine.hear("clip", np.zeros(5, np.float32))
    engine.hear("other", np.zeros(7, np.float32))

    def samples(key: str) -> int:
        return int(json.loads(engine.transcribe(key, SETTINGS).text)["samples"])

    assert {key: samples(key) for key in ("clip", "other")} == {"clip": 16_000, "other": 7}


def test_audio_that_was_forgotten_is_sent_anew(toy: Toys) -> None:
    """Audio that was forgotten is sent anew under its name, and has no echo."""
    import json

    import numpy as np

    engine = toy("tells")
    assert json.loads(engine.transcribe("clip", SETTINGS).text)["samples"] == 16_000

    engine.forget("clip")
    engine.hear("clip", np.ones(7, np.float32))

    assert json.loads(engine.transcribe("clip", SETTINGS).text)["samples"] == 7
    engine.forget("clip")
    engine.forget("never heard of")
    with pytest.raises(EngineError, match="echo raised LookupError: nothing was transcribed as"):
        engine.echo("clip", SETTINGS)


def test_forgotten_audio_cannot_be_transcribed(toy: Toys) -> None:
    """Audio that was forgotten cannot be transcribed."""
    engine = toy("good")
    engine.forget("clip")

    with pytest.raises(EngineError, match="transcribe raised KeyError: 'clip'"):
        engine.transcribe("clip", SETTINGS)


def test_echo_is_the_last_transcript_and_asks_no_library(toy: Toys, tmp_path: Path) -> None:
    """An echo repeats what was last said of that audio; nothing is transcribed for it."""
    import numpy as np

    engine = toy("varies")
    engine.hear("other", np.zeros(7, np.float32))
    said = [engine.transcribe(key, SETTINGS) for key in ("clip", "clip", "other")]

    echoes = [engine.echo(key, SETTINGS) for key in ("clip", "other", "clip")]

    assert [transcript.text for transcript in said] == ["take 1", "take 2", "take 3"]
    assert echoes == [said[1], said[2], said[1]]
    log = (tmp_path / "engine-0" / "engine.log").read_text(encoding="utf-8")
    assert log.count("the toy is asked") == 3


def test_echo_of_nothing_is_refused(toy: Toys) -> None:
    """An engine that has transcribed nothing has no echo, and says so."""
    engine = toy("good")

    with pytest.raises(EngineError, match="nothing was transcribed as 'clip' yet; transcribe it"):
        engine.echo("clip", SETTINGS)


def test_memory_is_the_child_s_peak_in_bytes(toy: Toys) -> None:
    """An engine's footprint is the system's figure, and the accelerator's memory the library's."""
    engine = toy("tells")
    (process,) = running_engines()

    memory = engine.memory()

    resident = process.memory_info().rss
    # Linux adds up what each processor counts now and then, so a peak may seem a little lower.
    assert 0.95 * resident <= memory.footprint < 2 * resident
    assert memory.accelerator == 4096


def test_library_output_cannot_disturb_the_answers(toy: Toys, tmp_path: Path) -> None:
    """What a library prints, on stdout too, goes to the engine's log."""
    toy("good").transcribe("clip", SETTINGS)

    log = (tmp_path / "engine-0" / "engine.log").read_text(encoding="utf-8")
    assert log == "the toy library greets on stdout\nthe toy is asked for 16000 samples\n"


@pytest.mark.parametrize("variant", ["slow", "lazy"])
def test_slow_and_lazy_libraries_are_right_in_the_end(toy: Toys, variant: str) -> None:
    """A library may take its time, or read its file in the first call, and is right in the end."""
    assert toy(variant).transcribe("clip", SETTINGS).text == TEXT


def test_empty_transcript_is_a_transcript(toy: Toys) -> None:
    """An empty transcript is an answer, and not a failure of the engine."""
    assert toy("empty").transcribe("clip", SETTINGS).text == ""


# Failures


@pytest.mark.parametrize(
    ("variant", "outcome"),
    [
        ("raises", "transcribe raised ValueError: the toy dislikes this audio; "),
        (
            "is-tired",
            "transcribe raised ValueError: the toy cannot sing; let it rest\nas it is tired; ",
        ),
        ("quits", "transcribe raised SystemExit: 5; "),
        ("aborts", "the engine was ended by SIGABRT during transcribe; "),
        (
            "killed",
            "the engine was ended by SIGKILL (the system's out-of-memory killer sends it) during t",
        ),
        ("exits", "the engine ended with exit status 3 during transcribe; "),
        ("chats", "the engine ended with exit status 0 during transcribe; "),
        ("babbles", "its answer to transcribe could not be read: "),
        ("forges", "expected a Transcript from transcribe, got 'not of the engine's making'"),
        (
            "opens-network",
            f"{OFFLINE} ('127.0.0.1', 9): every",
        ),
        (
            "resolves-name",
            f"{OFFLINE} huggingface.co: every",
        ),
    ],
)
def test_failure_is_named(toy: Toys, variant: str, outcome: str) -> None:
    """An engine's error names the case, what happened in which call, and the end of the log."""
    engine = toy(variant)

    with pytest.raises(EngineError) as failure:
        engine.transcribe("clip", SETTINGS)

    message = str(failure.value).replace('"', "'")
    assert message.startswith(f"toy[micro-{variant}]: {outcome}")
    assert "; the last lines of its output:\n  | " in message
    if variant != "chats":  # Which says so much that its beginning is not shown.
        said = "  | the toy library greets on stdout\n  | the toy is asked for 16000 samples"
        assert said in message
    assert engine.failure is failure.value
    assert state(engine) == {"loaded": True, "closed": True}
    assert running_engines() == []


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (
            "SIGSEGV",
            ("the engine was ended by SIGSEGV during ", TRY_ANOTHER),
        ),
        (
            "SIGKILL",
            (
                (
                    "the engine was ended by SIGKILL (the system's out-of-memory killer sends it) "
                    "during "
                ),
                "close other programs, or choose a smaller size",
            ),
        ),
        (
            "3",
            ("the engine ended with exit status 3 during ", TRY_ANOTHER),
        ),
    ],
)
@pytest.mark.parametrize(
    ("phase", "during"),
    [
        ("import_library", "import_library"),
        ("load", "load"),
        ("call-1", "transcribe"),
        ("call-3", "transcribe, after 2 that returned"),
        ("verify_load", "verify_load"),
    ],
)
def test_process_that_ends_in_any_phase_is_told_with_phase_cause_and_next_step(
    phase: str,
    during: str,
    by: str,
    told: tuple[str, str],
    new_toy: Toys,
    audio: Audio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that ends in any phase is reported with that phase, the cause and the next step."""
    monkeypatch.setenv(ENDS, f"{phase} {by}")
    engine = new_toy("good")

    def use() -> None:
        for step in (engine.lay_out, engine.launch, engine.import_library, engine.load):
            step()
        engine.hear("clip", audio)
        for _ in range(1 if phase == "verify_load" else 3):
            engine.transcribe("clip", SETTINGS)
        engine.verify_load()

    with pytest.raises(EngineError) as failure:
        use()

    said, _, _ = str(failure.value).partition("; the last lines of its output:\n")
    called = phase.startswith("call") or phase == "verify_load"
    last = "the toy is asked for 16000 samples" if called else "the toy library greets on stdout"
    assert said == f"toy[micro-good]: {told[0]}{during}; it printed last: {last}; {told[1]}"
    assert engine.failure is failure.value
    assert running_engines() == []


@pytest.mark.parametrize(
    ("variant", "raised_in"),
    [("raises", "transcribe"), ("fails-to-load", "load"), ("aborts", ""), ("forges", "")],
)
def test_error_names_the_call_that_the_library_answered_with_an_exception(
    variant: str, raised_in: str, new_toy: Toys, audio: Audio
) -> None:
    """An error names the call that a library answered with an exception, and no other call."""
    engine = new_toy(variant)

    def use() -> None:
        engine.hear("clip", audio)
        engine.transcribe("clip", SETTINGS)

    with pytest.raises(EngineError) as failure:
        use()

    assert failure.value.raised_in == raised_in


def test_library_s_own_traceback_is_shown(toy: Toys) -> None:
    """An error about a library's exception shows where in the library it was raised."""
    with pytest.raises(EngineError) as failure:
        toy("raises").transcribe("clip", SETTINGS)

    lines = str(failure.value).splitlines()
    assert lines[-1] == "  | ValueError: the toy dislikes this audio"
    assert any("toy_adapter.py" in line for line in lines)


def test_error_shows_the_last_twenty_lines_of_the_log(toy: Toys) -> None:
    """An error about a library that said a lot shows the last twenty lines of its log."""
    engine = toy("chats")  # Says thirty numbered lines.

    with pytest.raises(EngineError) as failure:
        engine.transcribe("clip", SETTINGS)

    quoted = [f"  | line {number}" for number in range(11, 31)]
    assert str(failure.value).splitlines()[1:] == quoted


def test_engine_that_hangs_up_and_stays_is_ended(
    toy: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine's process that has hung up is ended if it stays for longer than a limit."""
    monkeypatch.setattr("whisper_speedtest.engine.child.SECONDS_TO_END", 0.2)
    engine = toy("hangs-up")

    with pytest.raises(EngineError, match=r"the engine hung up and did not end within 0\.2 s dur"):
        engine.transcribe("clip", SETTINGS)

    assert running_engines() == []


def test_failure_to_load_is_named(new_toy: Toys) -> None:
    """A model that does not load is an error of that case, with the library's own words."""
    engine = new_toy("fails-to-load")

    with pytest.raises(EngineError) as failure:
        engine.ready()

    expected = "toy[micro-fails-to-load]: load raised OSError: the toy cannot read its file; "
    assert str(failure.value).startswith(expected)
    assert state(engine) == {"loaded": False, "closed": True}
    assert running_engines() == []


def test_model_of_another_size_is_named(new_toy: Toys) -> None:
    """A library that tells the dimensions of another size fails its load, which has them all."""
    engine = new_toy("is-of-base")

    with pytest.raises(EngineError) as failure:
        engine.ready()

    assert str(failure.value).partition("; the last lines")[0] == (
        "toy[micro-is-of-base]: verify_load raised WeightsError: the model is not of the size "
        "micro: heads: expected 2, got 8; width: expected 128, got 512; audio_layers: expected 2, "
        "got 6; text_layers: expected 3, got 6; these are the dimensions of base; fix this entry "
        "of the check map of toy"
    )
    assert state(engine) == {"loaded": False, "closed": True}
    assert running_engines() == []


def test_failed_engine_raises_the_same_at_each_further_call(toy: Toys, audio: Audio) -> None:
    """Whatever is asked of an engine after its failure raises that failure, and starts nothing."""
    engine = toy("aborts")
    with pytest.raises(EngineError) as first:
        engine.transcribe("clip", SETTINGS)

    for call in (
        engine.lay_out,
        engine.launch,
        engine.import_library,
        engine.load,
        engine.verify_load,
        engine.ready,
        lambda: engine.hear("clip", audio),
        lambda: engine.hear("other", audio),
        lambda: engine.transcribe("clip", SETTINGS),
        lambda: engine.echo("clip", SETTINGS),
        engine.memory,
    ):
        with pytest.raises(EngineError) as again:
            call()
        assert again.value is first.value

    assert engine.loaded, "expected a call that was refused to leave no trace"
    assert running_engines() == []


def test_launch_waits_until_the_process_is_up(
    new_toy: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine's process that does not come up fails the launch, and no later phase."""
    engine = new_toy("good")
    engine.lay_out()
    monkeypatch.setitem(REGISTRY, "toy", "tests.no_such_module:Toy")

    with pytest.raises(EngineError) as failure:
        engine.launch()

    first_line = str(failure.value).splitlines()[0]
    assert first_line == (
        "toy[micro-good]: the engine ended with exit status 1 during launch; it printed last: "
        "adapters.base.AdapterError: tests.no_such_module:Toy: expected a class at `module:class`, "
        "got ModuleNotFoundError: No module named 'tests.no_such_module'; mend this entry, or what "
        f"it names; {AT_LAUNCH}; the last lines of its output:"
    )


def test_process_that_cannot_be_started_is_a_failure(new_toy: Toys) -> None:
    """Where the system starts no process, the engine says so, keeps that, and leaks no pipe."""
    engine = new_toy("good")
    engine.lay_out()
    engine.checkout = Checkout(OWN.root, "/no/such/python")
    before = open_descriptors()

    with pytest.raises(EngineError) as failure:
        engine.launch()

    expected = "toy[micro-good]: launch raised FileNotFoundError: "
    assert str(failure.value).startswith(expected)
    assert str(failure.value).endswith("of its output:\n  | (nothing)")
    assert open_descriptors() == before
    with pytest.raises(EngineError) as again:
        engine.ready()
    assert again.value is failure.value


def test_folder_that_cannot_be_laid_out_is_a_failure(new_toy: Toys, tmp_path: Path) -> None:
    """A file in the way of an engine's folder for models fails the engine, and nothing starts."""
    engine = new_toy("good")
    (tmp_path / "engine-0" / "models").write_text("a file, where a folder belongs")

    with pytest.raises(
        EngineError, match=r"lay_out raised (FileExists|NotADirectory)Error: "
    ) as it:
        engine.ready()

    assert engine.failure is it.value


# The end


def test_closing_ends_the_process_and_gives_back_its_descriptors(
    new_toy: Toys, audio: Audio
) -> None:
    """A closed engine has neither process nor pipes; closing it again does no harm."""
    before = open_descriptors()
    engine = new_toy("good")
    engine.hear("clip", audio)
    assert len(running_engines()) == 1

    engine.close()
    engine.close()

    assert engine.closed
    assert engine.failure is None
    assert running_engines() == []
    assert open_descriptors() == before


def test_closed_engine_does_not_start_again(new_toy: Toys) -> None:
    """An engine that was closed before or after its start refuses further calls, and says why."""
    used, unused = new_toy("good"), new_toy("good")
    used.ready()

    for engine, call in ((used, used.memory), (used, used.ready), (unused, unused.ready)):
        engine.close()
        with pytest.raises(EngineError, match=r"expected an open engine for .*; make a new one$"):
            call()

    assert used.facts.dtype == "text"
    assert running_engines() == []


def test_call_before_the_launch_is_refused(new_toy: Toys) -> None:
    """A call before the launch of an engine is refused, with the calls that launch it."""
    with pytest.raises(EngineError, match=r"expected a running engine for load, .* call launch"):
        new_toy("good").load()


def test_engine_ends_with_its_block(new_toy: Toys) -> None:
    """As a context, an engine is closed at the end."""
    with new_toy("good") as engine:
        engine.ready()
        assert len(running_engines()) == 1

    assert engine.closed
    assert running_engines() == []


def test_what_a_library_starts_ends_with_its_engine(toy: Toys) -> None:
    """Closing an engine ends the processes that its library has started, too."""
    engine = toy("leaves-child")
    grandchild = int(engine.transcribe("clip", SETTINGS).text)
    os.kill(grandchild, 0)

    engine.close()

    assert wait_until_gone(grandchild)


def test_what_a_library_starts_ends_with_an_engine_that_crashed(toy: Toys) -> None:
    """What a library has started ends with an engine that crashed, though it ignores SIGTERM."""
    engine = toy("leaves-child")
    grandchild = int(engine.transcribe("clip", SETTINGS).text)
    (process,) = running_engines()
    process.kill()

    with pytest.raises(EngineError, match="the engine was ended by SIGKILL"):
        engine.memory()

    assert wait_until_gone(grandchild)


# Files


def test_folder_holds_the_verified_files_only(toy: Toys, tmp_path: Path) -> None:
    """The library finds the verified bytes where it looks, and no other file beside them."""
    toy("good")

    folder = tmp_path / "engine-0"
    found = {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    log = "the toy library greets on stdout\n"
    assert found == {f"models/micro/{FILE}": TEXT, "engine.log": log}


def test_hub_cache_names_the_commit_that_was_verified(tmp_path: Path, model: VerifiedModel) -> None:
    """A library that looks in the hub cache finds the files at the revision that it will ask for.

    On disk: refs/<revision> holds the commit, and snapshots/<commit>/<file> the file.
    """
    (path, proof) = model.files[FILE]
    files = {FILE: (path, proof), "model.bin": (path, proof)}
    verified = VerifiedModel("Systran/faster-whisper-tiny", "main", "ab" * 20, files)
    engine = Engine(Case("faster-whisper", "tiny", "fp16"), verified, tmp_path / "new", "cpu")

    engine.lay_out()

    repo = tmp_path / "new" / "huggingface" / "hub" / "models--Systran--faster-whisper-tiny"
    found = {
        str(file.relative_to(repo)): file.read_text(encoding="utf-8")
        for file in repo.rglob("*")
        if file.is_file()
    }
    assert found == {
        "refs/main": "ab" * 20,
        f"snapshots/{'ab' * 20}/{FILE}": TEXT,
        f"snapshots/{'ab' * 20}/model.bin": TEXT,
    }


def test_home_of_a_library_is_its_engine_s_folder(tmp_path: Path, model: VerifiedModel) -> None:
    """What a library looks for in the user's home lies in the folder of its engine."""
    (path, proof) = model.files[FILE]
    verified = VerifiedModel("embedded/micro", "main", "0" * 40, {"micro.pt": (path, proof)})
    engine = Engine(Case("openai-whisper", "micro", "fp16"), verified, tmp_path / "new", "cpu")

    engine.lay_out()

    file = tmp_path / "new" / ".cache" / "whisper" / "micro.pt"
    assert file.read_text(encoding="utf-8") == TEXT
    assert file.resolve() == path.resolve()


def sung(model: VerifiedModel) -> tuple[Path, str]:
    """Change one word of the model's file, at the same size; return it, and what it was before."""
    path, _ = model.files[FILE]
    path.write_text(TEXT.replace("says", "sang"), encoding="utf-8")
    return path, TEXT


def test_file_changed_after_its_verification_is_not_run(
    model: VerifiedModel, new_toy: Toys
) -> None:
    """A file that changed after its verification is not run, and the engine has not failed."""
    engine = new_toy("good")
    sung(model)

    with pytest.raises(VerificationError, match=r"config\.json: expected sha256 .*, got .*"):
        engine.ready()

    assert engine.failure is None
    assert not engine.loaded
    assert running_engines() == []


def test_file_exchanged_between_the_check_and_the_load_is_found(
    model: VerifiedModel, new_toy: Toys
) -> None:
    """A file that is exchanged between check and load is found by the hash after the load."""
    engine = new_toy("lazy")  # Whose own comparison sees nothing.
    for phase in ("lay_out", "launch", "import_library"):
        getattr(engine, phase)()
    path, _ = sung(model)
    engine.load()

    with pytest.raises(EngineError) as failure:
        engine.verify_load()

    _, proof = model.files[FILE]
    expected = (
        f"toy[micro-lazy]: a file changed during the load: embedded/toy@000000000000 {FILE}: "
        f"expected sha256 {proof.sha256}, got {prove(path).sha256}; "
    )
    assert str(failure.value).startswith(expected)
    assert engine.failure is failure.value
    assert state(engine) == {"loaded": False, "closed": True}
    assert running_engines() == []


def test_weights_that_are_not_the_files_are_found(model: VerifiedModel, new_toy: Toys) -> None:
    """Weights read from other bytes are found in memory, though the file is right again."""
    engine = new_toy("good")
    for phase in ("lay_out", "launch", "import_library"):
        getattr(engine, phase)()
    path, before = sung(model)
    engine.load()
    path.write_text(before, encoding="utf-8")

    with pytest.raises(EngineError, match="verify_load raised WeightsError: the toy holds another"):
        engine.verify_load()

    assert not engine.loaded
    with pytest.raises(EngineError, match="expected a verified load"):
        _ = engine.facts


# Devices


@pytest.mark.parametrize(
    ("library", "device", "told"),
    [
        ("ToyWithGPU", "gpu", "gpu"),
        ("ToyWithGPU", "cpu", "cpu"),
        ("ToyThatKeepsSilent", "gpu", None),
    ],
)
def test_facts_have_the_device_that_the_library_tells(
    library: str, device: Device, told: Device | None, new_engine: Callable[..., Engine]
) -> None:
    """An engine's facts have the device that its library tells, or None where it tells nothing."""
    engine = new_engine(library, "good", device)

    engine.ready()

    assert engine.facts.device == told


def test_library_that_computes_on_another_device_is_found(
    new_engine: Callable[..., Engine],
) -> None:
    """A library that says it computes on another device than it was told fails its load."""
    engine = new_engine("ToyWithGPU", "falls-back", "gpu")

    with pytest.raises(EngineError) as failure:
        engine.ready()

    assert str(failure.value).startswith(
        "toy[micro-falls-back]: expected a model that computes on the gpu, got one that computes "
        "on the cpu, as the library says; see which devices its build is for, or choose "
        "--device=cpu; the last lines of its output:"
    )
    assert state(engine) == {"loaded": False, "closed": True}
    assert running_engines() == []


def test_library_is_shown_what_it_has_printed(toy: Toys) -> None:
    """An adapter can read what its library has printed, and tell the device from it."""
    engine = toy("reads-its-log")

    assert engine.facts.device == "cpu"


# Limits


@pytest.mark.parametrize(
    ("variant", "method"),
    [("hangs-loading", "load"), ("hangs-verifying", "verify_load"), ("hangs", "transcribe")],
)
def test_call_that_outlasts_the_limit_fails_and_ends_the_engine(
    variant: str, method: str, new_toy: Toys, audio: Audio
) -> None:
    """A call that outlasts the limit is reported with that limit, and so is every further call."""
    engine = new_toy(variant)

    def use() -> None:
        with engine.limited(2.5):
            engine.hear("clip", audio)
            engine.transcribe("clip", SETTINGS)

    with pytest.raises(EngineTimeoutError) as failure:
        use()

    start = (
        f"toy[micro-{variant}]: {method} did not end within 2.5 s; the last lines of its output:"
    )
    assert str(failure.value).startswith(start)
    assert running_engines() == []
    with pytest.raises(EngineTimeoutError, match=r"did not end within 2\.5 s"):
        engine.memory()


def test_program_that_a_library_waits_for_is_told_with_the_limit(
    new_toy: Toys, audio: Audio
) -> None:
    """A program that a library waits for is named when the time limit ends the call."""
    engine = new_toy("waits-for-a-program")
    engine.hear("clip", audio)

    with pytest.raises(EngineTimeoutError) as failure, engine.limited(1):
        engine.transcribe("clip", SETTINGS)

    assert str(failure.value).startswith(
        "toy[micro-waits-for-a-program]: transcribe did not end within 1 s; it had started "
        "`/bin/sleep 3600`, which had not ended either; the last lines of its output:\n"
    )
    assert running_engines() == []


def test_program_that_a_library_waits_for_is_told_with_an_interrupt(
    new_toy: Toys, audio: Audio
) -> None:
    """A program that a library waits for is named when the call is interrupted."""
    engine = new_toy("waits-for-a-program")
    engine.hear("clip", audio)

    with pytest.raises(Interrupted) as interrupt, alarm(1):
        engine.transcribe("clip", SETTINGS)

    (note,) = interrupt.value.__notes__
    assert note.startswith(
        "toy[micro-waits-for-a-program]: stopped during transcribe, which had not returned; it had "
        "started `/bin/sleep 3600`, which had not ended either; the last lines"
    )


def test_limit_is_for_all_calls_together(new_toy: Toys, audio: Audio) -> None:
    """A time limit is for all calls of its block together."""
    engine = new_toy("slow")
    engine.hear("clip", audio)

    def transcribe_thrice() -> None:
        with engine.limited(0.5):
            for _ in range(3):
                engine.transcribe("clip", SETTINGS)

    with pytest.raises(EngineError, match=r"transcribe did not end within 0\.5 s"):
        transcribe_thrice()


def test_call_that_begins_after_its_limit_is_not_waited_for(new_toy: Toys, audio: Audio) -> None:
    """A call that begins after its time limit is over is not waited for."""
    engine = new_toy("hangs")
    engine.hear("clip", audio)

    with alarm(10), pytest.raises(EngineTimeoutError), engine.limited(-1):
        engine.transcribe("clip", SETTINGS)

    assert running_engines() == []


def test_limit_holds_again_after_a_block_within_its_own(new_toy: Toys, audio: Audio) -> None:
    """The time limit of an outer block holds again after a block within it."""
    engine = new_toy("hangs")
    engine.hear("clip", audio)

    with alarm(10), engine.limited(0.3):
        with engine.limited(30):
            engine.memory()
        with pytest.raises(EngineTimeoutError, match=r"within 0\.3 s"):
            engine.transcribe("clip", SETTINGS)

    assert running_engines() == []


def test_limit_ends_with_its_block(new_toy: Toys, audio: Audio) -> None:
    """Each block with a time limit has all of its time, and calls after it have no limit."""
    engine = new_toy("slow")
    engine.hear("clip", audio)
    for _ in range(3):
        with engine.limited(30):
            engine.transcribe("clip", SETTINGS)
    with suppress(ZeroDivisionError), engine.limited(0):
        raise ZeroDivisionError

    engine.transcribe("clip", SETTINGS)

    assert engine.failure is None


# The compiler


@pytest.fixture(name="programs")
def _programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found, with a g++ that is a link to its real name."""
    (programs := tmp_path / "bin").mkdir()
    (programs / "x86_64-linux-gnu-g++-13").touch(mode=0o755)
    (programs / "g++").symlink_to("x86_64-linux-gnu-g++-13")
    monkeypatch.setenv("PATH", str(programs))
    return programs


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("mlx/0.32.4/cpu/libkernel.so", "x86_64-linux-gnu-g++-13"),
        ("mlx/0.32.4/cpu/kernel.cpp", None),
        ("mlx/0.32.4/ptx/kernel.ptx", None),
        ("kernel.so", None),
    ],
)
@pytest.mark.usefixtures("programs")
def test_facts_name_the_compiler_where_it_has_compiled(
    kept: str, told: str | None, new_toy: Toys, tmp_path: Path
) -> None:
    """An engine's facts name the compiler by its real name, where it has compiled something."""
    engine = new_toy("good")
    for phase in ("lay_out", "launch", "import_library", "load"):
        getattr(engine, phase)()
    file = tmp_path / "engine-0" / "tmp" / kept
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    engine.verify_load()

    assert engine.facts.compiler == told


def test_answer_that_came_too_late_is_none(
    new_toy: Toys, audio: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that comes after the limit is not taken, and the call fails."""
    engine = new_toy("good")
    engine.hear("clip", audio)

    def sleep_through(_: Wire, seconds: float) -> bool:
        time.sleep(seconds + 0.05)
        return True

    monkeypatch.setattr(Wire, "has_come", sleep_through)

    with pytest.raises(EngineTimeoutError) as late, engine.limited(0.1):
        engine.transcribe("clip", SETTINGS)

    assert str(late.value).startswith("toy[micro-good]: transcribe did not end within 0.1 s")
    assert running_engines() == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells the flags of an open file")
def test_what_a_library_starts_does_not_hold_the_wire(new_toy: Callable[[str], Engine]) -> None:
    """Native code hands on what is open: the end of an engine would be that of its last child."""
    engine = new_toy("good")
    engine.lay_out()
    engine.launch()

    process = Path("/proc", str(engine.pid))
    flags = [
        (process / "fdinfo" / each.name).read_text().partition("flags:")[2].split()[0]
        for each in (process / "fd").iterdir()
        if str(each.readlink()).startswith("socket:")
    ]
    assert [bool(int(each, 8) & os.O_CLOEXEC) for each in flags] == [True]


def test_engine_that_ends_before_its_load_takes_back_what_it_compiled(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library may compile in a load, and be killed in its midst."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    (folder := tmp_path / "engine").mkdir()
    shared = tmp_path / "shared"
    with Engine(Case("toy", "micro", "good"), model, folder, "cpu", 3, shared) as engine:
        engine.lay_out()
        engine.launch()
        (shared / "numba" / "torn").touch()
        os.kill(engine.pid, signal.SIGKILL)

        with pytest.raises(EngineError):
            engine.import_library()

    assert not (shared / "numba" / "torn").exists()
