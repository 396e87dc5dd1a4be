"""Check maps fit themselves, and what is published; the consistency test asks the libraries."""

from __future__ import annotations

import pytest

from adapters import REGISTRY, adapter_class, all_cases, files_of
from adapters.base import AdapterError, Case
from tests.consistency.verdict import check_published, message_alone

CASES = all_cases()
WITH_PLACES = [case for case in CASES if adapter_class(case.adapter).place(case) is not None]


@pytest.mark.parametrize("case", CASES, ids=str)
@message_alone()
def test_checked_files_are_a_published_model(case: Case) -> None:
    """Every entry of a check map is a published model of its case's size and variant.

    No library is needed for that, so the check maps of those that are not installed are held too.
    """
    check_published(case, adapter_class(case.adapter))


@pytest.mark.parametrize("case", WITH_PLACES, ids=str)
def test_every_file_has_a_place_of_its_own(case: Case) -> None:
    """Each file of a check map has one place of its own, inside the engine's folder."""
    places = adapter_class(case.adapter).place(case) or {}

    assert list(places) == list(files_of(case).files)
    assert len(set(places.values())) == len(places)
    assert not any(place.startswith("/") or ".." in place for place in places.values())


@pytest.mark.parametrize("name", REGISTRY)
def test_embedded_model_comes_first(name: str) -> None:
    """Each library's check map begins with the embedded model, unquantised."""
    check_map = adapter_class(name).check_map

    assert next(iter(check_map)) == "micro"
    assert check_map["micro"]["fp16"].embedded


@pytest.mark.parametrize("name", REGISTRY)
def test_slow_variants_are_variants(name: str) -> None:
    """The slow variants of a library are names of variants.

    A library may lack some of those that it inherits from what it shares with others.
    """
    variants = {case.variant for case in CASES}

    for device, slow in adapter_class(name).slow_variants.items():
        assert slow <= variants, (
            f"{name}: expected slow_variants[{device!r}] of {', '.join(sorted(variants))}, got "
            f"{', '.join(sorted(slow - variants))}; mend that name in the adapter"
        )


def test_unknown_case_is_an_error() -> None:
    """A case that no check map has is an error, and not another model."""
    with pytest.raises(AdapterError):
        files_of(Case("whisper.cpp", "large-v1", "q5_0"))
