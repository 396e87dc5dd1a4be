"""Every registered library, really run on the embedded model.

It must be exact, decode as it is told, and fail without harm to any other. A library that is not
installed is skipped; `tox -e libraries` installs them all. A new library needs no change here: no
test names one. All of it runs on the CPU, or with --tests-device=gpu on the GPU.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import threading
import zipfile
from dataclasses import dataclass, fields, replace
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from adapters import REGISTRY, adapter_class, all_cases, files_of, valid_adapters, why_not_installed
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.harm import kept_times
from tests.helpers.processes import running_engines
from tests.helpers.spies import HIDES_DECODES, LISTENERS
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.store import Store
from whisper_speedtest.measure.judging import computed_by
from whisper_speedtest.measure.protocol import is_slow
from whisper_speedtest.measure.recording import provenance_of
from whisper_speedtest.speech.scoring import difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.base import Audio, Device, Transcript
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.measure.result import Provenance

    Start = Callable[..., Engine]
    Tell = Callable[..., "Told"]

pytestmark = pytest.mark.slow
ONE_THREAD = 1
"""Threads of a library wait for each other by spinning, so one test beside another is slow."""

EQUAL = DecodeSettings(threads=ONE_THREAD)
MICRO = [case for case in all_cases() if case.size == "micro"]
UNQUANTISED = [Case(name, "micro", "fp16") for name in REGISTRY]
PAIRS = list(
    itertools.combinations(
        [name for name in valid_adapters() if adapter_class(name).traits.timestamps], 2
    )
)
SEVERAL_SENTENCES = ("paragraph", "window", "noisy")
"""Clips of several sentences: with one alone, some libraries begin its segment with the window."""

EXACT_CLIPS = ("short", *SEVERAL_SENTENCES, "silence")
"""The clips that each library must write to the letter; all fit a window."""

SETTINGS = [field.name for field in fields(DecodeSettings)]

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
"""For each setting, a value that is not its default."""

SPEECH = {
    # Text that repeats itself looks wrong: it compresses too well.
    "fallback": ("short",) * 4,
    # Two windows, of which the first has a text and the second can have a context.
    "context": (two_windows := ("short", *["silence"] * 6, "short")),
    "batch_size": two_windows,
}
"""The clips, one after the other, on which a setting makes a difference to the decoder."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `quick_case` every case but those that are many times slower on this device."""
    if "quick_case" in metafunc.fixturenames:
        device: Device = metafunc.config.getoption("--tests-device")
        quick = [case for case in MICRO if not is_slow(case, device)]
        metafunc.parametrize("quick_case", quick, ids=str)


def model_of(case: Case) -> VerifiedModel:
    """Return a case's verified files."""
    return Store.from_environment().prepare(files_of(case))


@dataclass(frozen=True)
class Heard:
    """What a case made of some clips, by their names, and how it computed that."""

    clips: dict[str, Transcript]
    provenance: Provenance


@pytest.fixture(name="start")
def _start(tmp_path_factory: pytest.TempPathFactory, tests_device: Device) -> Iterator[Start]:
    """A function that returns an engine of a case, not started; skips what is not installed."""
    engines: list[Engine] = []

    def make(case: Case, model: VerifiedModel | None = None, threads: int = ONE_THREAD) -> Engine:
        if reason := why_not_installed(case.adapter):
            pytest.skip(reason)
        folder = tmp_path_factory.mktemp("engine")
        engines.append(Engine(case, model or model_of(case), folder, tests_device, threads))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture(name="compiled", scope="module")
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """A function that returns where engines of a case keep what they compile, as in a session.

    Else each of them starts a compiler, which takes half as long as it does to transcribe a clip.
    """
    return cache(lambda case: tmp_path_factory.mktemp(str(case)))


