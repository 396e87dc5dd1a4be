"""What is decided before the first byte: what there is, what is to come, what does not fit."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import weights
from tests.helpers.stores import (
    fresh,
    refusal,
)
from whisper_speedtest.hub.model import (
    Unavailable,
)
from whisper_speedtest.hub.sizes import flag, human

if TYPE_CHECKING:
    from fixtures.hub import Hub
    from whisper_speedtest.hub.plan import Plan
    from whisper_speedtest.hub.store import Store


def downloads(plan: Plan) -> list[str]:
    """Return the repos of a plan that will be fetched."""
    return [model.files.repo for model in plan.to_fetch]


@pytest.fixture(name="sizes")
def _sizes(hub: Hub) -> list[ModelFiles]:
    """Models of 3, 1 and 2 MB, in that order."""
    models = [ModelFiles(f"org/model-{size}", ("weights.npz",)) for size in (3, 1, 2)]
    for files, size in zip(models, (3, 1, 2), strict=True):
        hub.add(files.repo, {"weights.npz": weights(files.repo, size * 1_000_000)})
    return models


def test_plan_says_what_is_there_and_what_has_to_come(
    hub: Hub, store: Store, sizes: list[ModelFiles]
) -> None:
    """In bytes, with no byte fetched."""
    store.prepare(sizes[1])
    hub.clear()

    plan = store.plan(sizes)

    assert [model.files for model in plan.complete] == [sizes[1]]
    assert [model.files for model in plan.to_fetch] == [sizes[0], sizes[2]]
    assert plan.download_size == 5_000_000
    assert [model.size for model in plan.models] == [3_000_000, 1_000_000, 2_000_000]
    assert plan.free == pytest.approx(shutil.disk_usage(store.settings.cache).free, rel=0.1)
    assert {each.kind for each in hub.requests} == {"info"}


def test_max_download_goes_to_the_smallest_first(
    hub: Hub, store: Store, sizes: list[ModelFiles]
) -> None:
    """What does not fit says which option to raise, and to what."""
    plan = store.plan(sizes, max_download=4_000_000)
    outcomes = store.fetch(plan)

    assert downloads(plan) == ["org/model-1", "org/model-2"]
    assert isinstance(outcomes[sizes[0]], Unavailable)
    assert "3.0 MB to download do not fit into the 4.0 MB" in str(outcomes[sizes[0]])
    assert "--max-download 6.0MB" in str(outcomes[sizes[0]])
    assert not any(each.repo == "org/model-3" for each in hub.requests if each.kind != "info")


def test_what_is_there_counts_for_nothing(store: Store, sizes: list[ModelFiles]) -> None:
    """A limit on downloads leaves cached models alone."""
    store.prepare(sizes[0])

    assert len(store.plan(sizes[:1], max_download=0).complete) == 1


def test_a_disk_without_room_is_said_before_the_first_byte(
    hub: Hub, store: Store, sizes: list[ModelFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With numbers; the smaller ones still come."""
    usage = shutil.disk_usage(store.settings.cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_500_000))

    plan = store.plan(sizes)

    assert downloads(plan) == ["org/model-1", "org/model-2"]
    (problem,) = plan.unavailable
    assert "3.0 MB to download, 6.0 MB with the smaller models" in str(problem.problem)
    assert "3.5 MB free" in str(problem.problem)
    assert all(each.kind == "info" for each in hub.requests)


@pytest.mark.parametrize("cached", [False, True])
def test_a_model_larger_than_the_memory_is_not_fetched(
    hub: Hub, store: Store, sizes: list[ModelFiles], cached: bool
) -> None:
    """Nor loaded from the cache."""
    if cached:
        store.prepare(sizes[0])
    hub.clear()

    error = refusal(fresh(store, memory=2_500_000), sizes[0])

    assert isinstance(error, Unavailable)
    assert "3.0 MB of files, more than this machine's 2.5 MB of memory" in str(error)
    assert all(each.kind == "info" for each in hub.requests)


@pytest.mark.parametrize(
    ("size", "for_people", "for_an_option"),
    [(0, "0 bytes", "0kB"), (1500, "1.5 kB", "2kB"), (4_010_000_000, "4.0 GB", "4.1GB")],
)
def test_sizes_are_rounded_up_where_they_have_to_suffice(
    size: int, for_people: str, for_an_option: str
) -> None:
    """A limit raised to what a message says is high enough."""
    assert (human(size), flag(size)) == (for_people, for_an_option)
