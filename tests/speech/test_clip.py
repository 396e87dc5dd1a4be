"""A clip knows where its file is, and refuses a file whose bytes are not its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.speech.clip import OWN_ORIGIN, Clip, Sentence, private_name

CONTENT = b"the bytes of a sound"
DIGEST = "86518ad99f0304b51a761a83743acd62e817d3be1f6356c356008f708b77a4f6"


@pytest.fixture(name="clip")
def _clip(tmp_path: Path) -> Clip:
    """A clip whose file holds CONTENT."""
    file = tmp_path / "tune.wav"
    file.write_bytes(CONTENT)
    return Clip(
        name="tune",
        file=file,
        package=None,
        seconds=2.0,
        samples=32_000,
        sha256=DIGEST,
        reference="Hello there.",
        human=False,
        licence="CC0-1.0",
        origin="a test",
        sentences=(Sentence("Hello there.", 0.5, 1.5),),
    )


def test_a_file_without_a_package_is_where_the_clip_says(clip: Clip, tmp_path: Path) -> None:
    """The path of a clip without a package is its file."""
    assert clip.path == tmp_path / "tune.wav"


def test_a_file_of_a_package_is_in_its_folder(clip: Clip) -> None:
    """The path of a clip in a package is relative to the installed package."""
    packaged = replace(clip, package="json", file=Path("decoder.py"))

    assert packaged.path == Path(sys.modules["json"].__path__[0]) / "decoder.py"


@pytest.mark.parametrize("package", ["no_such_package", "hashlib"])
def test_a_missing_package_is_named(package: str, clip: Clip) -> None:
    """A clip's package that is not installed, or has no folder, is named."""
    homeless = replace(clip, package=package, file=Path("assets/tune.wav"))

    with pytest.raises(FileNotFoundError) as refusal:
        _ = homeless.path

    assert str(refusal.value) == (
        f"clip tune: expected assets/tune.wav in the package {package}, which is not installed; "
        "install it or leave this clip out"
    )


def test_a_file_with_the_right_bytes_is_accepted(clip: Clip) -> None:
    """A clip whose file has the right SHA-256 is accepted."""
    assert hashlib.sha256(CONTENT).hexdigest() == DIGEST

    clip.verify()


REMEDIES = {
    "project": ({}, "restore it from the repository"),
    "own": (
        {"origin": OWN_ORIGIN},
        "it has changed since this session began: start another one",
    ),
    "package": ({"package": "json", "file": Path("decoder.py")}, "install json again"),
}


@pytest.mark.parametrize(("changes", "remedy"), REMEDIES.values(), ids=REMEDIES.keys())
def test_a_file_with_other_bytes_is_refused(
    changes: dict[str, object], remedy: str, clip: Clip
) -> None:
    """A clip whose file has other bytes is refused with both hashes and how to get it back."""
    clip.file.write_bytes(CONTENT + b"!")
    changed = replace(clip, **changes)  # type: ignore[arg-type]
    found = hashlib.sha256(changed.path.read_bytes()).hexdigest()

    with pytest.raises(ValueError, match="clip tune") as refusal:
        changed.verify()

    assert str(refusal.value) == (
        f"clip tune: expected sha256 {DIGEST}, got {found} from {changed.path}; {remedy}"
    )


def test_a_missing_file_is_named(clip: Clip) -> None:
    """A clip whose file is missing is refused with its path and how to get it back."""
    clip.file.unlink()

    with pytest.raises(FileNotFoundError) as refusal:
        clip.verify()

    assert str(refusal.value) == (
        f"clip tune: expected its file at {clip.file}, where there is none; "
        "restore it from the repository"
    )


@pytest.mark.parametrize(("origin", "own"), [(OWN_ORIGIN, True), ("espeak-ng", False), ("", False)])
def test_a_recording_of_the_users_own_is_told_by_its_origin(
    origin: str, own: bool, clip: Clip
) -> None:
    """Only the option --audio makes a recording the user's own."""
    assert replace(clip, origin=origin).is_own is own


def test_a_clip_cannot_be_changed(clip: Clip) -> None:
    """A clip stands for one sound, so neither it nor its sentences can be given other values."""
    with pytest.raises(FrozenInstanceError):
        clip.seconds = 3.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        clip.sentences[0].end = 3.0  # type: ignore[misc]


def test_what_collection_imports_of_speech_is_light() -> None:
    """Importing what describes clips brings neither numpy nor any other heavy package."""
    heavy = {"numpy", "soundfile", "soxr", "jiwer", "whisper_normalizer", "pytest", "fixtures"}
    modules = ("clip", "recordings", "audio", "containers", "scoring")
    imports = "; ".join(f"import whisper_speedtest.speech.{name}" for name in modules)
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"

    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert run.stdout.strip() == "[]", f"whisper_speedtest/speech/ imports {run.stdout.strip()}"


def test_private_recording_is_called_by_the_beginning_of_its_hash() -> None:
    """A private recording is called by the first eight letters of its hash."""
    assert private_name(DIGEST) == "own-86518ad9"
