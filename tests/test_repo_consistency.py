"""What is checked is what is loaded: every adapter's check map against its library.

Each library runs in a process of its own. Its own table of models must name the repos of the check
map, neither more nor fewer. Then its own constructor and load run against a loopback hub that
serves a stand-in model under every repo's id: the files that it requests, and the files that it
opens (told by their hashes), must be those of the check map. `tests/consistency/historic_map.py` is
the mistake that all this must find.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

from adapters import (
    REGISTRY,
    adapter_class,
    all_cases,
    files_of,
    load_adapter,
    why_not_installed,
)
from adapters.base import Case
from tests.consistency import faulty_library
from tests.consistency.faulty_library import FaultyLibrary
from tests.consistency.published import FILES, first_published, published
from tests.consistency.verdict import (
    InconsistentError,
    check_load,
    check_offer,
    check_table,
    message_alone,
)
from tests.consistency.wrong_line import line_to_fix
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Protocol

    from tests.consistency.observer import Mode, Observer

    class ObserverOf(Protocol):
        """A function that returns the observer of the adapter at `module:class`."""

        def __call__(self, adapter: str, mode: Mode = ...) -> Observer: ...


PUBLISHED = [  # of the libraries that are installed
    case
    for case in all_cases()
    if not why_not_installed(case.adapter) and not files_of(case).embedded
]
HISTORIC_CASES = [
    Case("lightning-whisper-mlx", size, "fp16")
    for size in ("tiny", "small", "medium", "large-v1", "large-v2", "large-v3")
]
HISTORIC_MAP = "tests.consistency.historic_map:HistoricMap"
MODES: tuple[Mode, Mode] = ("fork", "once")
MISSING_TOKENIZER = "tests.consistency.missing_tokenizer:MissingTokenizer"
FAULTY_LIBRARY = "tests.consistency.faulty_library:FaultyLibrary"


@pytest.fixture(name="observer_of", scope="module")
def _observer_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObserverOf]:
    """A function that returns the observer of an adapter, by `module:class`; one for each."""
    from fixtures.hub import Hub
    from tests.consistency.observer import MODE, Observer, serve
    from tests.consistency.stand_ins import stand_ins

    with ExitStack() as stack:
        # Some libraries have an address in their code, for which the hub answers by https.
        hub = stack.enter_context(Hub(https=True))
        toy = {**faulty_library.FILES, faulty_library.EXTRA_FILE: b"words"}
        sources = serve(hub, {**stand_ins(), faulty_library.REPO: toy})
        hub.add(faulty_library.REPO, faulty_library.OTHER_FILES, revision="dev")

        @cache
        def observer_of(adapter: str, mode: Mode = MODE) -> Observer:
            folder = tmp_path_factory.mktemp("library")
            return stack.enter_context(Observer(adapter, hub, sources, folder, mode))

        yield observer_of


@pytest.fixture(name="library")
def _library(observer_of: ObserverOf) -> Callable[[str], Observer]:
    """A function that returns the observer of a registered adapter, if its library is installed."""

    def library(name: str) -> Observer:
        if reason := why_not_installed(name):
            pytest.skip(reason)
        return observer_of(REGISTRY[name])

    return library


@pytest.mark.parametrize("subject", PUBLISHED, ids=str)
@message_alone()
def test_library_names_the_repo_that_is_checked(
    subject: Case, library: Callable[[str], Observer]
) -> None:
    """For every case, the repo in the check map is the one in the library's own table."""
    check_table(subject, adapter_class(subject.adapter), library(subject.adapter).table)


@pytest.mark.parametrize("adapter", REGISTRY)
@message_alone()
def test_all_that_a_library_names_is_checked(
    adapter: str, library: Callable[[str], Observer]
) -> None:
    """No size and no variant of the library's table is missing in the check map."""
    check_offer(adapter, adapter_class(adapter), library(adapter).table)


@pytest.mark.parametrize("subject", PUBLISHED, ids=str)
@message_alone()
def test_library_loads_the_files_that_are_checked(
    subject: Case, library: Callable[[str], Observer]
) -> None:
    """Each library fetches and opens its check map's files at their revision, and no others."""
    observed = library(subject.adapter).observe(subject)

    check_load(subject, adapter_class(subject.adapter), observed)


def historic_map_message(case: Case) -> str:
    """Return the message that a case of the historic map leads to."""
    file = "tests/consistency/historic_map.py"
    loaded = first_published("mlx", case.size, "fp16").entry
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if f'"{case.size}": {{' in text)
    checked = load_adapter(HISTORIC_MAP).files(case).repo
    return f"{case.label}: checked {checked} but loads {loaded.repo}; fix {file}:{line}"


@pytest.mark.parametrize("subject", HISTORIC_CASES, ids=str)
def test_historic_map_differs_from_the_table(subject: Case, observer_of: ObserverOf) -> None:
    """A mistake that a check map once had shows in the library's table, with the line to fix."""
    with pytest.raises(InconsistentError) as found:
        check_table(subject, load_adapter(HISTORIC_MAP), observer_of(HISTORIC_MAP).table)

    assert str(found.value) == historic_map_message(subject)


@pytest.mark.parametrize("subject", HISTORIC_CASES, ids=str)
def test_historic_map_differs_from_the_load(subject: Case, observer_of: ObserverOf) -> None:
    """A mistake that a check map once had shows in the library's load, with the line to fix."""
    observed = observer_of(HISTORIC_MAP).observe(subject)

    with pytest.raises(InconsistentError) as found:
        check_load(subject, load_adapter(HISTORIC_MAP), observed)

    assert str(found.value) == historic_map_message(subject)


