"""The audio clips are what their manifest says, and can be made again."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import wave
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fixtures import audio
from fixtures.audio import MANIFEST, clips

if TYPE_CHECKING:
    from pathlib import Path

SYNTHETIC = [clip for clip in clips().values() if not clip.human]
SIZES = "tiny base small medium large turbo distil micro".split()


def made_here() -> bool:
    """Whether this platform is the one whose bytes the manifest holds."""
    made_on: str = json.loads(MANIFEST.read_text(encoding="utf-8"))["made_on"]
    return made_on == f"{platform.system()} {platform.machine()}"


def test_clips_are_the_planned_ones() -> None:
    """Six synthetic clips and one of human speech, in this order."""
    names = list(clips())

    assert names == ["short", "paragraph", "window", "long", "noisy", "silence", "human"]


def test_clip_names_select_no_model_size() -> None:
    """`-k medium` must select a model, never a clip."""
    clashes = [(name, size) for name in clips() for size in SIZES if size in name]

    assert clashes == []


@pytest.mark.parametrize("clip", clips().values(), ids=lambda clip: clip.name)
def test_files_match_their_hash(clip: audio.Clip) -> None:
    """The bytes on disk, the packaged clip's too, are those that the manifest describes."""
    clip.verify()


def test_verify_names_the_clip_and_both_hashes() -> None:
    """A changed file is refused with what was expected and what was found."""
    wrong = replace(clips()["short"], sha256="0" * 64)

    with pytest.raises(ValueError, match=f"clip short: expected sha256 0{{64}}, got {'.' * 64} "):
        wrong.verify()


def test_missing_package_is_named() -> None:
    """The packaged clip says which package it needs."""
    homeless = replace(clips()["human"], package="no_such_package")

    with pytest.raises(FileNotFoundError, match=r"clip human: .* no_such_package, .*not installed"):
        _ = homeless.path


@pytest.mark.parametrize("clip", SYNTHETIC, ids=lambda clip: clip.name)
def test_files_are_mono_16_bit_16_khz(clip: audio.Clip) -> None:
    """Every library takes this format without resampling, and the length is as stated."""
    with wave.open(str(clip.path)) as file:
        found = (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes())

    assert found == (1, 2, 16_000, clip.samples)
    assert clip.seconds == clip.samples / 16_000


def test_human_clip_is_as_described() -> None:
    """The packaged clip has the stated length and is kept for real sizes."""
    import soundfile

    clip = clips()["human"]
    info = soundfile.info(clip.path)

    assert (info.channels, info.samplerate, info.frames) == (1, 16_000, clip.samples)
    assert clip.seconds == pytest.approx(info.frames / info.samplerate)
    assert "real sizes only" in clip.origin


@pytest.mark.parametrize("clip", SYNTHETIC, ids=lambda clip: clip.name)
def test_sentences_make_the_reference(clip: audio.Clip) -> None:
    """The sentences follow each other inside the clip and spell its reference."""
    times = [time for sentence in clip.sentences for time in (sentence.start, sentence.end)]

    assert " ".join(sentence.text for sentence in clip.sentences) == clip.reference
    assert times == sorted(times)
    assert all(0 <= time <= clip.seconds for time in times)


def test_lengths_suit_their_purpose() -> None:
    """One short sentence, a paragraph, exactly one window, and more than three windows."""
    seconds = {clip.name: clip.seconds for clip in SYNTHETIC}

    assert 2.5 < seconds["short"] < 4
    assert 10 < seconds["paragraph"] < 14
    assert clips()["window"].samples == 480_000
    assert seconds["long"] > 90


def test_long_has_a_sentence_across_every_window_border() -> None:
    """A library that cuts every 30 s cuts a sentence each time."""
    clip = clips()["long"]
    borders = range(30, int(clip.seconds) + 1, 30)

    crossed = [
        border
        for border in borders
        if any(sentence.start < border < sentence.end for sentence in clip.sentences)
    ]

    assert crossed == [30, 60, 90]


def test_silence_is_silent_and_noisy_begins_without_speech() -> None:
    """Nothing is said in `silence`, nor in the noise before `noisy` speaks."""
    import numpy as np
    import soundfile

    silence, _ = soundfile.read(clips()["silence"].path)
    noisy, rate = soundfile.read(clips()["noisy"].path)
    first = clips()["noisy"].sentences[0].start
    lead = noisy[: int(first * rate)]

    assert clips()["silence"].reference == ""
    assert np.abs(silence).max() == 0
    assert first > 2
    assert 0.001 < np.sqrt(np.mean(lead**2)) < 0.01


def test_speech_lies_where_the_manifest_says() -> None:
    """Between sentences there is digital silence, and within them there is not."""
    import numpy as np
    import soundfile

    clip = clips()["paragraph"]
    samples, rate = soundfile.read(clip.path)
    spoken = np.zeros(len(samples), bool)
    for sentence in clip.sentences:
        # Times are rounded to 10 ms.
        spoken[int((sentence.start - 0.01) * rate) : int((sentence.end + 0.01) * rate)] = True

    assert np.abs(samples[~spoken]).max() == 0
    assert all(
        np.abs(samples[int(s.start * rate) : int(s.end * rate)]).max() > 0.1 for s in clip.sentences
    )


def test_references_survive_the_whisper_normaliser() -> None:
    """Normalising only lowers the case and drops the marks: a reference has one reading."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer()
    references = [clip.reference for clip in SYNTHETIC]

    plain = [re.sub(r"[^a-z ]", "", reference.lower()) for reference in references]

    assert [normalise(reference) for reference in references] == plain


def test_sentences_are_held_out_of_training() -> None:
    """What the micro model transcribes here it never saw in training."""
    from fixtures.audio.grammar import held_out

    seen = [s.text for clip in SYNTHETIC for s in clip.sentences if not held_out(s.text)]

    assert seen == []


@pytest.mark.skipif(
    not made_here(), reason="the manifest's bytes are promised on the platform it names only"
)
def test_making_the_clips_again_gives_the_same_bytes() -> None:
    """The clips come from the code beside them, to the byte."""
    command = [sys.executable, "-m", "fixtures.audio.make", "--check"]

    run = subprocess.run(command, cwd=_root(), capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")


def test_reading_the_manifest_imports_nothing_heavy() -> None:
    """Collection pays for the standard library only."""
    code = (
        "import sys; from fixtures.audio import clips; [clip.path for clip in clips().values()]; "
        "print({'numpy', 'mlx', 'lightning_whisper_mlx', 'soundfile', 'soxr'} & set(sys.modules))"
    )

    run = subprocess.run(
        [sys.executable, "-c", code], cwd=_root(), capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == "set()"


def _root() -> Path:
    return audio.FOLDER.parents[1]
