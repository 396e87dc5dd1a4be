"""In which respects two results may differ, so that they are not of the same thing.

An aspect is a name and a value, both texts for people. Results whose aspects are all the same are
repetitions of one measurement; what else is in a result is what was found.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from whisper_speedtest.hub.sizes import human

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapters.base import DecodeSettings
    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import ModelFacts, Provenance, Result

Aspects = dict[str, str]
"""Name → value."""

IDENTIFYING = frozenset(
    {"test", "measure", "case", "model", "clip", "settings", "comparison", "provenance", "machine"}
)
"""The fields of a result that say what was measured, wholly or in part."""

FOUND = frozenset(
    {"version", "outcome", "reason", "cause", "when", "repeats", "samples", "starts", "memory"}
    | {"transcript", "fallback", "score", "code", "before", "after"}
)
"""The fields that say what came of it, and how: the same measurement may have others."""


def aspects_of(result: Result) -> Aspects:
    """Return all aspects of a result."""
    return of_subject(result) | of_set_up(result) | of_machine(result.machine)


def of_subject(result: Result) -> Aspects:
    """Return what was measured: the test, the model, the clip, the settings, the other side."""
    case, clip = result.case, result.clip
    found = {
        "test": result.test,
        "measure": str(result.measure),
        "library": case.adapter,
        "size": case.size,
        "variant": case.variant,
        "clip": clip.name if clip else "",
        "sound": clip.sha256 if clip else "",
    }
    found |= _of_model(result.model) | _of_settings(result.settings)
    if comparison := result.comparison:
        side, limit = comparison.baseline, comparison.limit
        found |= {"baseline": side.name, "limit": "" if limit is None else f"{limit:g}"}
        other = {"library": side.case.label, "code": side.code or ""}
        other |= _of_model(side.model) | _of_provenance(side.provenance)
        found |= {f"baseline {name}": value for name, value in other.items()}
    return found


def of_set_up(result: Result) -> Aspects:
    """Return what the library computed with: its versions, device, type, threads and the like.

    It is empty of what was not measured.
    """
    return _of_provenance(result.provenance) if result.provenance else {}


def of_machine(machine: Machine | None) -> Aspects:
    """Return what the machine is; empty where nobody knows."""
    if machine is None:
        return {}
    virtual = {None: "", True: "virtual", False: "not virtual"}[machine.virtual]
    found = {
        "chip": machine.chip or "",
        "computer": machine.model or "",
        "machine": virtual,
        "system": machine.system,
        "architecture": machine.architecture,
        "memory": f"{machine.memory} bytes",
        "GPUs": "; ".join(f"{each.name}, driver {each.driver}" for each in machine.gpus),
    }
    return found | {f"{kind} cores": str(number) for kind, number in machine.cores.items()}


def name_of(machine: Machine | None) -> str:
    """Return what people call a machine: chip, memory in GB of 1000³ bytes, and system."""
    if machine is None:
        return "unknown machine"
    chip = machine.chip or f"unknown {machine.architecture} chip"
    return ", ".join([chip, human(machine.memory), machine.system])


def differing(all_aspects: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the names of the aspects that are not the same in all of these, in their order."""
    names = dict.fromkeys(name for each in all_aspects for name in each)
    return [name for name in names if len({each.get(name) for each in all_aspects}) > 1]


def described(aspects: Mapping[str, str], names: Iterable[str]) -> str:
    """Return some aspects as a text: `mlx 0.32.4, threads 4, no sound`."""
    return ", ".join(
        f"{name} {short}" if (short := _short(aspects.get(name, ""))) else f"no {name}"
        for name in names
    )


def _short(value: str) -> str:
    """Return a value as it is, and of a hash its beginning."""
    is_hash = len(value) in {40, 64} and set(value) <= set("0123456789abcdef")
    return value[:12] if is_hash else value


def _of_model(model: ModelFacts) -> Aspects:
    found = {
        "repo": model.repo,
        "revision": model.revision,
        "commit": model.commit or "",
        "listed as": model.listed_as,
    }
    return found | {f"file {name}": proof.sha256 for name, proof in model.files.items()}


def _of_settings(settings: DecodeSettings | None) -> Aspects:
    if settings is None:
        return {}
    return {
        f"setting {each.name.replace('_', ' ')}": str(getattr(settings, each.name))
        for each in fields(settings)
    }


def _of_provenance(facts: Provenance) -> Aspects:
    return {
        **facts.versions,
        "device": facts.device,
        "confirmed": str(facts.device_confirmed),
        "type": facts.dtype,
        "threads": "" if facts.threads is None else str(facts.threads),
        "mended": "; ".join(facts.mends),
        "compiler": facts.compiler or "",
        **{f"variable {name}": value for name, value in facts.environment.items()},
    }
