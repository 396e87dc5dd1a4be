"""Collects the tests of a session: their parameters, the default selection, and their order."""

from __future__ import annotations

import gc
from types import FunctionType
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from whisper_speedtest.session.choice import defaults, selection
from whisper_speedtest.session.choice.recordings import own_clips, own_corpora

if TYPE_CHECKING:
    from collections.abc import Generator

    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus

OWN_CLIPS: pytest.StashKey[list[Clip]] = pytest.StashKey()
"""The user's own recordings."""

NOT_USED = pytest.StashKey[list[str]]()
"""Why files in folders of the user's recordings are not used."""

OWN_CORPORA: pytest.StashKey[list[Corpus]] = pytest.StashKey()
"""The user's own corpora."""

BEYOND_DEFAULT = pytest.StashKey[list[pytest.Item]]()
"""The tests that were left out because they are not in the default selection."""


def pytest_configure(config: pytest.Config) -> None:
    """Read the user's own recordings and corpora, whose errors end the session at once."""
    for marker in selection.MARKERS:
        config.addinivalue_line("markers", marker)
    private = config.getoption("private")
    config.stash[NOT_USED] = []
    config.stash[OWN_CLIPS] = own_clips(
        config.getoption("audio"), config.stash[NOT_USED], private=private
    )
    config.stash[OWN_CORPORA] = own_corpora(
        config.getoption("corpus"), config.getoption("language"), private=private
    )
    config.stash[BEYOND_DEFAULT] = []


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> list[pytest.Item] | None:
    """Collect no items of a benchmark whose measure this session does not want."""
    marks: list[pytest.Mark] = (
        getattr(obj, "pytestmark", []) if isinstance(obj, FunctionType) else []
    )
    measures = [mark.kwargs["measure"] for mark in marks if mark.name == "over"]
    wanted = all(selection.is_wanted(measure, collector.config) for measure in measures)
    return None if wanted else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise the tests marked `over`."""
    own, corpora = metafunc.config.stash[OWN_CLIPS], metafunc.config.stash[OWN_CORPORA]
    selection.parametrize(metafunc, clips(), own, corpora)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let -k find a recording by its name, which the id has with escapes for non-ASCII letters."""
    if item.get_closest_marker("own") and isinstance(item, pytest.Function):
        audio = selection.parameters_of(item).audio
        assert audio is not None  # which is what the mark says
        item.extra_keyword_matches.add(audio.name)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Apply the default selection if the user has made none, and group the tests by case."""
    if not defaults.user_selects(config):
        config.stash[BEYOND_DEFAULT] = selection.deselect(config, items, defaults.is_kept)
    outcome = yield
    selection.sort(items)
    return outcome


def pytest_collection_finish() -> None:
    """Exempt the collected tests from Python's garbage collection, as all of them are kept.

    Otherwise each full garbage collection would visit 100,000 objects and more; pytest runs two as
    it ends.
    """
    gc.freeze()


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say how many models the default selection has left out, and how to select them."""
    left_out = config.stash[BEYOND_DEFAULT]
    return defaults.lines_on_left_out(left_out)
