"""Mistakes that somebody could make in a check map, as changes of an adapter's source.

They are told with what must be said of them: of which cases, in which words, and of which line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters import REGISTRY
from adapters.base import Case
from tests.consistency.published import problem_of

if TYPE_CHECKING:
    from adapters.base import Adapter

LIGHTNING, MLX, FASTER = "lightning-whisper-mlx", "mlx-whisper", "faster-whisper"
CPP, OPENAI, TRANSFORMERS = "whisper.cpp", "openai-whisper", "transformers"

COMMUNITY = "mlx-community/whisper-"
SYSTRAN = "Systran/faster-whisper-"
DISTIL = "mustafaaljadery/distil-whisper-mlx"
SITE = "https://openaipublic.azureedge.net/main/whisper/models"
HASH_OF_BASE = "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e"
HASH_OF_MEDIUM = "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1"
LIST = "tests/consistency/published.toml"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is put in place of what in an adapter's source, and what is said of it then."""

    adapter: str
    changes: Mapping[str, str]
    said: Mapping[str, str]
    """Size and variant of some wrong cases → what is said of them."""

    line: str
    """The beginning of the line that is named, where `{size}` stands for that of the case."""

    cases: int = 1
    """How many cases are wrong in all."""

    @property
    def source(self) -> str:
        """The path of the adapter's source."""
        return f"{REGISTRY[self.adapter].partition(':')[0].replace('.', '/')}.py"

    def messages(self, source: str) -> dict[str, str]:
        """Return what is said of the cases, with the line, where `source` is the changed source."""
        lines = source.splitlines()
        messages = {}
        for case, words in self.said.items():
            start = self.line.replace("{size}", case.rpartition("-")[0])
            (number,) = (at for at, one in enumerate(lines, 1) if one.strip().startswith(start))
            messages[case] = f"{self.adapter}[{case}]: {words}; fix {self.source}:{number}"
        return messages


def wrong_cases(name: str, adapter: type[Adapter]) -> list[Case]:
    """Return the cases of an adapter that are not in the list of what is published."""
    cases = (
        Case(name, size, variant)
        for size, variants in adapter.check_map.items()
        for variant in variants
    )
    return [case for case in cases if problem_of(case, adapter)]


def _other(case: str, got: str, held: str, fitting: str) -> dict[str, str]:
    """Return what is said of a case whose entry is a model of another size or variant."""
    size, _, variant = case.rpartition("-")
    expected = f"{size} fp16" if variant in {"int8", "float32"} else f"{size} {variant}"
    return {case: f"checked {got}, which holds {held}; expected {expected}, as in {fitting}"}


def _unlisted(case: str, got: str, expected: str) -> dict[str, str]:
    """Return what is said of a case whose entry is no published model."""
    size, _, variant = case.rpartition("-")
    unlisted = f"is not in {LIST} (if it is published, add a line for it there)"
    return {case: f"checked {got}, which {unlisted}; expected {size} {variant}, {expected}"}


def _lacking(case: str, file: str, repo: str, files: str) -> dict[str, str]:
    """Return what is said of a case whose repo does not have a file."""
    size, _, _ = case.rpartition("-")
    return {case: f"checked {file}, but the files of {size} fp16 in {repo} are {files}"}


