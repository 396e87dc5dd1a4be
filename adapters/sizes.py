"""The sizes of Whisper and their dimensions, by which a loaded model is told from another size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What tells one size of Whisper from another. Encoder and decoder have the same width."""

    mels: int
    """Frequency bands of the spectrogram that the encoder is given."""

    vocabulary: int
    """Tokens: 51,864 for English alone, 51,865 for 99 languages, 51,866 for 100."""

    heads: int
    """Heads of each attention layer, in encoder and decoder alike."""

    width: int
    """Numbers in a layer's output for each position: 64 for each head."""

    audio_layers: int
    """Layers of the encoder."""

    text_layers: int
    """Layers of the decoder."""

    @classmethod
    def told_by(cls, number: Callable[[str], int]) -> Dimensions:
        """Return the dimensions that a library tells by openai/whisper's names, such as `n_mels`.

        Raises:
            ValueError: Encoder and decoder differ in width or heads, as in no Whisper.
        """
        for name in ("state", "head"):
            audio, text = number(f"n_audio_{name}"), number(f"n_text_{name}")
            if audio != text:
                raise ValueError(
                    f"expected an encoder and a decoder of the same n_*_{name}, got {audio} "
                    f"and {text}; this is no Whisper"
                )
        return cls(
            mels=number("n_mels"),
            vocabulary=number("n_vocab"),
            heads=number("n_audio_head"),
            width=number("n_audio_state"),
            audio_layers=number("n_audio_layer"),
            text_layers=number("n_text_layer"),
        )


# Source: the model cards of openai/whisper, and the config.json of each model of distil-whisper.
DIMENSIONS: Mapping[str, Dimensions] = {
    # mels, vocabulary, heads, width, audio layers, text layers
    "micro": Dimensions(80, 51_865, 2, 128, 2, 3),  # fixtures/models/micro/config.json
    "tiny": Dimensions(80, 51_865, 6, 384, 4, 4),
    "tiny.en": Dimensions(80, 51_864, 6, 384, 4, 4),
    "base": Dimensions(80, 51_865, 8, 512, 6, 6),
    "base.en": Dimensions(80, 51_864, 8, 512, 6, 6),
    "small": Dimensions(80, 51_865, 12, 768, 12, 12),
    "small.en": Dimensions(80, 51_864, 12, 768, 12, 12),
    "medium": Dimensions(80, 51_865, 16, 1024, 24, 24),
    "medium.en": Dimensions(80, 51_864, 16, 1024, 24, 24),
    "large-v1": Dimensions(80, 51_865, 20, 1280, 32, 32),
    "large-v2": Dimensions(80, 51_865, 20, 1280, 32, 32),
    "large-v3": Dimensions(128, 51_866, 20, 1280, 32, 32),
    "large-v3-turbo": Dimensions(128, 51_866, 20, 1280, 32, 4),
    "distil-small.en": Dimensions(80, 51_864, 12, 768, 12, 4),
    "distil-medium.en": Dimensions(80, 51_864, 16, 1024, 24, 2),
    "distil-large-v2": Dimensions(80, 51_865, 20, 1280, 32, 2),
    "distil-large-v3": Dimensions(128, 51_866, 20, 1280, 32, 2),
    "distil-large-v3.5": Dimensions(128, 51_866, 20, 1280, 32, 2),
}
"""Every size that a check map may have, in the order in which sizes are listed."""


def difference(size: str, got: Dimensions) -> str:
    """Return in words how a model's dimensions differ from those of its size; "" if they do not."""
    expected = DIMENSIONS[size]
    if got == expected:
        return ""
    differing = []
    for field in fields(Dimensions):
        wanted, had = getattr(expected, field.name), getattr(got, field.name)
        if wanted != had:
            differing.append(f"{field.name}: expected {wanted}, got {had}")
    owners = " or ".join(other for other, dimensions in DIMENSIONS.items() if dimensions == got)
    whose = f"these are the dimensions of {owners}" if owners else "no size has these dimensions"
    return f"the model is not of the size {size}: {'; '.join(differing)}; {whose}"
