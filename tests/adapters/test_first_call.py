"""What a library reads or imports once, it reads in its load and imports before that.

Each registered library that is installed is really run, and a new library needs no change here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY, files_of, why_not_installed
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.first_use import imported, put_off
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.store import Store
from whisper_speedtest.speech.audio import read_audio

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Device

pytestmark = pytest.mark.slow

EQUAL = DecodeSettings(threads=1)
UNQUANTISED = [Case(name, "micro", "fp16") for name in REGISTRY]


@dataclass(frozen=True)
class Seen:
    """What a case opens and imports in its load and its first two calls."""

    case: Case
    where: str
    """The adapter's file."""
    load: list[str]
    first: list[str]
    second: list[str]


@pytest.fixture(name="see")
def _see(
    tmp_path: Path, tests_device: Device, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Case], Seen]:
    """A function that loads a case and makes two calls; skips what is not installed."""

    def see(case: Case) -> Seen:
        if reason := why_not_installed(case.adapter):
            pytest.skip(reason)
        path = REGISTRY[case.adapter]
        model = Store.from_environment().prepare(files_of(case))
        monkeypatch.setitem(REGISTRY, case.adapter, f"tests.helpers.first_use:{path}")
        with Engine(case, model, tmp_path, tests_device, threads=1) as engine:
            engine.hear("short", read_audio(clips()["short"].path))
            first, second = (json.loads(engine.transcribe("short", EQUAL).text) for _ in range(2))
        where = path.partition(":")[0].replace(".", "/") + ".py"
        return Seen(case, where, first["load"], first["call"], second["call"])

    return see


def fail_unless_alike(seen: Seen) -> None:
    """Fail where the first call did what the second did not, or the load imported a library."""
    late = put_off(seen.first, seen.second)
    assert not late, (
        f"{seen.case.label}: expected its first call to open and import nothing that its second "
        f"does not, got {', '.join(late)}; in {seen.where}, let load make the library's own call "
        "that opens such a file, and let import_library import such a module"
    )
    imports = imported(seen.load)
    assert not imports, (
        f"{seen.case.label}: expected its load to import nothing, got {', '.join(imports)}; let "
        f"import_library in {seen.where} import these"
    )


@pytest.mark.parametrize("case", UNQUANTISED, ids=str)
def test_calls_are_alike_and_the_load_imports_nothing(
    case: Case, see: Callable[[Case], Seen]
) -> None:
    """A library's first call does nothing that its second does not; its load imports nothing."""
    fail_unless_alike(see(case))


ANEW = "expected its first call to open and import nothing that its second does not, got"
TO_DO = (
    "let load make the library's own call that opens such a file, and let import_library import "
    "such a module"
)
LATE = {
    ("Toy", "lazy"): f"{ANEW} open {{folder}}/models/micro/config.json; in {{where}}, {TO_DO}",
    ("LateToy", "in-call"): (f"{ANEW} import tests.adding; in {{where}}, {TO_DO}"),
    ("LateToy", "in-load"): (
        "expected its load to import nothing, got tests.adding; let import_library in {where} "
        "import these"
    ),
}
"""A toy library and what it does late → what is said of that."""


@pytest.mark.parametrize(("toy", "variant"), LATE, ids=lambda name: name)
def test_library_that_puts_its_work_off_is_told_so(
    toy: str,
    variant: str,
    see: Callable[[Case], Seen],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A library that puts its work off gets the late work named, and where to mend it."""
    monkeypatch.setitem(REGISTRY, "toy", f"tests.helpers.toy_adapter:{toy}")
    seen = see(Case("toy", "micro", variant))

    with pytest.raises(AssertionError) as failure:
        fail_unless_alike(seen)

    said = LATE[toy, variant].format(folder=tmp_path, where="tests/helpers/toy_adapter.py")
    assert str(failure.value).splitlines()[0] == f"toy[micro-{variant}]: {said}"


def test_what_is_compiled_for_the_device_may_be_kept_in_the_first_call(
    see: Callable[[Case], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a library compiles for the device may be kept in the first call."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:LateToy")

    fail_unless_alike(see(Case("toy", "micro", "compiles")))


def test_toy_that_puts_nothing_off_is_let_pass(
    see: Callable[[Case], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that puts nothing off passes, and what its load reads is seen."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")

    seen = see(Case("toy", "micro", "good"))

    fail_unless_alike(seen)
    assert [Path(what).name for what in seen.load] == ["config.json"]
