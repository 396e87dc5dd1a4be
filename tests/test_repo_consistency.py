"""What is checked is what is loaded: every adapter's check map against its library.

The library is met in clean processes. Its own table must name the repos of the check map, neither
more nor fewer. Then its own constructor and load run against a loopback hub that serves a stand-in
under every repo's id: what it asked for on the wire, and the hashes of the files that it opened,
must be the check map's. `consistency.wrong_map` is what all this must find.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY, adapter_class, all_cases, files_of, why_not_installed
from adapters.base import Case
from adapters.lightning_whisper_mlx import REPOS
from tests.consistency import careless, wrong_map
from tests.consistency.careless import Careless
from tests.consistency.no_tokenizer import HIDDEN_REPO, TOKENIZER, NoTokenizer
from tests.consistency.verdict import (
    InconsistentError,
    check_load,
    check_offer,
    check_table,
    line_to_mend,
)
from tests.consistency.wrong_map import WrongMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from tests.consistency.observer import Mode, Observer

    class Meet(Protocol):
        """Returns the observer of the adapter `module:class`."""

        def __call__(self, adapter: str, mode: Mode = ...) -> Observer: ...


PUBLISHED = [  # of the libraries that are installed
    case
    for case in all_cases()
    if not why_not_installed(case.adapter) and not files_of(case).embedded
]
WRONG_CASES = [Case("lightning-whisper-mlx", size, "fp16") for size in wrong_map.REPOS]
WRONG_MAP = "tests.consistency.wrong_map:WrongMap"
MODES: tuple[Mode, Mode] = ("fork", "once")
NO_TOKENIZER = "tests.consistency.no_tokenizer:NoTokenizer"
CARELESS = "tests.consistency.careless:Careless"


@pytest.fixture(name="observer", scope="module")
def _observer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meet]:
    """A function that returns the observer of an adapter, by `module:class`; made once each."""
    from fixtures.hub import Hub
    from tests.consistency.observer import MODE, Observer, serve
    from tests.consistency.stand_ins import check_map_models

    with ExitStack() as stack:
        # Extras whose library has an address in its code bring what answering for it takes.
        hub = stack.enter_context(Hub(https=find_spec("trustme") is not None))
        adapters = [adapter_class(name) for name in REGISTRY if not why_not_installed(name)]
        models = check_map_models(adapters)
        toy = {**careless.FILES, careless.EXTRA_FILE: b"words"}
        sources = serve(hub, {**models, careless.REPO: toy})
        hub.add(careless.REPO, careless.OTHER_FILES, revision="dev")

        @cache
        def meet(adapter: str, mode: Mode = MODE) -> Observer:
            folder = tmp_path_factory.mktemp("library")
            return stack.enter_context(Observer(adapter, hub, sources, folder, mode))

        yield meet


@pytest.fixture(name="library")
def _library(observer: Meet) -> Callable[[str], Observer]:
    """A function that returns the observer of a registered adapter, if its library is installed."""

    def meet(name: str) -> Observer:
        if reason := why_not_installed(name):
            pytest.skip(reason)
        return observer(REGISTRY[name])

    return meet


@pytest.mark.parametrize("subject", PUBLISHED, ids=str)
def test_library_names_the_repo_that_is_checked(
    subject: Case, library: Callable[[str], Observer]
) -> None:
    """For every size and variant, the repo in the check map is the one in the library's table."""
    check_table(subject, adapter_class(subject.adapter), library(subject.adapter).table)


@pytest.mark.parametrize("adapter", REGISTRY)
def test_all_that_a_library_names_is_checked(
    adapter: str, library: Callable[[str], Observer]
) -> None:
    """No size and no variant of the library's table is missing in the check map."""
    check_offer(adapter, adapter_class(adapter), library(adapter).table)


@pytest.mark.parametrize("subject", PUBLISHED, ids=str)
def test_library_loads_the_files_that_are_checked(
    subject: Case, library: Callable[[str], Observer]
) -> None:
    """The library fetches, and then opens, exactly the check map's files at its revision."""
    observed = library(subject.adapter).observe(subject)

    check_load(subject, adapter_class(subject.adapter), observed)


def wrong_map_message(case: Case) -> str:
    """What must be said about a case of the wrong map."""
    lines = Path(wrong_map.__file__).read_text(encoding="utf-8").splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if f'"{case.size}": {{' in text)
    return (
        f"lightning-whisper-mlx[{case.size}-fp16]: checked {wrong_map.REPOS[case.size]['fp16']} "
        f"but loads {REPOS[case.size, 'fp16']}; mend tests/consistency/wrong_map.py:{line}"
    )


@pytest.mark.parametrize("subject", WRONG_CASES, ids=str)
def test_wrong_map_differs_from_the_table(subject: Case, observer: Meet) -> None:
    """The historic map is found by reading, with both repos and the line to mend."""
    with pytest.raises(InconsistentError) as found:
        check_table(subject, WrongMap, observer(WRONG_MAP).table)

    assert str(found.value) == wrong_map_message(subject)


