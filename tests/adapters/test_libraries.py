"""Every library, really run on the embedded model: right, on equal terms, and by itself in failure.

Those that are not installed are skipped; each has an extra, and `tox -e libraries` has them all.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import threading
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from adapters import REGISTRY, adapter_class, all_cases, files_of, why_not_installed
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.processes import running_engines
from tests.helpers.spies import SPIES
from whisper_speedtest.engine.process import Engine, EngineError
from whisper_speedtest.hub.hashes import prove
from whisper_speedtest.hub.model import VerifiedModel
from whisper_speedtest.hub.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.base import Audio, Transcript

    Start = Callable[..., Engine]

EQUAL = DecodeSettings()
MICRO = [case for case in all_cases() if case.size == "micro"]
UNQUANTISED = [Case(name, "micro", "fp16") for name in REGISTRY]
QUICK = [
    case
    for case in MICRO
    if case.variant not in adapter_class(case.adapter).slow_variants.get("cpu", ())
]
PAIRS = list(
    itertools.combinations([name for name in REGISTRY if adapter_class(name).traits.timestamps], 2)
)
SEVERAL_SENTENCES = ("paragraph", "window", "noisy")
"""In a window of one sentence, some libraries begin the segment with the window."""

OTHER: dict[str, Any] = {
    "language": "de",
    "beam_size": 2,
    "temperature": 0.4,
    "fallback": True,
    "timestamps": False,
    "context": True,
    "vad": True,
    "batch_size": 2,
    "threads": 1,
}
"""A value for each field that is not that of equal terms."""

SPEECH = {
    # Text that repeats itself looks wrong: it compresses too well.
    "fallback": ("short",) * 8,
    "context": ("paragraph", "window"),
    "batch_size": ("paragraph", "window"),
}
"""Clips, one after the other, on which a setting makes a difference."""


def model_of(case: Case) -> VerifiedModel:
    """Return a case's verified files."""
    return Store.from_environment().prepare(files_of(case))


@pytest.fixture(name="start")
def _start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """A function that returns an engine of a case, not started; skips what is not installed."""
    engines: list[Engine] = []

    def make(case: Case, model: VerifiedModel | None = None, threads: int | None = None) -> Engine:
        if reason := why_not_installed(case.adapter):
            pytest.skip(reason)
        folder = tmp_path_factory.mktemp("engine")
        engines.append(Engine(case, model or model_of(case), folder, "cpu", threads))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture(name="transcripts", scope="module")
def _transcripts(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Case], dict[str, Transcript]]:
    """A function that returns what a case makes of each short synthetic clip; run once each."""
    known: dict[Case, dict[str, Transcript]] = {}

    def transcribe(case: Case) -> dict[str, Transcript]:
        if reason := why_not_installed(case.adapter):
            pytest.skip(reason)
        if case not in known:
            with Engine(case, model_of(case), tmp_path_factory.mktemp("engine"), "cpu") as engine:
                known[case] = {
                    name: heard(engine, name) for name in ("short", *SEVERAL_SENTENCES, "silence")
                }
        return known[case]

    return transcribe


def audio_of(*names: str) -> Audio:
    """Return clips, one after the other."""
    import numpy as np

    from whisper_speedtest.speech.audio import read_audio

    return np.concatenate([read_audio(clips()[name].path) for name in names])


def heard(engine: Engine, name: str, settings: DecodeSettings = EQUAL) -> Transcript:
    """Return what an engine makes of a clip."""
    engine.hear(name, audio_of(name))
    return engine.transcribe(name, settings)


# Right


@pytest.mark.parametrize("case", QUICK, ids=str)
def test_every_clip_is_exact(
    case: Case, transcripts: Callable[[Case], dict[str, Transcript]]
) -> None:
    """A library writes each clip that fits a window to the letter, with no fallback decode."""
    heard = transcripts(case)

    assert {name: transcript.text for name, transcript in heard.items()} == {
        name: clips()[name].reference for name in heard
    }
    assert not any(transcript.fallback for transcript in heard.values())


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda name: name)
def test_libraries_agree_on_segment_times(
    one: str, other: str, transcripts: Callable[[Case], dict[str, Transcript]]
) -> None:
    """Two libraries find the same segments, whose begins and ends are within 0.1 s."""
    mine, theirs = (transcripts(Case(name, "micro", "fp16")) for name in (one, other))

    for name in SEVERAL_SENTENCES:
        assert [s.text for s in mine[name].segments] == [s.text for s in theirs[name].segments]
        times = [[(s.start, s.end) for s in heard[name].segments] for heard in (mine, theirs)]
        assert sum(times[0], ()) == pytest.approx(sum(times[1], ()), abs=0.1)


