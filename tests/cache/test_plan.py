"""What is decided before the first byte: what there is, what is to come, what does not fit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import weights
from tests.helpers.stores import fresh, refusal
from whisper_speedtest.cache.evidence import RemoteFile
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.cache.model import RepoError, Unavailable
from whisper_speedtest.cache.plan import MARGIN, Plan, PlannedModel, without_room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

CACHE = Path("/somewhere/hub")
LARGE_DISK = 10**15  # bytes


def planned(
    name: str, *sizes: int, held: int = 0, repo: str = "", problem: RepoError | None = None
) -> PlannedModel:
    """Return a model whose files have these sizes in bytes; the first `held` are there already.

    A file's etag is its size, so that files of one size in one repo are the same.
    """
    names = [f"{n}.npz" for n in range(len(sizes))]
    files = ModelFiles(repo or f"org/{name}", tuple(names), name)
    listed = [
        RemoteFile(file, size, f"{size:064x}") for file, size in zip(names, sizes, strict=True)
    ]
    there = {file.name: (CACHE, Proof(file.size, file.etag)) for file in listed[:held]}
    return PlannedModel(
        files, Inspection(files, None, {}), "c" * 40, tuple(listed), there, problem=problem
    )


def complete(name: str, *sizes: int, folder: str = "") -> PlannedModel:
    """Return a model that is there, in files of these sizes."""
    files = ModelFiles(f"org/{name}", tuple(f"{size}.npz" for size in sizes))
    found = {
        file: Finding(file, "complete", Path(folder or name, file), "", Proof(size, "0" * 64), "")
        for file, size in zip(files.files, sizes, strict=True)
    }
    return PlannedModel(files, Inspection(files, "c" * 40, found))


# One model


def test_download_is_what_is_not_held() -> None:
    """The download of a model is its files that are not held; its size is that of all files."""
    model = planned("a", 100, 20, 3, held=1)

    assert [file.name for file in model.download] == ["1.npz", "2.npz"]
    assert (model.download_size, model.size, model.complete) == (23, 123, False)


def test_file_under_two_names_is_downloaded_once() -> None:
    """One content under two names in a repo is downloaded once."""
    assert planned("a", 50, 50).sizes == {("org/a", f"{50:064x}"): 50}
    assert planned("a", 50, 50).download_size == 50


def test_model_with_a_problem_downloads_nothing() -> None:
    """A model with a problem downloads nothing and is not complete."""
    model = planned("a", 50, problem=RepoError("no such repo"))

    assert (model.download, model.download_size, model.complete) == ((), 0, False)


def test_model_that_is_there_and_may_not_be_used_is_not_complete() -> None:
    """A cached model with a problem is not complete, and its bytes do not count."""
    large = replace(complete("a", 100), problem=Unavailable("too large"))

    assert not large.complete
    assert Plan((large,), 0).complete == Plan((large,), 0).to_fetch == ()
    assert Plan((large,), 0).size_complete == 0


def test_size_of_a_complete_model_is_that_of_its_files() -> None:
    """A complete model's size is known without a listing; that of an unlisted one is not."""
    there = complete("a", 100, 20)

    assert (there.size, there.complete, there.download_size) == (120, True, 0)
    assert planned("b").size is None


# All models


def test_plan_parts_what_is_there_from_what_comes_and_what_does_not() -> None:
    """A plan parts its models into complete, to be fetched and unavailable ones, in order."""
    there, coming, linked = complete("there", 5), planned("coming", 7), planned("l", 9, held=1)
    refused = planned("refused", 11, problem=RepoError("no"))

    plan = Plan((refused, coming, there, linked), 0)

    assert plan.complete == (there,)
    assert plan.to_fetch == (coming, linked)
    assert plan.unavailable == (refused,)
    assert plan.download_size == 7


def test_what_models_share_counts_once() -> None:
    """Bytes that models share count once: by repo and etag to download, by place when cached."""
    alike = [planned(name, 50, size, repo="org/one") for name, size in (("a", 3), ("b", 4))]
    there = [complete("a", 10, 7), complete("b", 10, 8, folder="a")]

    assert Plan(tuple(alike), 0).download_size == 57
    assert Plan((planned("a", 50), planned("b", 50)), 0).download_size == 100
    assert Plan(tuple(there), 0).size_complete == 25