@pytest.fixture(name="transcripts", scope="module")
def _transcripts(
    tmp_path_factory: pytest.TempPathFactory,
    tests_device: Device,
    compiled: Callable[[Case], Path],
) -> Callable[[Case], Heard]:
    """A function that returns what a case makes of each short synthetic clip; run once each."""
    known: dict[Case, Heard] = {}

    def transcribe(case: Case) -> Heard:
        if reason := why_not_installed(case.adapter):
            pytest.skip(reason)
        if case not in known:
            folder = tmp_path_factory.mktemp("engine")
            model, kept = model_of(case), compiled(case)
            with Engine(case, model, folder, tests_device, ONE_THREAD, kept) as engine:
                heard_clips = {name: heard(engine, name) for name in EXACT_CLIPS}
                known[case] = Heard(heard_clips, provenance_of(engine))
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


def test_every_clip_is_exact(quick_case: Case, transcripts: Callable[[Case], Heard]) -> None:
    """A library writes each of EXACT_CLIPS to the letter, with no fallback decode."""
    heard = transcripts(quick_case)
    step = (
        "with this model the other libraries write it so: see in transcribe of "
        f"{adapter_class(quick_case.adapter).__module__} whether all of the audio and each setting "
        "are handed on, and on silence whether the library leaves out a window without speech"
    )

    for name, transcript in heard.clips.items():
        said = clips()[name].reference
        assert said is not None
        assert transcript.text == said, (
            f"{quick_case.label} on {name}, by {computed_by(heard.provenance)}: expected the clip "
            f"to the letter; {step}\n{difference(said, transcript.text, shorten=False)}"
        )
        assert not transcript.fallback, (
            f"{quick_case.label} on {name}: expected no fallback decode, got one; {step}"
        )


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda name: name)
def test_libraries_agree_on_segment_times(
    one: str, other: str, transcripts: Callable[[Case], Heard]
) -> None:
    """Two libraries find the same segments, whose begins and ends are within 0.1 s."""
    mine, theirs = (transcripts(Case(name, "micro", "fp16")).clips for name in (one, other))

    for name in SEVERAL_SENTENCES:
        assert [s.text for s in mine[name].segments] == [s.text for s in theirs[name].segments]
        times = [[(s.start, s.end) for s in heard[name].segments] for heard in (mine, theirs)]
        assert sum(times[0], ()) == pytest.approx(sum(times[1], ()), abs=0.1)


@pytest.mark.parametrize("case", UNQUANTISED, ids=str)
def test_segments_are_the_sentences(case: Case, transcripts: Callable[[Case], Heard]) -> None:
    """A library with timestamps says within 0.1 s when each sentence of a clip begins and ends."""
    if not adapter_class(case.adapter).traits.timestamps:
        pytest.skip(f"{case.adapter}: its segments are whole windows")
    sentences = clips()["window"].sentences

    segments = transcripts(case).clips["window"].segments

    assert [segment.text for segment in segments] == [sentence.text for sentence in sentences]
    for segment, sentence in zip(segments, sentences, strict=True):
        assert (segment.start, segment.end) == pytest.approx(
            (sentence.start, sentence.end), abs=0.1
        )


@pytest.mark.parametrize("case", MICRO, ids=str)
def test_load_is_verified_and_says_what_it_computes_in(case: Case, start: Start) -> None:
    """Every variant loads, offline and from its verified files alone, and names its type.

    That is a number type, or how the library itself calls its quantised variant.
    """
    engine = start(case)

    engine.ready()

    assert engine.facts.dtype.startswith(("float", "int8", case.variant))