@pytest.mark.parametrize("case", UNQUANTISED, ids=str)
def test_segments_are_the_sentences(
    case: Case, transcripts: Callable[[Case], dict[str, Transcript]]
) -> None:
    """A library with timestamps says within 0.1 s when each sentence of a clip begins and ends."""
    if not adapter_class(case.adapter).traits.timestamps:
        pytest.skip(f"{case.adapter}: its segments are whole windows")
    sentences = clips()["window"].sentences

    segments = transcripts(case)["window"].segments

    assert [segment.text for segment in segments] == [sentence.text for sentence in sentences]
    for segment, sentence in zip(segments, sentences, strict=True):
        assert (segment.start, segment.end) == pytest.approx(
            (sentence.start, sentence.end), abs=0.1
        )


@pytest.mark.parametrize("case", MICRO, ids=str)
def test_load_is_verified_and_says_what_it_computes_in(case: Case, start: Start) -> None:
    """Every variant loads, offline and from its verified files alone, and names its type."""
    engine = start(case)

    engine.ready()

    assert engine.facts.dtype.startswith(("float", "int8"))


# On equal terms


@pytest.mark.parametrize("field", [field.name for field in fields(DecodeSettings)])
@pytest.mark.parametrize("name", REGISTRY)
def test_setting_reaches_the_library(
    name: str, field: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library decodes with each setting as it is told, or as its `ignored_settings` say."""
    settings = replace(EQUAL, **{field: OTHER[field]})
    adapter = adapter_class(name)
    monkeypatch.setitem(REGISTRY, name, SPIES[name])
    engine = start(Case(name, "micro", "fp16"), threads=settings.threads)
    engine.hear("audio", audio_of(*SPEECH.get(field, ("short",))))

    seen = json.loads(engine.transcribe("audio", settings).text)

    expected = adapter.ignored_settings.get(field, OTHER[field])
    if expected is not None:
        assert seen.get(field, expected) == expected
    if field not in adapter.ignored_settings:
        assert field in seen
        for other, value in vars_of(EQUAL).items():
            if other in seen and other not in {field, *adapter.ignored_settings}:
                assert seen[other] == value, other
        if field in SPEECH:  # where it makes a difference, unlike in the tests of other fields
            on_equal_terms = json.loads(engine.transcribe("audio", EQUAL).text)
            assert on_equal_terms[field] == getattr(EQUAL, field)


def vars_of(settings: DecodeSettings) -> dict[str, Any]:
    """Return the fields and their values."""
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


@pytest.mark.parametrize("name", REGISTRY)
def test_tuned_settings_are_fields_that_the_library_can_be_told(name: str) -> None:
    """The recommended settings are named, and differ from what cannot be told."""
    adapter = adapter_class(name)

    replace(EQUAL, **adapter.tuned)

    assert adapter.tuned
    assert not adapter.tuned.keys() & adapter.ignored_settings.keys()


# By itself in failure


@pytest.mark.parametrize("case", UNQUANTISED, ids=str)
def test_process_killed_during_a_call_fails_that_call_only(case: Case, start: Start) -> None:
    """A library whose process is killed in mid-call is a named error, and the next engine works."""
    engine, other = start(case), start(case)
    engine.hear("long", audio_of("long"))
    (process,) = running_engines()
    killer = threading.Timer(0.2, lambda: os.kill(process.pid, signal.SIGKILL))
    killer.start()

    with pytest.raises(EngineError) as failure:
        engine.transcribe("long", EQUAL)

    killer.join()
    assert str(failure.value).startswith(f"{case.label}: the engine was ended by SIGKILL ")
    assert "during transcribe; its last lines on stderr:" in str(failure.value)
    assert running_engines() == []
    assert heard(other, "short").text == clips()["short"].reference


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _zeros(content: bytes) -> bytes:
    return bytes(len(content))


@pytest.mark.parametrize("harm", [_cut, _zeros], ids=["cut", "zeros"])
@pytest.mark.parametrize("case", UNQUANTISED, ids=str)
def test_corrupt_model_fails_its_load_only(
    case: Case, harm: Callable[[bytes], bytes], start: Start, tmp_path: Path
) -> None:
    """Weights that are no weights, though they hash as they should, are an error of that case."""
    if reason := why_not_installed(case.adapter):
        pytest.skip(reason)
    whole = model_of(case)
    largest = max(whole.files, key=lambda name: whole.files[name][1].size)
    files = {}
    for name, (path, _) in whole.files.items():
        shutil.copyfile(path, tmp_path / name)
        if name == largest:
            (tmp_path / name).write_bytes(harm(path.read_bytes()))
        files[name] = (tmp_path / name, prove(tmp_path / name))
    engine = start(case, VerifiedModel(whole.repo, whole.revision, whole.commit, files))

    with pytest.raises(EngineError) as failure:
        engine.ready()

    assert str(failure.value).startswith(f"{case.label}: ")
    assert running_engines() == []
