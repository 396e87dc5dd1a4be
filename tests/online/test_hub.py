"""Every repo and file of the check maps is on the hub, or at its URL.

Nothing is downloaded: the listings are enough. What they say is recorded: with
`-o junit_family=xunit1 --junit-xml=FILE`, the file has the commit and hashes of each case that day.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters import all_cases, files_of
from whisper_speedtest.cache.model import Unavailable
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Case

HOSTED = [case for case in all_cases() if not files_of(case).embedded]


@pytest.fixture(name="store", scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store whose cache is empty, so that the host is asked for each model."""
    cache = tmp_path_factory.mktemp("hub")
    return Store(replace(HubSettings.from_environment(), cache=cache, memory=None))


@pytest.mark.parametrize("case", HOSTED, ids=str)
def test_host_has_every_file_of_the_check_map(
    store: Store, case: Case, record_property: Callable[[str, object], None]
) -> None:
    """The host of a case lists every file of its check map, with a size, at today's commit."""
    files = files_of(case)

    (model,) = store.plan([files], max_download=0).models

    assert isinstance(model.problem, Unavailable), f"{files}: {model.problem}"
    listed = {file.name: file for file in model.required}
    assert set(listed) == set(files.files), f"{files}: {model.problem}"
    record_property("repo", files.repo)
    record_property("commit", model.commit)
    for name, file in listed.items():
        assert file.size > 0, f"{files} {name}: expected a size, got {file.size} bytes"
        record_property(name, f"{file.size} {file.etag}")
