"""What the libraries made of openai/whisper's code would do in their first call, on doubles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, PropertyMock

import numpy as np
import pytest

from adapters.whisper_code import make_tables


class Lazy:
    """An array of mlx: it is computed when its numbers are asked for."""

    def __init__(self) -> None:
        self.computed = 0

    def __array__(self, *_: Any, **__: Any) -> np.ndarray[Any, Any]:
        self.computed += 1
        return np.zeros(3)


@pytest.mark.parametrize(
    ("multilingual", "languages", "n_mels"), [(True, 99, 80), (True, 100, 128), (False, 99, 80)]
)
def test_tables_are_those_of_the_first_call(
    multilingual: bool, languages: int, n_mels: int
) -> None:
    """The tokenizer and filters of a load are those that the first call would make.

    The library keeps the tokenizer by the arguments that `transcribe` gives, so that others would
    make another one. The filters are read from their file and computed with.
    """
    filtered, tokenizer = Lazy(), Mock()
    unsayable = PropertyMock()
    type(tokenizer).non_speech_tokens = unsayable
    library = SimpleNamespace(
        get_tokenizer=Mock(return_value=tokenizer), log_mel_spectrogram=Mock(return_value=filtered)
    )
    model = SimpleNamespace(
        is_multilingual=multilingual, num_languages=languages, dims=SimpleNamespace(n_mels=n_mels)
    )

    make_tables(library, model)

    library.get_tokenizer.assert_called_once_with(
        multilingual, num_languages=languages, language="en", task="transcribe"
    )
    unsayable.assert_called_once_with()
    (silence,), options = library.log_mel_spectrogram.call_args
    assert (silence.dtype, silence.any(), options) == (np.float32, False, {"n_mels": n_mels})
    assert filtered.computed == 1
