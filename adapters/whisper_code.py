"""What the libraries that are made of openai/whisper's code would do only in their first call."""

from __future__ import annotations

from typing import Any


def make_tables(library: Any, model: Any) -> None:
    """Make a model's tokenizer and mel filters, with the calls with which `transcribe` begins.

    `library` is the module of `transcribe`. It keeps what these calls return, so that no later call
    reads or computes it anew.
    """
    import numpy as np

    tokenizer = library.get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language="en", task="transcribe"
    )
    _ = tokenizer.non_speech_tokens  # computed once; every decode suppresses them
    silence = np.zeros(16_000, np.float32)
    # mlx reads the filters and computes only when the numbers are used.
    np.asarray(library.log_mel_spectrogram(silence, n_mels=model.dims.n_mels))
