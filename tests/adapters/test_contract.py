"""A class that is no adapter is refused by name, and so is every value that cannot be right."""

from __future__ import annotations

import re
import sys
from collections import UserDict
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, get_args

import pytest

import adapters
from adapters import (
    REGISTRY,
    adapter_class,
    all_cases,
    install_command,
    load_adapter,
    look_up,
    missing_packages,
    try_registry,
    valid_adapters,
    why_invalid,
    why_not_installed,
)
from adapters.base import (
    SIZES,
    Adapter,
    AdapterError,
    Case,
    Cuts,
    Device,
    ModelFiles,
    Traits,
)
from adapters.contract import check_adapter
from adapters.torch_backend import TorchAdapter
from tests.adding.adapter import ParrotAdapter
from tests.helpers.project import ROOT

HASH = "5" * 64
PARROTS = ParrotAdapter.check_map["micro"]["fp16"]


def variant_of_parrot(**members: Any) -> type[Adapter]:
    """Return a subclass of a complete adapter that differs in these members."""
    return type("Changed", (ParrotAdapter,), {"__module__": __name__, **members})


def problems(found: object) -> list[str]:
    """Return what is said about a class: one line for each thing that is wrong."""
    with pytest.raises(AdapterError) as error:
        check_adapter(found)
    first, *lines = str(error.value).splitlines()
    assert first == (
        f"{__name__}.Changed is no complete adapter; class Adapter in adapters/base.py describes "
        "each part:"
    )
    return [line.removeprefix("  ") for line in lines]


def traits(**changes: Any) -> Traits:
    """Return possible traits, but for the changes."""
    usual = {"has_model_table": True, "batches": False, "cuts": "never", "timestamps": True}
    return Traits(**{**usual, **changes})


@pytest.mark.parametrize("name", REGISTRY)
def test_registered_adapters_are_complete(name: str) -> None:
    """Each registered class has every part of the contract, with possible values."""
    check_adapter(adapter_class(name))


def test_class_that_has_nothing_is_told_everything_at_once() -> None:
    """Each attribute and each method that an adapter lacks is named at once."""
    members = {"__module__": __name__}

    assert problems(type("Changed", (Adapter,), members)) == [
        "the attribute packages is missing",
        "the attribute check_map is missing",
        "the attribute traits is missing",
        "the attribute tuned is missing",
        "the method dimensions(self, case: Case) -> Dimensions | None is missing",
        "the method import_library(self) -> None is missing",
        "the method load(self, case: Case) -> None is missing",
        "the method select_device(self, device: Device, threads: int) -> None is missing",
        "the method threads(self) -> int | None is missing",
        (
            "the method transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript "
            "is missing"
        ),
        "the method verify_load(self, case: Case) -> str is missing",
    ]


def test_what_a_backend_asks_for_is_told_too() -> None:
    """The property that an adapter on PyTorch lacks is named, too."""
    methods = {name: getattr(ParrotAdapter, name) for name in Adapter.__abstractmethods__}
    data: dict[str, Any] = {
        "packages": ParrotAdapter.packages,
        "check_map": ParrotAdapter.check_map,
    }
    data |= {"traits": ParrotAdapter.traits, "tuned": ParrotAdapter.tuned}
    members = {"__module__": __name__, **methods, **data}

    assert problems(type("Changed", (TorchAdapter,), members)) == [
        "the property _loaded_model is missing"
    ]