@pytest.mark.parametrize("subject", WRONG_CASES, ids=str)
def test_wrong_map_differs_from_the_load(subject: Case, observer: Meet) -> None:
    """The historic map is found by running the library, with both repos and the line to mend."""
    observed = observer(WRONG_MAP).observe(subject)

    with pytest.raises(InconsistentError) as found:
        check_load(subject, WrongMap, observed)

    assert str(found.value) == wrong_map_message(subject)


def test_wrong_map_lacks_what_the_library_names(observer: Meet) -> None:
    """Sizes and variants that the historic map does not have are named, each with its repo."""
    with pytest.raises(InconsistentError) as found:
        check_offer("lightning-whisper-mlx", WrongMap, observer(WRONG_MAP).table)

    lines = str(found.value).splitlines()
    published = [case for case in PUBLISHED if case.adapter == "lightning-whisper-mlx"]
    assert len(lines) == len(published) - len(WRONG_CASES)
    assert (
        "lightning-whisper-mlx[base-8bit]: loads mlx-community/whisper-base-mlx-8bit, "
        "which is not checked; add it to the check map in tests/consistency/wrong_map.py"
    ) in lines


def test_hidden_second_repo_is_found(tmp_path: Path) -> None:
    """A tokenizer that faster-whisper takes from a repo that nobody named is a mismatch."""
    if reason := why_not_installed("faster-whisper"):
        pytest.skip(reason)
    from fixtures.hub import Hub
    from fixtures.models.micro.formats.vocabulary import tokenizer_json
    from tests.consistency.observer import Observer, serve
    from tests.consistency.stand_ins import check_map_models

    case = Case("faster-whisper", "tiny", "fp16")
    tokenizer = tokenizer_json([bytes([byte]) for byte in range(256)]).encode()
    with Hub() as hub:
        models = check_map_models([NoTokenizer])
        sources = serve(hub, {**models, HIDDEN_REPO: {TOKENIZER: tokenizer}})
        with Observer(NO_TOKENIZER, hub, sources, tmp_path) as library:
            observed = library.observe(case)

    with pytest.raises(InconsistentError) as found:
        check_load(case, NoTokenizer, observed)

    assert str(found.value) == (
        f"faster-whisper[tiny-fp16]: loads {TOKENIZER} of {HIDDEN_REPO}@main, which is not "
        f"checked; mend {line_to_mend(case, NoTokenizer)}"
    )


@pytest.mark.parametrize("variant", ["careful", "snapshot"])
def test_library_that_keeps_to_the_check_map_passes(variant: str, observer: Meet) -> None:
    """Files may be fetched one by one, or as a snapshot of the commit that a branch stands for."""
    case = Case("careless", "toy", variant)

    check_load(case, Careless, observer(CARELESS).observe(case))


@pytest.mark.parametrize(
    ("variant", "complaints"),
    [
        ("other-revision", ["checked org/toy@main but loads org/toy@dev"]),
        ("extra-file", ["loads vocabulary.txt of org/toy@main, which is not checked"]),
        ("missing-file", ["checked config.json of org/toy@main but does not load it"]),
        ("unopened", ["checked config.json of org/toy@main but does not load it"]),
        ("rewritten", ["opens config.json, which holds none of the files that were served"]),
        ("offline", ["nothing was fetched, so nothing is known"]),
        ("aborts", ["the process that loaded the model ended with SIGABRT"]),
        ("raises", ["the load failed: OSError: the toy cannot read its files"]),
    ],
)
def test_careless_library_is_found(variant: str, complaints: list[str], observer: Meet) -> None:
    """Whatever else a library fetches or opens is named, and so is what it does not."""
    case = Case("careless", "toy", variant)
    observed = observer(CARELESS).observe(case)

    with pytest.raises(InconsistentError) as found:
        check_load(case, Careless, observed)

    for complaint in complaints:
        assert complaint in str(found.value)
    assert str(found.value).startswith(f"careless[toy-{variant}]: ")


def test_model_that_the_library_does_not_know_is_found(
    observer: Meet,
) -> None:
    """A case of the check map that the library's table lacks is no case of that library."""
    case = Case("careless", "toy", "snapshot")

    with pytest.raises(InconsistentError, match="org/toy but the library has no such model"):
        check_table(case, Careless, observer(CARELESS).table)


@pytest.mark.skipif(sys.platform != "linux", reason="every process is a fresh one here")
@pytest.mark.parametrize(
    ("library", "subject"),
    [
        (REGISTRY["lightning-whisper-mlx"], Case("lightning-whisper-mlx", "medium", "4bit")),
        (CARELESS, Case("careless", "toy", "aborts")),
    ],
    ids=["lightning-whisper-mlx-medium-4bit", "careless-toy-aborts"],
)
def test_forked_process_sees_what_a_fresh_one_sees(
    library: str, subject: Case, observer: Meet
) -> None:
    """A process forked after the imports loads, and ends, as one that has just made them."""
    forked, fresh = (observer(library, mode).observe(subject) for mode in MODES)

    assert forked == fresh