def with_one_weight_changed(path: Path) -> bytes:
    """Return a file of weights in which one bit of one weight is another."""
    content = bytearray(path.read_bytes())
    if not zipfile.is_zipfile(path):
        content[len(content) // 2] ^= 1
        return bytes(content)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(out := BytesIO(), "w") as changed:
        largest = max(archive.infolist(), key=lambda each: each.file_size)
        for each in archive.infolist():
            body = bytearray(archive.read(each))
            if each is largest:
                body[-2] ^= 1
            changed.writestr(each.filename, body)
    return out.getvalue()


@pytest.mark.parametrize("case", UNQUANTISED, ids=str)
def test_other_weight_in_memory_is_found(case: Case, start: Start, tmp_path: Path) -> None:
    """A weight in memory that is not the file's is found, though the file is put back.

    The adapter has to see it in memory. Where its traits say that the library shows no weights, the
    engine finds that the file was changed meanwhile.
    """
    if reason := why_not_installed(case.adapter):
        pytest.skip(reason)
    model = copied(model_of(case), tmp_path)
    weights = largest_file(model)
    changed, whole = with_one_weight_changed(weights), weights.read_bytes()
    engine = start(case, model)
    engine.lay_out()
    engine.launch()
    with kept_times(weights):
        weights.write_bytes(changed)
    engine.import_library()
    engine.load()
    with kept_times(weights):
        weights.write_bytes(whole)

    with pytest.raises(EngineError) as failure:
        engine.verify_load()

    adapter, told = adapter_class(case.adapter), str(failure.value)
    seen = told.startswith(f"{case.label}: verify_load raised WeightsError: ")
    if seen != adapter.traits.shows_weights:
        got = "a WeightsError" if seen else "none"
        pytest.fail(
            f"{case.label}: one weight in memory is not the file's; with shows_weights="
            f"{adapter.traits.shows_weights} in its traits, expected "
            f"{'no' if seen else 'a'} WeightsError of verify_load, got {got}; compare each weight "
            "there if the library shows them, and say in the traits whether it does\n"
            f"what was found: {told}",
            pytrace=False,
        )
    assert seen or f"{weights} was changed during the load" in told


def copied(model: VerifiedModel, folder: Path) -> VerifiedModel:
    """Return the same model with files in a folder, which may be changed."""
    files = {}
    for name, (path, proof) in model.files.items():
        files[name] = (folder / name, proof)
        shutil.copyfile(path, folder / name)
    return replace(model, files=files)


def largest_file(model: VerifiedModel) -> Path:
    """Return the file of a model's weights."""
    path, _ = max(model.files.values(), key=lambda file: file[1].size)
    return path


# On equal terms
#
# The tests of one library come together, those with another number of threads last: each library is
# then started once for each number.


@dataclass(frozen=True)
class Told:
    """What a library was told; see tests/helpers/spies.py."""

    handed: dict[str, Any]
    decoded: dict[str, Any] | None
    fell_back: bool
    threads: int | None
    """What the engine says that the library computes with."""


@pytest.fixture(name="tell", scope="module")
def _tell(
    tmp_path_factory: pytest.TempPathFactory,
    tests_device: Device,
    compiled: Callable[[Case], Path],
) -> Iterator[Tell]:
    """A function that has a library transcribe clips, and returns what it was told; cached."""
    answers: dict[tuple[object, ...], Told] = {}
    engines: dict[tuple[str, int | None], Engine] = {}

    def engine_of(name: str, threads: int | None) -> Engine:
        if (name, threads) not in engines:
            while engines:  # one at a time: six libraries are a lot of memory
                engines.popitem()[1].close()
            case = Case(name, "micro", "fp16")
            folder = tmp_path_factory.mktemp("spy")
            model, kept = model_of(case), compiled(case)
            engine = Engine(case, model, folder, tests_device, threads, kept)
            engines[name, threads] = engine
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(REGISTRY, name, f"tests.helpers.spies:{name}")
                engine.ready()
        return engines[name, threads]

    def tell(
        name: str, settings: DecodeSettings, clip_names: tuple[str, ...] = ("short",), time: int = 1
    ) -> Told:
        if reason := why_not_installed(name):
            pytest.skip(reason)
        key = (name, settings, clip_names, time)
        if key not in answers:
            engine = engine_of(name, settings.threads)
            audio = "+".join(clip_names)
            engine.hear(audio, audio_of(*clip_names))
            told = json.loads(engine.transcribe(audio, settings).text)
            answers[key] = Told(**told, threads=engine.facts.threads)
        return answers[key]

    yield tell
    for engine in engines.values():
        engine.close()


def with_other(name: str, setting: str) -> DecodeSettings:
    """Return equal settings but for one that has another value.

    Of those that a library is said to ignore all have one: it is to take no notice of any of them.
    """
    ignored = adapter_class(name).ignored_settings
    changed = ignored if setting in ignored else (setting,)
    return replace(EQUAL, **{each: OTHER[each] for each in changed})


@pytest.mark.parametrize("setting", [name for name in SETTINGS if name != "threads"])
@pytest.mark.parametrize("name", REGISTRY, scope="module")
def test_setting_is_handed_to_the_library(name: str, setting: str, tell: Tell) -> None:
    """A setting changes what the adapter hands on, unless the library is said to ignore it."""
    value = OTHER[setting]
    usual, again = (tell(name, EQUAL, time=time).handed for time in (1, 2))
    changed = tell(name, with_other(name, setting)).handed

    counted = differences(usual, again)  # a library may count its calls
    handed = {key: changed.get(key) for key in differences(usual, changed) - counted}
    if setting in adapter_class(name).ignored_settings:
        assert not handed, (
            f"{name}: its ignored_settings have {setting}, but one of them changes what is handed "
            f"to the library: {handed}"
        )
    else:
        assert handed, (
            f"{name}: {setting}={value!r} changes nothing that the library is handed; hand it on "
            "in transcribe, or name it in ignored_settings"
        )


def differences(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Return the keys that two dictionaries do not share with the same value."""
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", LISTENERS, scope="module")
def test_library_decodes_as_it_is_told(name: str, setting: str, tell: Tell) -> None:
    """A setting arrives at the library's decoder; an ignored one has the value that is recorded.

    No other setting changes with it. Where a setting makes a difference on certain clips only, the
    default arrives there as well. The transcript says of a fallback what the decoder shows of it.
    """
    clip_names = SPEECH.get(setting, ("short",))
    ignored = adapter_class(name).ignored_settings

    told = tell(name, with_other(name, setting), clip_names)

    decoded = told.decoded
    assert decoded is not None
    if name != HIDES_DECODES:
        assert told.fell_back == decoded["fallback"], f"{name}: {setting}={OTHER[setting]!r}"
    expected = ignored.get(setting, OTHER[setting])
    if expected is not None:
        assert decoded.get(setting, expected) == expected
    if setting not in ignored:
        assert setting in decoded
        for other, value in vars_of(EQUAL).items():
            if other in decoded and other not in {setting, *ignored}:
                assert decoded[other] == value, f"{name}: {setting} has changed {other}"
        if setting in SPEECH:
            usual = tell(name, EQUAL, clip_names).decoded
            assert usual is not None
            assert usual[setting] == getattr(EQUAL, setting)


def vars_of(settings: DecodeSettings) -> dict[str, Any]:
    """Return the settings and their values."""
    return {name: getattr(settings, name) for name in SETTINGS}


@pytest.mark.parametrize("name", REGISTRY, scope="module")
def test_library_computes_with_the_threads_that_it_is_told(name: str, tell: Tell) -> None:
    """An engine's facts have the threads that it was told, unless its library ignores them."""
    for threads in (1, 2):
        told = tell(name, replace(EQUAL, threads=threads))

        assert told.threads == adapter_class(name).ignored_settings.get("threads", threads)


# By itself in failure


@pytest.mark.parametrize("case", UNQUANTISED, ids=str)
def test_process_killed_during_a_call_fails_that_call_only(case: Case, start: Start) -> None:
    """A library whose process is killed at work is a named error, and the next engine works."""
    engine, other, before = start(case), start(case), running_engines()
    engine.hear("long", audio_of("long"))
    (process,) = set(running_engines()) - set(before)
    killer = threading.Timer(0.2, lambda: os.kill(process.pid, signal.SIGKILL))
    killer.start()

    with pytest.raises(EngineError) as failure:  # noqa: PT012 - some libraries are done in 0.2 s
        while True:
            engine.transcribe("long", EQUAL)

    killer.join()
    assert re.match(
        rf"{re.escape(case.label)}: the engine was ended by SIGKILL \(.*\) during transcribe"
        r"(, after \d+ that returned)?; .*; the last lines of its output:\n",
        str(failure.value),
    ), failure.value
    assert running_engines() == before
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
    model = copied(model_of(case), tmp_path)
    weights = largest_file(model)
    weights.write_bytes(harm(weights.read_bytes()))
    proofs = {name: (path, prove(path)) for name, (path, _) in model.files.items()}
    engine = start(case, replace(model, files=proofs))
    before = running_engines()

    with pytest.raises(EngineError) as failure:
        engine.ready()

    assert str(failure.value).startswith(f"{case.label}: ")
    assert running_engines() == before