@pytest.mark.parametrize("found", [None, "Parrot", ParrotAdapter(), int])
def test_what_is_no_adapter_class_is_named(found: object) -> None:
    """An object that is no adapter class is refused by name."""
    with pytest.raises(AdapterError) as error:
        check_adapter(found)

    assert str(error.value) == f"expected a subclass of adapters.base.Adapter, got {found!r}"


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"packages": "parrot"}, "packages: expected a tuple of names of distributions, got 'p"),
        ({"packages": ()}, "packages: expected a tuple of names of distributions, got ()"),
        ({"packages": ("a", "")}, "packages: expected a tuple of names of distributions, got ('a"),
        ({"packages": ("a", None)}, "packages: expected a tuple of names of distributions, got ("),
        ({"check_map": {}}, "check_map: expected size → variant → ModelFiles, got {}"),
        ({"check_map": None}, "check_map: expected size → variant → ModelFiles, got None"),
        (
            {"check_map": {"tinny": {"fp16": ModelFiles("a/b", ("c",))}}},
            f"check_map: 'tinny' is no size; expected one of {', '.join(SIZES)}",
        ),
        ({"check_map": {"tiny": {}}}, "check_map['tiny']: expected variant → ModelFiles, got {}"),
        (
            {"check_map": {"tiny": ModelFiles("a/b", ("c",))}},
            "check_map['tiny']: expected variant → ModelFiles, got ModelFiles(",
        ),
        (
            {"check_map": {"tiny": {"fp16": "a/b"}}},
            "check_map['tiny']['fp16']: expected ModelFiles, got 'a/b'",
        ),
        (
            {"check_map": {"tiny": {"fp16": ModelFiles("", ("c",))}}},
            "check_map['tiny']['fp16']: expected a repo, got none",
        ),
        (
            {"check_map": {"tiny": {"fp16": ModelFiles("a/b", ())}}},
            "check_map['tiny']['fp16']: expected a tuple of file names, got ()",
        ),
        (
            {"check_map": {"tiny": {"fp16": ModelFiles("https://a", ("b", "c"), HASH)}}},
            "check_map['tiny']['fp16']: expected one file at a URL, and its sha256 as the revision",
        ),
        (
            {"check_map": {"tiny": {"fp16": ModelFiles("https://a", ("b",), "main")}}},
            "check_map['tiny']['fp16']: expected one file at a URL, and its sha256 as the revision",
        ),
        (
            {"check_map": {"tiny": {"fp16": ModelFiles("https://a", ("b",), HASH + "5")}}},
            "check_map['tiny']['fp16']: expected one file at a URL, and its sha256 as the revision",
        ),
        (
            {"check_map": UserDict({"tiny": {"fp16": ModelFiles("a/b", ("c",))}})},
            "check_map: expected size → variant → ModelFiles, got {'tiny': {'fp16': ",
        ),
        (
            {"check_map": {"tiny": UserDict({"fp16": ModelFiles("a/b", ("c",))})}},
            "check_map['tiny']: expected variant → ModelFiles, got {'fp16': ",
        ),
        (
            {"check_map": {"tiny": {"": ModelFiles("a/b", ("c",))}}},
            "check_map['tiny']: expected the name of a variant, got ''",
        ),
        (
            {"check_map": {"tiny": {4: ModelFiles("a/b", ("c",))}}},
            "check_map['tiny']: expected the name of a variant, got 4",
        ),
        (
            {"check_map": {"tiny": {"fp16": ModelFiles(5, ("c",))}}},  # type: ignore[arg-type]
            "check_map['tiny']['fp16']: expected a text for repo, got 5",
        ),
        (
            {"check_map": {"tiny": {"fp16": ModelFiles("a/b", ("c",), None)}}},  # type: ignore[arg-type]
            "check_map['tiny']['fp16']: expected a text for revision, got None",
        ),
        (
            {"files": classmethod(lambda _, __: ModelFiles("a/other", ("c",)))},
            "files: expected check_map['micro']['fp16'], got ModelFiles(repo='a/other', ",
        ),
        *(
            (
                {"place": classmethod(lambda _, __, places=places: places)},
                f"place: expected None, or a path for each of {PARROTS.files}, got {places!r}",
            )
            for places in (
                "models",
                {},
                dict.fromkeys([*PARROTS.files, "more"], "models"),
                dict.fromkeys([*PARROTS.files[:-1], "another"], "models"),
                dict.fromkeys(PARROTS.files, Path("models")),
                dict.fromkeys(PARROTS.files, ""),
            )
        ),
        *(
            (
                {
                    "place": classmethod(
                        lambda _, __, place=place: dict.fromkeys(PARROTS.files, place)
                    )
                },
                (
                    "place: expected paths in the working directory, or that begin with ~/, got "
                    f"{place!r}"
                ),
            )
            for place in ("/models/file", "../file", "models/../../file", "~/../file", "~//file")
        ),
        *(
            (
                {"check_map": {"tiny": {"fp16": ModelFiles("a/b", ("c", name))}}},
                f"check_map['tiny']['fp16']: expected names of files in the repo, got {name!r}",
            )
            for name in ("/etc/file", "../file", "folder/../../file")
        ),
        ({"tuned": None}, "tuned: expected a dict, got None"),
        ({"ignored_settings": ("threads",)}, "ignored_settings: expected a dict, got ('threads',)"),
        ({"slow_variants": frozenset({"fp16"})}, "slow_variants: expected a dict, got frozenset({"),
        ({"traits": {"cuts": "never"}}, "traits: expected an instance of Traits, got {'cuts': 'n"),
        (
            {"traits": traits(cuts="sometimes")},
            "traits.cuts: expected 'always' or 'in batches' or 'never', got 'sometimes'",
        ),
        (
            {"tuned": {"beams": 5}},
            (
                "tuned: 'beams' is no field of DecodeSettings; expected one of language, "
                "beam_size, temperature, fallback, timestamps, context, vad, batch_size, threads"
            ),
        ),
        ({"tuned": {"threads": "4"}}, "tuned['threads']: expected int | None, got '4'"),
        ({"tuned": {"threads": True}}, "tuned['threads']: expected int | None, got True"),
        (
            {"ignored_settings": {"batch": 1}},
            "ignored_settings: 'batch' is no field of DecodeSettings; expected one of language, ",
        ),
        (
            {"ignored_settings": {"vad": None}},
            "ignored_settings['vad']: expected bool, got None",
        ),
        (
            {"ignored_settings": {"vad": 0}},
            "ignored_settings['vad']: expected bool, got 0",
        ),
        (
            {"ignored_settings": {"temperature": True}},
            "ignored_settings['temperature']: expected float, got True",
        ),
        (
            {"ignored_settings": {"threads": 1}},
            "tuned: threads is one of ignored_settings, so recommending it changes nothing",
        ),
        (
            {"slow_variants": {"tpu": frozenset({"fp16"})}},
            "slow_variants: expected a device → a frozenset, got 'tpu' → frozenset({'fp16'})",
        ),
        (
            {"slow_variants": {"cpu": "fp16"}},
            "slow_variants: expected a device → a frozenset, got 'cpu' → 'fp16'",
        ),
    ],
)
def test_value_that_cannot_be_right_is_named(members: dict[str, Any], problem: str) -> None:
    """A value of an adapter that cannot be right is reported with attribute, expected and got."""
    (said,) = problems(variant_of_parrot(**members))

    assert said.startswith(problem)


