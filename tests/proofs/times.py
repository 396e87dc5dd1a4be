"""How far the segments of each library are off, on the project's clips.

Run as `python -m tests.proofs.times [LIBRARY …]` where the libraries are installed. The embedded
model transcribes each clip on the CPU, in one thread; `long` also in batches of six windows, where
a library has batches. Times say nothing here, so other work of the machine does no harm.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from adapters import REGISTRY, adapter_class, files_of, why_not_installed
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.store import Store
from whisper_speedtest.measure.judging import score_of
from whisper_speedtest.speech.audio import read_audio

CLIPS = ("short", "paragraph", "window", "noisy", "silence", "long")
BATCH = 6


def report(name: str, folder: Path) -> None:
    """Print a line for each clip that a library transcribes."""
    case = Case(name, "micro", "fp16")
    model = Store.from_environment().prepare(files_of(case))
    with Engine(case, model, folder, "cpu", 1) as engine:
        for clip in map(clips().__getitem__, CLIPS):
            batches = clip.name == "long" and adapter_class(name).traits.batches
            for size in (1, BATCH) if batches else (1,):
                engine.hear(clip.name, read_audio(clip.path))
                settings = replace(DecodeSettings(threads=1), batch_size=size)
                heard = engine.transcribe(clip.name, settings)
                score = score_of(clip, heard.text, settings.language, heard.segments)
                assert score is not None
                error = "" if score.time_error is None else f"{score.time_error * 1e3:.0f} ms"
                print(
                    f"{name:<22} {clip.name:<10} ×{size} {error:>8} over {score.boundaries:>2} of "
                    f"{2 * len(clip.sentences):>2} boundaries, {len(heard.segments):>2} segments, "
                    f"{score.words_in_silence} words in silence, WER {score.wer:.1%}",
                    flush=True,
                )


def main() -> None:
    """Report on the libraries that are named, or on all that are installed."""
    names = sys.argv[1:] or [name for name in REGISTRY if not why_not_installed(name)]
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            report(name, Path(folder))


if __name__ == "__main__":
    main()