def left_out(
    models: Sequence[PlannedModel], max_download: int | None, free: int = LARGE_DISK
) -> list[str]:
    """Return the names of the models for which there is no room."""
    found = without_room(models, max_download, free, CACHE)
    return [files.revision for files in found]


THREE = [planned("large", 3_000_000), planned("small", 1_000_000), planned("mid", 2_000_000)]


@pytest.mark.parametrize(
    ("limit", "lacking"),
    [
        (6_000_000, []),
        (5_999_999, ["large"]),
        (3_000_000, ["large"]),
        (2_999_999, ["mid", "large"]),
        (1_000_000, ["mid", "large"]),
        (999_999, ["small", "mid", "large"]),
        (0, ["small", "mid", "large"]),
    ],
)
def test_room_goes_to_the_smallest_to_the_last_byte(limit: int, lacking: list[str]) -> None:
    """Room for downloads goes to the smallest models first, and is used to the last byte."""
    assert left_out(THREE, limit) == lacking
    assert left_out(THREE, None, free=limit + 50_000_000) == lacking
    assert left_out(THREE, None) == []


def test_model_that_does_not_fit_takes_no_room() -> None:
    """A model that does not fit leaves room for one that shares files that are coming anyway."""
    models = [planned("small", 10, repo="org/one"), planned("large", 100, repo="org/one")]
    again = planned("again", 10, repo="org/one")

    assert left_out([*models, again], 10) == ["large"]
    assert left_out([*models, planned("both", 100, 10, repo="org/one")], 50) == ["large", "both"]


def test_models_that_download_nothing_need_no_room() -> None:
    """Models that download nothing need no room."""
    models = [complete("a", 10), planned("b", 10, held=1), planned("c", 10, problem=RepoError(""))]

    assert left_out(models, 0, free=0) == []


def test_copies_from_another_disk_take_room_and_are_no_downloads() -> None:
    """Copies from another disk take room on the disk, and do not count as downloads."""
    small, large = (
        replace(
            planned(name, *sizes, held=1, repo="org/one"), copied={f"{sizes[0]:064x}": sizes[0]}
        )
        for name, sizes in (("small", (3, 20)), ("large", (100, 3)))
    )
    download = planned("download", 50)

    assert small.room == {("org/one", f"{3:064x}"): 3, ("org/one", f"{20:064x}"): 20}
    assert left_out([large, small, download], 73, free=MARGIN + 173) == []
    assert left_out([large, small, download], 72, free=MARGIN + 173) == ["large"]
    assert left_out([large, small, download], 69, free=MARGIN + 173) == ["download"]
    assert left_out([large, small, download], None, free=MARGIN + 172) == ["large"]
    assert left_out([large, small, download], None, free=MARGIN + 72) == ["download", "large"]
    refused = replace(small, problem=Unavailable("too large"))
    assert (refused.room, left_out([refused], 0, free=0)) == ({}, [])


def test_refusal_says_what_to_raise_and_to_what() -> None:
    """A refusal by --max-download names the limit that this model needs, and that of all."""
    found = without_room(THREE, 1_500_000, LARGE_DISK, CACHE)

    mid, large = found.values()
    assert type(mid) is Unavailable
    assert str(mid) == (
        "org/mid@mid: 2.0 MB to download do not fit into the 1.5 MB that may be; "
        "raise that with --max-download 3.0MB"
    )
    assert "3.0 MB to download do not fit" in str(large)
    assert str(large).endswith("raise that with --max-download 4.0MB")
    assert (
        mid.cause
        == large.cause
        == (
            "no room in the 1.5 MB that may be downloaded; "
            "for all there is with --max-download 6.0MB"
        )
    )
    shared = [planned(name, 3_000_000, repo="org/one") for name in ("once", "again")]
    (first, second) = without_room(shared, 0, LARGE_DISK, CACHE).values()
    assert first.cause.endswith(" for all there is with --max-download 3.0MB")
    assert second.cause == first.cause, "expected a file that both models need to count once"