def test_every_wrong_value_is_told_at_once() -> None:
    """All wrong values of an adapter are reported at once."""
    check_map = {"tiny": {}, "tinny": {"fp16": "a/b"}, "base": {"fp16": "a/b", "4bit": "a/c"}}
    changed = variant_of_parrot(packages=(), check_map=check_map, tuned={"x": 1, "y": 2})

    assert [line.partition(":")[0] for line in problems(changed)] == [
        "packages",
        "check_map['tiny']",
        "check_map",
        "check_map['tinny']['fp16']",
        "check_map['base']['fp16']",
        "check_map['base']['4bit']",
        "tuned",
        "tuned",
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"check_map": {"tiny": {"fp16": ModelFiles("https://a", ("b",), HASH)}}},
        {"check_map": {size: {"fp16": ModelFiles("a/b", ("c",))} for size in SIZES}},
        {"ignored_settings": {"temperature": 0, "language": "en", "vad": False}},
        {"ignored_settings": {"threads": None}, "tuned": {"temperature": 0.0}},
        {"tuned": {}},
        {"check_map": MappingProxyType({"tiny": {"fp16": ModelFiles("a/b", ("c",))}})},
        {"place": classmethod(lambda _, __: dict.fromkeys(PARROTS.files, "models/file"))},
        {"slow_variants": {device: frozenset({"fp16"}) for device in get_args(Device)}},
        *({"traits": traits(cuts=cuts)} for cuts in get_args(Cuts)),
    ],
)
def test_value_that_may_be_right_is_not_refused(members: dict[str, Any]) -> None:
    """Values of an adapter that may be right are not refused."""
    check_adapter(variant_of_parrot(**members))


# The registry