MISTAKES = {
    "size in a table": Mistake(
        LIGHTNING,
        {'"mlx-community/whisper-medium-mlx"': '"mlx-community/whisper-base-mlx"'},
        _other("medium-fp16", f"{COMMUNITY}base-mlx", "base fp16", f"{COMMUNITY}medium-mlx"),
        line='("medium", "fp16"): ',
    ),
    "size in a new exception": Mistake(
        MLX,
        {
            '"mlx-community/whisper-tiny"}': (
                '"mlx-community/whisper-tiny",\n'
                '    ("medium", "fp16"): "mlx-community/whisper-base-mlx"}'
            )
        },
        _other("medium-fp16", f"{COMMUNITY}base-mlx", "base fp16", f"{COMMUNITY}medium-mlx"),
        line='("medium", "fp16"): ',
    ),
    "size in the exception": Mistake(
        MLX,
        {'"mlx-community/whisper-tiny"}': '"mlx-community/whisper-base-mlx"}'},
        _other("tiny-fp16", f"{COMMUNITY}base-mlx", "base fp16", f"{COMMUNITY}tiny"),
        line="ODD_ONES = ",
    ),
    "file of all sizes": Mistake(
        MLX,
        {'NPZ, SAFETENSORS = ("weights.npz"': 'NPZ, SAFETENSORS = ("model.npz"'},
        _lacking(
            *("small.en-fp16", "model.npz", f"{COMMUNITY}small.en-mlx"), "weights.npz, config.json"
        ),
        line="NPZ, SAFETENSORS = ",
        cases=28,
    ),
    "files of another size": Mistake(
        MLX,
        {'large-v3-turbo", SAFETENSORS)': 'large-v3-turbo", NPZ)'},
        _lacking(
            *("large-v3-turbo-fp16", "weights.npz", f"{COMMUNITY}large-v3-turbo"),
            "weights.safetensors, config.json",
        ),
        line='"fp16": base.ModelFiles("mlx-community/whisper-large-v3-turbo", NPZ)',
    ),
    "ending of a variant": Mistake(
        MLX,
        {'"4bit": "-mlx-4bit"': '\n    "4bit": "-mlx-8bit"'},
        _other(
            *("base-4bit", f"{COMMUNITY}base-mlx-8bit", "base 8bit"), f"{COMMUNITY}base-mlx-4bit"
        ),
        line='"4bit": "-mlx-8bit"',
        cases=7,
    ),
    "quantised for unquantised": Mistake(
        LIGHTNING,
        {'"mlx-community/whisper-large-v3-mlx"': '"mlx-community/whisper-large-v3-mlx-4bit"'},
        _other(
            *("large-v3-fp16", f"{COMMUNITY}large-v3-mlx-4bit", "large-v3 4bit"),
            f"{COMMUNITY}large-v3-mlx",
        ),
        line='("large-v3", "fp16"): ',
    ),
    "folder of another variant": Mistake(
        LIGHTNING,
        {'{"fp16": "", "4bit": "-4-bit", ': '{\n    "fp16": "",\n    "4bit": "-8-bit",\n    '},
        _other(
            "distil-small.en-4bit",
            f"mlx_models/distil-small.en-8-bit/weights.npz of {DISTIL}",
            "distil-small.en 8bit",
            f"mlx_models/distil-small.en-4-bit/weights.npz of {DISTIL}",
        ),
        line='"4bit": "-8-bit"',
        cases=4,
    ),
    "folder without its variant": Mistake(
        LIGHTNING,
        {'f"mlx_models/{size}{end}/{f}"': 'f"mlx_models/{size}/{f}"'},
        _other(
            "distil-large-v2-8bit",
            f"mlx_models/distil-large-v2/weights.npz of {DISTIL}",
            "distil-large-v2 fp16",
            f"mlx_models/distil-large-v2-8-bit/weights.npz of {DISTIL}",
        ),
        line="kind: base.ModelFiles(DISTIL_REPO, ",
        cases=8,
    ),
    "repo of many models": Mistake(
        LIGHTNING,
        {'"mlx-community/whisper-medium-mlx"': f'"{DISTIL}"'},
        _unlisted(
            *("medium-fp16", f"weights.npz of {DISTIL}"),
            f"as in weights.npz of {COMMUNITY}medium-mlx",
        ),
        line='("medium", "fp16"): ',
    ),
    "repo that is not there": Mistake(
        LIGHTNING,
        {'"mlx-community/whisper-tiny"': '"mlx-community/whisper-tiny-mlx-fp16"'},
        _unlisted("tiny-fp16", f"{COMMUNITY}tiny-mlx-fp16", f"as in {COMMUNITY}tiny"),
        line='("tiny", "fp16"): ',
    ),
    "variant of the embedded model": Mistake(
        LIGHTNING,
        {'"embedded/micro-mlx-8bit"': '"embedded/micro-mlx-4bit"'},
        _other("micro-8bit", "embedded/micro-mlx-4bit", "micro 4bit", "embedded/micro-mlx-8bit"),
        line='("micro", "8bit"): ',
    ),
    "one more of the newer": Mistake(
        FASTER,
        {'startswith(("micro", ': 'startswith(("micro", "base", '},
        _lacking(
            *("base.en-int8", "vocabulary.json", f"{SYSTRAN}base.en"),
            "model.bin, config.json, tokenizer.json, vocabulary.txt",
        ),
        line="NEWER = frozenset(",
        cases=6,
    ),
    "English for multilingual": Mistake(
        FASTER,
        {'"Systran/faster-whisper-medium"': '"Systran/faster-whisper-medium.en"'},
        _other("medium-int8", f"{SYSTRAN}medium.en", "medium.en fp16", f"{SYSTRAN}medium"),
        line='"medium": ',
        cases=3,
    ),
    "two sizes swapped": Mistake(
        TRANSFORMERS,
        {
            '"small": "openai/whisper-small"': '"small": "openai/whisper-base"',
            '"base": "openai/whisper-base"': '"base": "openai/whisper-small"',
        },
        {
            **_other("base-fp16", "openai/whisper-small", "small fp16", "openai/whisper-base"),
            **_other("small-fp16", "openai/whisper-base", "base fp16", "openai/whisper-small"),
        },
        line='"{size}": ',
        cases=2,
    ),
    "distilled for large": Mistake(
        TRANSFORMERS,
        {'"openai/whisper-large-v2"': '"distil-whisper/distil-large-v2"'},
        _other(
            *("large-v2-fp16", "distil-whisper/distil-large-v2", "distil-large-v2 fp16"),
            "openai/whisper-large-v2",
        ),
        line='"large-v2": ',
    ),
    "file that a repo lacks": Mistake(
        TRANSFORMERS,
        {'if size.endswith("v3.5")': 'if size.endswith("v3.6")'},
        _lacking(
            *("distil-large-v3.5-fp16", "normalizer.json", "distil-whisper/distil-large-v3.5"),
            "model.safetensors, config.json, generation_config.json, preprocessor_config.json, "
            "tokenizer.json, tokenizer_config.json, added_tokens.json, special_tokens_map.json, "
            "vocab.json, merges.txt",
        ),
        line='"normalizer.json"',  # with no string does this size alone change
    ),
    "format of another library": Mistake(
        MLX,
        {'"mlx-community/whisper-tiny"}': '"openai/whisper-tiny"}'},
        _other(
            *("tiny-fp16", "openai/whisper-tiny", "tiny fp16 in the format transformers"),
            f"{COMMUNITY}tiny",
        ),
        line="ODD_ONES = ",
    ),
    "hash of another size": Mistake(
        OPENAI,
        {HASH_OF_MEDIUM: HASH_OF_BASE},
        _other(*("medium-fp16", f"{SITE}@{HASH_OF_BASE}", "base fp16"), f"{SITE}@{HASH_OF_MEDIUM}"),
        line='"medium": ',
    ),
    "hash of nothing": Mistake(
        OPENAI,
        {HASH_OF_MEDIUM: "5" * 64},
        _unlisted("medium-fp16", f"{SITE}@{'5' * 64}", f"as in {SITE}@{HASH_OF_MEDIUM}"),
        line='"medium": ',
    ),
    "variant that is not there": Mistake(
        CPP,
        {'"large-v1": ("fp16",)': '"large-v1": (\n        "fp16",\n        "q8_0",\n    )'},
        _unlisted(
            *("large-v1-q8_0", "ggml-large-v1-q8_0.bin of ggerganov/whisper.cpp"),
            "of which it has none",
        ),
        line='"q8_0",',
    ),
}
"""What is wrong → the mistake."""
