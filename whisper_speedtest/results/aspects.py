"""The aspects of a result: what was measured, and with what. Each is a name and a text for people.

Results of one machine whose aspects are all the same are repetitions of one measurement. What else
is in a result is what came of it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapters.base import DecodeSettings
    from whisper_speedtest.measure.result import ModelFacts, Provenance, Result

Aspects = dict[str, str]
"""Name → value; "" where there is nothing, or nobody knows."""

HASH_SHOWN = 12
"""Characters of a commit or a hash that are shown."""


def of_subject(result: Result) -> Aspects:
    """Return what was measured: the test, the model, the clip, the settings, the other side."""
    case, clip, pause = result.case, result.clip, result.repeats and result.repeats.pause
    found = {
        "test": result.test,
        "measure": str(result.measure),
        "library": case.adapter,
        "size": case.size,
        "variant": case.variant,
        "clip": clip.name if clip else "",
        "sound": clip.sha256 if clip else "",
        "pause": f"{pause:g} s" if pause else "",
        **of_model(result.model),
        **_of_settings(result.settings),
    }
    if comparison := result.comparison:
        side, limit = comparison.baseline, comparison.limit
        of_side = {
            "": side.name,
            " library": side.case.label,
            " code": side.code or "",
            " limit": "" if limit is None else f"{limit:g}",
        }
        told = of_model(side.model) | of_library(side.provenance) | _of_threads(side.provenance)
        of_side |= {f" {name}": value for name, value in told.items()}
        found |= {f"baseline{name}": value for name, value in of_side.items()}
    return found


def of_set_up(result: Result) -> Aspects:
    """Return what it was computed with: versions, device, type, threads and the like.

    The threads that a library was told to use are here and not in the settings, as they depend on
    the machine. There is nothing of a result that was not measured.
    """
    facts, settings = result.provenance, result.settings
    if facts is None:
        return {}
    told = "" if settings is None or settings.threads is None else str(settings.threads)
    return {**of_library(facts), "threads told": told, **_of_threads(facts)}


def of_model(model: ModelFacts) -> Aspects:
    """Return which bytes a model is made of, and where they are from."""
    return {
        "repo": model.repo,
        "revision": model.revision,
        "commit": model.commit or "",
        "listed as": model.listed_as,
        **{f"file {name}": proof.sha256 for name, proof in model.files.items()},
    }


def of_library(facts: Provenance) -> Aspects:
    """Return what a library is, and computes on: all tests of a case have these in common."""
    return {
        **facts.versions,
        "device": facts.device,
        "device confirmed": str(facts.device_confirmed),
        "type": facts.dtype,
        "mended": "; ".join(facts.mends),
        "compiler": (facts.compiler or "") if _compiles(facts) else "",
    }


def _compiles(facts: Provenance) -> bool:
    """Tell whether a compiler bears on a result; earlier versions of the suite named it in each."""
    return "mlx" in facts.versions and facts.device == "cpu"


def differing(several: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the names of the aspects that are not the same in all of these, in their order.

    Where the commits of models differ, their revisions and files are not named as well; nor is a
    compiler where devices differ, as one makes code for the CPU alone.
    """
    names = dict.fromkeys(name for each in several for name in each)
    found = [name for name in names if len({each.get(name, "") for each in several}) > 1]
    if "commit" in found:
        found = [name for name in found if name != "revision" and not name.startswith("file ")]
    return [name for name in found if name != "compiler" or "device" not in found]


def described(aspects: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the aspects of these names as a text: `mlx 0.32.4, no compiler`."""
    return ", ".join(
        f"{name} {shortened(value)}" if (value := aspects.get(name, "")) else f"no {name}"
        for name in names
    )


def shortened(value: str) -> str:
    """Return the beginning of a commit or hash, and anything else as it is."""
    is_hash = len(value) in {40, 64} and set(value) <= set("0123456789abcdef")
    return value[:HASH_SHOWN] if is_hash else value


def _of_settings(settings: DecodeSettings | None) -> Aspects:
    """Return how the library was to decode, but for the threads."""
    if settings is None:
        return {}
    return {
        each.name.replace("_", " "): str(getattr(settings, each.name))
        for each in fields(settings)
        if each.name != "threads"
    }


def _of_threads(facts: Provenance) -> Aspects:
    """Return how many threads computed, and the variables that may say so to the library."""
    return {
        "threads": "" if facts.threads is None else str(facts.threads),
        **{f"variable {name}": value for name, value in facts.environment.items()},
    }