def test_refusal_for_the_disk_says_what_is_needed_and_what_is_free() -> None:
    """A refusal for the disk names the bytes needed, the bytes free, and the disk."""
    found = without_room(THREE, None, 53_500_000, CACHE)

    (large,) = found.values()
    disk = (
        "on the disk of /somewhere/hub, which has 53.5 MB free, with 50.0 MB to spare; make room "
        "(hf cache ls, hf cache rm), or set HF_HUB_CACHE to a folder on a larger disk"
    )
    assert str(large) == (
        "org/large@large: 3.0 MB to download, 6.0 MB with the smaller models, do not fit " + disk
    )
    assert large.cause == f"no room {disk}"
    (both,) = without_room(THREE[:1], 0, 0, CACHE).values()
    assert "--max-download" in str(both)


# In the store


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
    """A plan tells in bytes what is there and what is to come, and fetches nothing."""
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
    """Room under --max-download goes to the smallest models; a refusal says what to raise."""
    plan = store.plan(sizes, max_download=4_000_000)
    outcomes = store.fetch(plan)

    assert downloads(plan) == ["org/model-1", "org/model-2"]
    assert isinstance(outcomes[sizes[0]], Unavailable)
    assert "3.0 MB to download do not fit into the 4.0 MB" in str(outcomes[sizes[0]])
    assert "--max-download 6.0MB" in str(outcomes[sizes[0]])
    assert not any(each.repo == "org/model-3" for each in hub.requests if each.kind != "info")


def test_what_is_there_counts_for_nothing(store: Store, sizes: list[ModelFiles]) -> None:
    """A model in the cache is complete under any limit on downloads."""
    store.prepare(sizes[0])

    assert len(store.plan(sizes[:1], max_download=0).complete) == 1


def test_a_disk_without_room_is_said_before_the_first_byte(
    hub: Hub, store: Store, sizes: list[ModelFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk without room is reported before the first byte, and smaller models still come."""
    usage = shutil.disk_usage(store.settings.cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=MARGIN + 3_500_000))

    plan = store.plan(sizes)

    assert downloads(plan) == ["org/model-1", "org/model-2"]
    (problem,) = plan.unavailable
    assert "3.0 MB to download, 6.0 MB with the smaller models" in str(problem.problem)
    assert "53.5 MB free" in str(problem.problem)
    assert all(each.kind == "info" for each in hub.requests)


@pytest.mark.parametrize("cached", [False, True])
def test_a_model_as_large_as_the_memory_is_fetched(
    store: Store, sizes: list[ModelFiles], cached: bool
) -> None:
    """A model exactly as large as the memory is fetched; one byte more is refused."""
    if cached:
        store.prepare(sizes[0])

    model = fresh(store, memory=3_000_000).prepare(sizes[0])

    assert model == fresh(store, memory=None).prepare(sizes[0])
    assert "3.0 MB of files" in str(refusal(fresh(store, memory=2_999_999), sizes[0]))


@pytest.mark.parametrize("cached", [False, True])
def test_a_model_larger_than_the_memory_is_not_fetched(
    hub: Hub, store: Store, sizes: list[ModelFiles], cached: bool
) -> None:
    """A model larger than the memory is refused, whether it has to come or is cached."""
    if cached:
        store.prepare(sizes[0])
    hub.clear()

    error = refusal(fresh(store, memory=2_500_000), sizes[0])

    assert isinstance(error, Unavailable)
    assert "3.0 MB of files, more than this machine's 2.5 MB of memory" in str(error)
    assert all(each.kind == "info" for each in hub.requests)


def test_part_of_a_file_that_is_held_by_now_counts_for_nothing() -> None:
    """The begun part of a file that is there by now does not count as begun."""
    model = replace(
        planned("a", 100, 20, held=1), begun={f"{100:064x}": 60, f"{20:064x}": 5, "f" * 64: 7}
    )

    assert (model.size_begun, model.download_size) == (5, 15)


def test_model_that_cannot_be_had_is_not_told_as_unconfirmed() -> None:
    """A model that cannot be had is not reported as unconfirmed."""
    model = planned("a", 100)
    (file,) = model.required
    model = replace(model, required=(replace(file, unconfirmed=True),))

    assert model.unconfirmed
    assert not replace(model, problem=Unavailable("no room")).unconfirmed