def test_historic_map_lacks_what_the_library_names(observer_of: ObserverOf) -> None:
    """A size or variant of the library that an old check map lacks is named with its repo."""
    table = observer_of(HISTORIC_MAP).table

    with pytest.raises(InconsistentError) as found:
        check_offer("lightning-whisper-mlx", load_adapter(HISTORIC_MAP), table)

    lines = str(found.value).splitlines()
    published = [case for case in PUBLISHED if case.adapter == "lightning-whisper-mlx"]
    assert len(lines) == len(published) - len(HISTORIC_CASES)
    assert (
        "lightning-whisper-mlx[base-8bit]: loads mlx-community/whisper-base-mlx-8bit, "
        "which is not checked; add it to the check map in tests/consistency/historic_map.py"
    ) in lines


def test_hidden_second_repo_is_found(tmp_path: Path) -> None:
    """A tokenizer that faster-whisper takes from another repo than the checked one is found."""
    if reason := why_not_installed("faster-whisper"):
        pytest.skip(reason)
    from fixtures.hub import Hub
    from fixtures.models.micro.formats.vocabulary import tokenizer_json
    from tests.consistency.missing_tokenizer import HIDDEN_REPO, REPO, TOKENIZER, MissingTokenizer
    from tests.consistency.observer import Observer, serve
    from tests.consistency.stand_ins import stand_in

    case = Case("faster-whisper", "tiny", "fp16")
    tokenizer = tokenizer_json([bytes([byte]) for byte in range(256)]).encode()
    with Hub() as hub:
        (whole,) = (stand_in(model) for model in published() if model.entry.repo == REPO)
        lacking = {name: content for name, content in whole.items() if name != TOKENIZER}
        sources = serve(hub, {REPO: lacking, HIDDEN_REPO: {TOKENIZER: tokenizer}})
        with Observer(MISSING_TOKENIZER, hub, sources, tmp_path) as library:
            observed = library.observe(case)

    with pytest.raises(InconsistentError) as found:
        check_load(case, MissingTokenizer, observed)

    assert str(found.value) == (
        f"faster-whisper[tiny-fp16]: loads {TOKENIZER} of {HIDDEN_REPO}@main, which is not "
        f"checked; fix {line_to_fix(case, MissingTokenizer, FILES)}"
    )


@pytest.mark.parametrize("variant", ["correct", "snapshot"])
def test_library_that_keeps_to_the_check_map_passes(variant: str, observer_of: ObserverOf) -> None:
    """A library that keeps to the check map passes, be it file by file or by a snapshot."""
    case = Case("faulty", "tiny", variant)

    check_load(case, FaultyLibrary, observer_of(FAULTY_LIBRARY).observe(case))


@pytest.mark.parametrize(
    ("variant", "complaints"),
    [
        ("other-revision", ["checked org/toy@main but loads org/toy@dev"]),
        ("extra-file", ["loads vocabulary.txt of org/toy@main, which is not checked"]),
        ("missing-file", ["checked config.json of org/toy@main but does not load it"]),
        ("unopened", ["checked config.json of org/toy@main but does not load it"]),
        ("rewritten", ["opens config.json, which holds none of the files that were served"]),
        ("other-size", ["is not of the size tiny: ", "these are the dimensions of base"]),
        ("offline", ["nothing was fetched, so nothing is known"]),
        ("aborts", ["the process that loaded the model ended with SIGABRT"]),
        ("raises", ["the load failed: OSError: the toy cannot read its files"]),
    ],
)
def test_faulty_library_is_found(
    variant: str, complaints: list[str], observer_of: ObserverOf
) -> None:
    """A library that does not load just the files of its check map is reported with its fault."""
    case = Case("faulty", "tiny", variant)
    observed = observer_of(FAULTY_LIBRARY).observe(case)

    with pytest.raises(InconsistentError) as found:
        check_load(case, FaultyLibrary, observed)

    for complaint in complaints:
        assert complaint in str(found.value)
    assert str(found.value).startswith(f"faulty[tiny-{variant}]: ")


def test_model_that_the_library_does_not_know_is_found(
    observer_of: ObserverOf,
) -> None:
    """A case of the check map that is missing in the library's own table is an error."""
    case = Case("faulty", "tiny", "snapshot")

    with pytest.raises(InconsistentError, match="org/toy but the library has no such model"):
        check_table(case, FaultyLibrary, observer_of(FAULTY_LIBRARY).table)


@pytest.mark.skipif(sys.platform != "linux", reason="on macOS no process is forked")
@pytest.mark.parametrize(
    ("library", "subject"),
    [
        (REGISTRY["lightning-whisper-mlx"], Case("lightning-whisper-mlx", "medium", "4bit")),
        (FAULTY_LIBRARY, Case("faulty", "tiny", "aborts")),
    ],
    ids=["lightning-whisper-mlx-medium-4bit", "faulty-tiny-aborts"],
)
def test_forked_process_sees_what_a_fresh_one_sees(
    library: str, subject: Case, observer_of: ObserverOf
) -> None:
    """Observing a case in a forked process gives the same as in one started for it."""
    forked, fresh = (observer_of(library, mode).observe(subject) for mode in MODES)

    assert forked == fresh
