"""The aspects of a result: what was measured, and with what. Each has a name and a value, as text.

Results of one machine whose aspects are all the same are repetitions of one measurement: they
differ only in what was observed, such as times, memory and transcript.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapters.base import DecodeSettings
    from whisper_speedtest.measure.result import Comparison, ModelFacts, Provenance, Result

Aspects = dict[str, str]
"""Name → value; "" where there is none, or it is not known."""

HASH_SHOWN = 12
"""How many characters of a commit or a hash are shown."""


def of_subject(result: Result) -> Aspects:
    """Return what was measured: the test, the model, the clip, the settings, the baseline."""
    case, clip = result.case, result.clip
    pause = result.repeats.pause if result.repeats else None
    return {
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
        **(_of_baseline(result.comparison) if result.comparison else {}),
    }


def of_set_up(result: Result) -> Aspects:
    """Return what it was computed with: versions, device, type, threads and the like.

    The threads that a library was told to use are here and not in `of_subject`, as they depend on
    the machine. A result that was not measured has no such aspects.
    """
    facts, settings = result.provenance, result.settings
    if facts is None:
        return {}
    threads = None if settings is None else settings.threads
    threads_told = "" if threads is None else str(threads)
    return {**of_library(facts), "threads told": threads_told, **_of_threads(facts)}


def of_model(model: ModelFacts) -> Aspects:
    """Return where a model comes from, and the hash of each of its files."""
    return {
        "repo": model.repo,
        "revision": model.revision,
        "commit": model.commit or "",
        "listed as": model.listed_as,
        **{f"file {name}": proof.sha256 for name, proof in model.files.items()},
    }


def of_library(facts: Provenance) -> Aspects:
    """Return a library's versions, and the device and type that it computes in.

    All tests of a case in a session have these in common.
    """
    return {
        **facts.versions,
        "device": facts.device,
        "device confirmed": str(facts.device_confirmed),
        "type": facts.dtype,
        "mended": "; ".join(facts.mends),
        "compiler": (facts.compiler or "") if _compiles(facts) else "",
    }


def of_loaded(result: Result) -> Aspects:
    """Return the aspects of the model and of the library, as an engine has loaded them.

    The starts of a case belong to those of its calls that have all these in common.
    """
    facts = result.provenance
    return of_model(result.model) | (of_library(facts) if facts else {})


def _compiles(facts: Provenance) -> bool:
    """Tell whether a compiler affects a result: mlx compiles code for the CPU alone.

    Earlier versions of the suite recorded a compiler in every result.
    """
    return "mlx" in facts.versions and facts.device == "cpu"


def differing(several: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the names of the aspects that are not the same in all of these, in their order.

    What follows from another difference is left out: where the commits of models differ, their
    revisions and files; where the devices differ, the compiler, which only the CPU needs.
    """
    names = dict.fromkeys(name for each in several for name in each)
    found = [name for name in names if len({each.get(name, "") for each in several}) > 1]
    if "commit" in found:
        found = [name for name in found if name != "revision" and not name.startswith("file ")]
    return [name for name in found if name != "compiler" or "device" not in found]


def described(aspects: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the aspects of these names as a text: `mlx 0.32.4, no compiler`."""
    values = {name: aspects.get(name, "") for name in names}
    return ", ".join(
        f"{name} {shortened(value)}" if value else f"no {name}" for name, value in values.items()
    )


def shortened(value: str) -> str:
    """Return the beginning of a commit (40 hex digits) or sha256 (64), and other text unchanged."""
    is_hash = len(value) in {40, 64} and set(value) <= set("0123456789abcdef")
    return value[:HASH_SHOWN] if is_hash else value


def _of_baseline(comparison: Comparison) -> Aspects:
    """Return the other side of a comparison, and how much slower ours may be (a share)."""
    side, limit = comparison.baseline, comparison.limit
    aspects = of_model(side.model) | of_library(side.provenance) | _of_threads(side.provenance)
    return {
        "baseline": side.name,
        "baseline library": side.case.label,
        "baseline code": side.code or "",
        "baseline limit": "" if limit is None else f"{limit:g}",
        **{f"baseline {name}": value for name, value in aspects.items()},
    }


def _of_settings(settings: DecodeSettings | None) -> Aspects:
    """Return how the library was to decode, without the threads; see `of_set_up`."""
    if settings is None:
        return {}
    return {
        each.name.replace("_", " "): str(getattr(settings, each.name))
        for each in fields(settings)
        if each.name != "threads"
    }


def _of_threads(facts: Provenance) -> Aspects:
    """Return how many threads computed, and the environment variables that may affect it."""
    return {
        "threads": "" if facts.threads is None else str(facts.threads),
        **{f"variable {name}": value for name, value in facts.environment.items()},
    }