@pytest.fixture(name="register")
def _register(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that registers a class as the adapter `newcomer`, and returns its path."""

    def register(found: object) -> str:
        module = ModuleType("newcomer")
        module.__dict__["Newcomer"] = found
        monkeypatch.setitem(sys.modules, "newcomer", module)
        monkeypatch.setitem(REGISTRY, "newcomer", "newcomer:Newcomer")
        look_up.cache_clear()
        return "newcomer:Newcomer"

    return register


def test_registered_class_is_returned(register: Any) -> None:
    """An adapter's class is found by its registered name and by its path."""
    path = register(ParrotAdapter)

    assert adapter_class("newcomer") is ParrotAdapter
    assert load_adapter(path) is ParrotAdapter


def test_incomplete_class_is_named_with_its_line_of_the_registry(register: Any) -> None:
    """An incomplete class is reported with its line of the registry, each time it is looked up."""
    register(type("Changed", (ParrotAdapter,), {"__module__": __name__, "packages": ()}))

    for _ in range(2):
        with pytest.raises(AdapterError) as error:
            adapter_class("newcomer")

        assert str(error.value) == (
            'adapters/__init__.py, REGISTRY, "newcomer": "newcomer:Newcomer": '
            f"{__name__}.Changed is no complete adapter; class Adapter in adapters/base.py "
            "describes each part:\n  packages: expected a tuple of names of distributions, got ()"
        )


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("adapters.penguin:Penguin", "ModuleNotFoundError: No module named 'adapters.penguin'"),
        ("adapters.whisper_cpp:Cpp", "AttributeError: module 'adapters.whisper_cpp' has no attri"),
        ("adapters.whisper_cpp", "AttributeError: module 'adapters.whisper_cpp' has no attribute"),
    ],
)
def test_path_that_leads_nowhere_is_named_with_its_cause(
    path: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that leads nowhere is reported with its line of the registry and the cause."""
    monkeypatch.setitem(REGISTRY, "penguin", path)

    with pytest.raises(AdapterError) as error:
        adapter_class("penguin")

    assert str(error.value).startswith(
        f'adapters/__init__.py, REGISTRY, "penguin": "{path}": expected a class at '
        f"`module:class`, got {cause}"
    )


def test_path_outside_of_the_registry_is_named_itself() -> None:
    """A path outside of the registry is reported by itself."""
    with pytest.raises(AdapterError, match=r"^nowhere:Nothing: expected a class at `module:class`"):
        load_adapter("nowhere:Nothing")


def test_unknown_adapter_is_told_the_known_ones() -> None:
    """An unknown adapter is refused with the known ones, in the registry's order."""
    with pytest.raises(AdapterError) as error:
        adapter_class("mlx_whisper")

    known = ", ".join(REGISTRY)
    assert known.startswith("lightning-whisper-mlx, mlx-whisper, faster-whisper, ")
    assert str(error.value) == f"'mlx_whisper' is no adapter; expected one of {known}"


def test_cases_are_all_of_the_check_maps_in_order(
    register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cases are those of all check maps, in the order of the registry and of each map."""
    monkeypatch.setattr(adapters, "REGISTRY", {"newcomer": register(ParrotAdapter)})

    assert all_cases() == [Case("newcomer", "micro", "fp16"), Case("newcomer", "tiny", "fp16")]


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (
            "newcomer",
            (
                "newcomer is not installed; "
                "pip install --no-deps --require-hashes -r requirements/newcomer.txt"
            ),
        ),
        (
            "numpy",
            (
                "newcomer needs numpy, which is not installed; "
                "pip install --no-deps --require-hashes -r requirements/newcomer.txt"
            ),
        ),
        (
            "torch",
            (
                "newcomer needs torch, which is not installed; "
                "see Libraries that run on PyTorch in docs/recipes.md"
            ),
        ),
        (
            "tqdm",
            (
                "newcomer needs tqdm, which is not installed; "
                "pip install --no-deps --require-hashes -r requirements/newcomer.txt"
            ),
        ),
        (
            "newcomer tqdm",
            (
                "newcomer is not installed; "
                "pip install --no-deps --require-hashes -r requirements/newcomer.txt"
            ),
        ),
        ("", ""),
    ],
)
def test_missing_package_is_named_with_what_would_help(
    missing: str, reason: str, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing package is reported with the command or page that helps.

    Of several it is the first, so the library where that is among them.
    """
    register(variant_of_parrot(packages=("newcomer", "numpy", "torch", "tqdm")))

    def distribution(name: str) -> None:
        if name in missing.split():
            raise PackageNotFoundError(name)

    monkeypatch.setattr(adapters, "distribution", distribution)
    missing_packages.cache_clear()

    assert why_not_installed("newcomer") == reason
    missing_packages.cache_clear()


@pytest.mark.parametrize("in_venv", [True, False], ids=["in .venv", "elsewhere"])
@pytest.mark.parametrize(
    ("missing", "command"),
    [
        (
            {"b": ("b",), "c": ("c", "tiktoken")},
            (
                "@pip install -qq --no-deps --require-hashes -r requirements/b.txt "
                "-r requirements/c.txt"
            ),
        ),
        (
            {"a": ("a", "torch"), "b": ("b",), "c": ("torch",)},
            (
                "@pip install -qq --no-deps --require-hashes -r requirements/a.txt "
                "-r requirements/b.txt && @python requirements/get_torch.py a c"
            ),
        ),
        ({"c": ("torch",)}, "@python requirements/get_torch.py c"),
        ({}, ""),
    ],
    ids=["libraries", "libraries and torch", "torch alone", "nothing"],
)
def test_command_installs_all_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
    in_venv: bool,
    missing: dict[str, tuple[str, ...]],
    command: str,
) -> None:
    """One command installs all that is missing: one lock for each library, then PyTorch."""
    monkeypatch.setattr(adapters, "missing_packages", missing.__getitem__)
    monkeypatch.setattr(sys, "prefix", str(ROOT / (".venv" if in_venv else "venv")))

    expected = command.replace("@", ".venv/bin/" if in_venv else "")
    assert install_command(list(missing)) == expected


# Adapters that cannot be used


@pytest.fixture(name="broken")
def _broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, register: Any) -> Any:
    """A function that registers a module of this source as `broken`, beside `newcomer`."""
    register(ParrotAdapter)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(adapters, "_HARM", {})
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))

    def broken(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        registry = {"broken": f"{name}:Broken", "newcomer": "newcomer:Newcomer"}
        monkeypatch.setattr(adapters, "REGISTRY", registry)

    return broken


@pytest.mark.parametrize("error", ["SystemExit", "GeneratorExit", "NameError", "AdapterError"])
def test_whatever_a_module_raises_is_the_reason(error: str, broken: Any) -> None:
    """Whatever a module raises is reported as the reason, and the module is imported once."""
    broken(
        f"raises_{error}",
        f"from adapters.base import AdapterError\nimport sys\n"
        f"sys.imports_of_{error} = getattr(sys, 'imports_of_{error}', 0) + 1\n"
        f"raise {error}('not today')\n",
    )

    for _ in range(3):
        with pytest.raises(AdapterError) as raised:
            adapter_class("broken")

        assert str(raised.value) == (
            f'adapters/__init__.py, REGISTRY, "broken": "raises_{error}:Broken": '
            f"expected a class at `module:class`, got {error}: not today; mend this entry, or what "
            "it names"
        )
    assert getattr(sys, f"imports_of_{error}") == 1


def test_interrupt_during_an_import_is_the_users(broken: Any) -> None:
    """An interrupt during an adapter's import is raised, and is no fault of the adapter's."""
    broken("interrupted", "raise KeyboardInterrupt\n")

    with pytest.raises(KeyboardInterrupt):
        adapter_class("broken")


def test_others_go_on_without_a_broken_adapter(broken: Any) -> None:
    """Other adapters go on without a broken one, which has no cases."""
    broken("has_no_class", "")

    assert valid_adapters() == ["newcomer"]
    assert why_invalid("newcomer") == ""
    assert "got AttributeError: module 'has_no_class'" in why_invalid("broken")
    assert {case.adapter for case in all_cases()} == {"newcomer"}
    for ask in (why_not_installed, adapter_class):
        with pytest.raises(AdapterError, match="has_no_class"):
            ask("broken")


def test_unusable_is_another_thing_than_not_installed(broken: Any, register: Any) -> None:
    """An adapter whose library is not installed is valid, and a broken one is not."""
    broken("has_no_class", "")
    register(variant_of_parrot(packages=("no-such-package",)))

    assert valid_adapters() == ["newcomer"]


def test_harm_is_told_and_not_met_again(broken: Any) -> None:
    """A module that would end its process is reported with that, and not imported again."""
    broken("ends_all", "import os\nos._exit(7)\n")

    try_registry()

    reason = "expected a class at `module:class`, got SystemExit: os._exit(7)"
    with pytest.raises(AdapterError) as error:
        adapter_class("broken")
    assert str(error.value).startswith(
        f'adapters/__init__.py, REGISTRY, "broken": "ends_all:Broken": {reason}'
    )
    with pytest.raises(ImportError, match=f"^ends_all is not imported again: {re.escape(reason)}"):
        import_module("ends_all")
    assert valid_adapters() == ["newcomer"]


def test_registry_without_harm_changes_nothing(broken: Any) -> None:
    """A trial of the registry without harm leaves imports as they are."""
    broken("has_no_class", "")
    finders = list(sys.meta_path)

    try_registry()

    assert sys.meta_path == finders
    assert why_invalid("newcomer") == ""
