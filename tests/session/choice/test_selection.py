"""Which tests there are: their ids are stored keys, so they are held to a stored list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest

from adapters import REGISTRY, adapter_class, all_cases, why_invalid
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.fake_session import FakeSession
from tests.helpers.project import ROOT
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.session import gpu
from whisper_speedtest.session.choice import selection
from whisper_speedtest.session.choice.defaults import is_default, is_kept, user_selects
from whisper_speedtest.session.choice.options import BY_DEFAULT, rules_of
from whisper_speedtest.session.choice.selection import (
    ENGLISH_CLIPS,
    Selected,
    is_wanted,
    select,
    sort,
    suits,
)
from whisper_speedtest.speech.clip import OWN_ORIGIN
from whisper_speedtest.speech.corpus import Corpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STORED = Path(__file__).with_name("stored_ids.txt")
MICRO, TINY = (Case("faster-whisper", size, "fp16") for size in ("micro", "tiny"))
BATCHLESS = Case("whisper.cpp", "tiny", "fp16")


def benchmarks() -> Iterator[tuple[str, pytest.Mark]]:
    """Yield each benchmark's name with its marker `over`."""
    for path in sorted((ROOT / "benchmarks").glob("test_*.py")):
        module = import_module(f"benchmarks.{path.stem}")
        for name, test in vars(module).items():
            for mark in getattr(test, "pytestmark", []):
                if name.startswith("test_") and mark.name == "over":
                    yield name, mark


def over(*names: str, **options: object) -> pytest.Mark:
    """Return a marker `over`."""
    return pytest.mark.over(*names, measure=Measure.WARM, **options).mark


def keys(marker: pytest.Mark, *cases: Case, own: str = "") -> list[str]:
    """Return the bracketed part of the ids of a test with this marker."""
    recordings = [replace(clips()["human"], name=own, origin=OWN_ORIGIN)] if own else []
    return [each.key for each in select(marker, cases, clips(), recordings)]


def test_ids_are_the_stored_ones() -> None:
    """With every library installed, the ids of all benchmarks are those of the stored list.

    Runs are compared by these ids: under another one, a slow-down goes unnoticed.
    """
    ids = {
        f"{name}[{each.key}]"
        for name, marker in benchmarks()
        for each in select(marker, all_cases(), clips())
    }
    stored = set(STORED.read_text(encoding="utf-8").splitlines())
    # A library that was added since then has no id in the list, and nothing to be compared with.
    ids -= {
        each
        for each in ids
        for name in REGISTRY
        if f"[{name}-" in each and not any(f"[{name}-" in known for known in stored)
    }

    # What an adapter that cannot be used would have is unknown; tests/adapters/ says why it cannot.
    broken = filter(why_invalid, REGISTRY)
    stored -= {known for name in broken for known in stored if f"[{name}-" in known}

    new, gone = sorted(ids - stored), sorted(stored - ids)
    assert new + gone == [], (
        f"{len(new)} ids are not in {STORED.relative_to(ROOT)} ({new[:3]}), {len(gone)} of it are "
        f"no longer there ({gone[:3]}); if that is meant, edit the list, and say so under Results "
        "affected in CHANGELOG.md"
    )


def wrong_measures(marked: Iterable[tuple[str, pytest.Mark]]) -> list[str]:
    """Return a line for each measure that has not one benchmark, with the file to edit.

    Ratios have none, as the tests of warm models turn to them.
    """
    names: dict[Measure, list[str]] = {measure: [] for measure in Measure}
    for name, mark in marked:
        names[Measure(mark.kwargs["measure"])].append(name)
    wrong = []
    for measure, found in names.items():
        subject, got = f"Measure.{measure.name}", " and ".join(found)
        if measure is Measure.RATIO and found:
            wrong.append(f"{subject}: expected no benchmark, got {got}; change its mark `over`")
        elif measure is not Measure.RATIO and not found:
            wrong.append(
                f"{subject}: expected a benchmark with the mark `over(..., measure={subject})`, "
                f"got none; add it in benchmarks/test_{measure.name.lower()}.py, or take the "
                "measure out of whisper_speedtest/measure/measures.py"
            )
        elif len(found) > 1:
            wrong.append(f"{subject}: expected one benchmark, got {got}; change a mark `over`")
    return wrong


def test_every_measure_has_its_benchmark() -> None:
    """Each measure but the ratio of two sides has exactly one benchmark."""
    wrong = wrong_measures(benchmarks())

    assert not wrong, "\n".join(["benchmarks/ and its measures:", *wrong])


def test_measure_without_one_benchmark_is_named_with_the_file() -> None:
    """A measure with no benchmark, two, or one that it must not have is named with the file."""
    marked = [each for each in benchmarks() if each[1].kwargs["measure"] is not Measure.LOAD]
    again, ratio = (pytest.mark.over(measure=each).mark for each in (Measure.COLD, Measure.RATIO))

    twice, missing, turned = wrong_measures([*marked, ("test_a", again), ("test_b", ratio)])

    assert twice.startswith("Measure.COLD: expected one benchmark, got test_cold_start_and_memory")
    assert missing == (
        "Measure.LOAD: expected a benchmark with the mark `over(..., measure=Measure.LOAD)`, got "
        "none; add it in benchmarks/test_load.py, or take the measure out of "
        "whisper_speedtest/measure/measures.py"
    )
    assert turned == "Measure.RATIO: expected no benchmark, got test_b; change its mark `over`"


def test_id_names_case_clip_and_batch_size() -> None:
    """A test's id has its case, clip and batch size in this order, joined by hyphens."""
    clip = clips()["short"]

    assert Selected(TINY).key == "faster-whisper-tiny-fp16"
    assert Selected(TINY, clip).key == "faster-whisper-tiny-fp16-short"
    assert Selected(TINY, clip, 6).key == "faster-whisper-tiny-fp16-short-batch6"


def test_cases_come_in_their_order_with_every_clip_and_batch_size() -> None:
    """Cases come in their order, each with every clip and, within it, every batch size."""
    assert keys(over("short", "long", batches=True), TINY, BATCHLESS) == [
        *(f"faster-whisper-tiny-fp16-short-batch{size}" for size in (1, 6, 12, 24)),
        *(f"faster-whisper-tiny-fp16-long-batch{size}" for size in (1, 6, 12, 24)),
        "whisper.cpp-tiny-fp16-short-batch1",
        "whisper.cpp-tiny-fp16-long-batch1",
    ]


def test_test_without_clips_runs_once_a_case() -> None:
    """A test without clips runs once a case, whatever recordings the user has."""
    assert keys(over(own=True), TINY, MICRO, own="mine") == [
        "faster-whisper-tiny-fp16",
        "faster-whisper-micro-fp16",
    ]


def test_own_recordings_join_the_tests_that_take_them() -> None:
    """Own recordings follow the project's clips in the tests that take them, for micro as well."""
    assert keys(over("short", own=True), MICRO, own="mine") == [
        "faster-whisper-micro-fp16-short",
        "faster-whisper-micro-fp16-mine",
    ]
    assert keys(over("short"), MICRO, own="mine") == ["faster-whisper-micro-fp16-short"]


@dataclass
class Config:
    """The config of a session with these options, of which none is given unless it is here."""

    device: str = "auto"
    keyword: str = ""
    markexpr: str = ""
    lf: bool = False
    max_download: int | None = None
    language: str | None = None
    corpus: Sequence[Path] = ()
    args: Sequence[str] = ("benchmarks", "benchmarks/test_start.py")
    pause: float | None = None
    cold_files: bool = False
    processes: int | None = None
    calls: int | None = None
    budget: float | None = None
    max_others: float | None = 0.1

    def getoption(self, name: str, default: object = None) -> object:
        """Return the option's value."""
        return getattr(self, name, default)


@pytest.mark.parametrize(
    ("has_gpu", "config", "wanted"),
    [
        (True, Config(), True),
        (True, Config("gpu"), True),
        (True, Config("cpu"), False),
        (True, Config(pause=0.0), False),
        (False, Config(), False),
        (False, Config(pause=2.0), True),
        (True, Config("cpu", pause=2.0), True),
        (False, Config(pause=0.0), False),
    ],
)
def test_calls_after_a_pause_are_for_gpus_and_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, *, has_gpu: bool, config: Config, wanted: bool
) -> None:
    """Calls after a pause are measured if there may be a GPU, or if the user chooses a pause."""
    monkeypatch.setattr(gpu, "may_have_gpu", lambda: has_gpu)

    assert is_wanted(Measure.AFTER_PAUSE, cast("pytest.Config", config)) is wanted


def test_cold_files_are_for_who_asks() -> None:
    """Starts with cold files are measured only if the user asks for them."""
    plain, asked = (cast("pytest.Config", Config(cold_files=asked)) for asked in (False, True))

    assert not is_wanted(Measure.COLD_FILES, plain)
    assert is_wanted(Measure.COLD_FILES, asked)
    others = {*Measure} - {Measure.COLD_FILES, Measure.AFTER_PAUSE, Measure.CORPUS}
    assert all(is_wanted(measure, plain) for measure in others)


@pytest.mark.parametrize(
    ("measure", "config", "longer"),
    [
        (Measure.WARM, Config(pause=7.0), 0),
        (Measure.AFTER_PAUSE, Config(pause=7.0), 7),
        (Measure.AFTER_PAUSE, Config(), 5),
    ],
)
def test_limit_of_a_test_has_room_for_its_pauses(
    measure: Measure, config: Config, longer: int
) -> None:
    """The time limit of a test after a pause has room for a pause before each of 93 calls."""
    made: list[tuple[Any, ...]] = []
    metafunc = SimpleNamespace(
        definition=SimpleNamespace(
            get_closest_marker=lambda _: pytest.mark.over("short", measure=measure).mark
        ),
        config=config,
        parametrize=lambda *arguments, **_: made.append(arguments),
    )

    selection.parametrize(cast("pytest.Metafunc", metafunc), clips(), [], [])

    first = next(item for item in made[0][1] if item.id == "lightning-whisper-mlx-micro-fp16-short")
    (limit,) = (mark.args[0] for mark in first.marks if mark.name == "timeout")
    assert limit == 3 * 240 + 93 * (240 + longer)


def test_embedded_model_is_not_measured_on_a_human_voice() -> None:
    """Micro is not measured on a human voice, unless the voice is the user's own recording."""
    human, synthetic = clips()["human"], clips()["short"]

    assert not suits(MICRO, human)
    assert suits(MICRO, synthetic)
    assert suits(TINY, human)
    assert suits(TINY, synthetic)
    assert suits(MICRO, replace(human, origin=OWN_ORIGIN))


# Corpora and languages


def corpus(name: str = "talks", language: str = "en") -> Corpus:
    """Return a corpus of two clips, of 3.73 s and 6.665 s."""
    return Corpus(
        name=name,
        folder=Path("/corpora") / name,
        language=language,
        clips=(clips()["short"], clips()["human"]),
        sha256="ab" * 32,
        stamps={},
    )


OWN = replace(clips()["human"], name="memo", origin=OWN_ORIGIN)


def test_corpus_is_one_item_of_each_case() -> None:
    """A corpus is one test of each case, whatever is in it; without a corpus there is none."""
    marker = pytest.mark.over(measure=Measure.CORPUS, corpora=True).mark
    corpora = [corpus("talks"), corpus("calls")]

    found = list(select(marker, [TINY, MICRO], clips(), [OWN], corpora))

    assert [each.key for each in found] == [
        "faster-whisper-tiny-fp16-talks",
        "faster-whisper-tiny-fp16-calls",
        "faster-whisper-micro-fp16-talks",
        "faster-whisper-micro-fp16-calls",
    ]
    assert [each.corpus for each in found] == corpora * 2
    assert not list(select(marker, [TINY], clips(), [OWN]))
    assert keys(over("short"), TINY) == ["faster-whisper-tiny-fp16-short"]


def test_what_is_transcribed_is_a_clip_or_a_corpus() -> None:
    """What a test transcribes is a clip or a corpus, and a corpus is always the user's own."""
    talks = corpus()

    assert Selected(TINY).audio is None
    assert Selected(TINY, OWN).audio is OWN
    assert Selected(TINY, corpus=talks).audio is talks
    own = [Selected(TINY), Selected(TINY, clips()["human"]), Selected(TINY, OWN)]
    assert [each.is_own for each in own] == [False, False, True]
    assert Selected(TINY, corpus=talks).is_own


def test_limit_of_a_corpus_goes_by_all_its_clips() -> None:
    """The time limit of a corpus is a sum over its clips: a long one adds more than a brief one."""
    long = replace(clips()["human"], seconds=1200.0)
    talks = replace(corpus(), clips=(clips()["short"], long))
    config, rules = cast("pytest.Config", Config()), Rules()

    assert Selected(MICRO, corpus=talks).time_limit(config, rules) == 2 * 240 + 240 + 2400
    assert Selected(MICRO, long).time_limit(config, rules) == rules.test_limit(MICRO, 1200.0)


@pytest.mark.parametrize(
    ("selected", "chosen", "spoken"),
    [
        (Selected(TINY, clips()["short"]), "de", "en"),
        (Selected(TINY), "de", "en"),
        (Selected(TINY, OWN), "de", "de"),
        (Selected(TINY, OWN), None, "en"),
        (Selected(TINY, corpus=corpus(language="fr")), None, "fr"),
        (Selected(TINY, corpus=corpus(language="fr")), "fr", "fr"),
    ],
    ids=["of-the-project", "none", "own", "own-unsaid", "corpus", "corpus-said"],
)
def test_language_is_that_of_what_is_transcribed(
    selected: Selected, chosen: str | None, spoken: str
) -> None:
    """A test is in English on the project's clips, or else as the manifest or the user says."""
    assert selected.language(chosen) == spoken


GERMAN = ENGLISH_CLIPS.format(code="de", name="German")
TINY_EN = Case("faster-whisper", "tiny.en", "fp16")
NO_GERMAN = "tiny.en knows English alone, and no German"


@pytest.mark.parametrize(
    ("selected", "measure", "chosen", "why"),
    [
        (Selected(TINY, clips()["short"]), Measure.WARM, None, ""),
        (Selected(TINY, clips()["short"]), Measure.WARM, "en", ""),
        (Selected(TINY, clips()["short"]), Measure.WARM, "de", GERMAN),
        (Selected(TINY_EN, clips()["short"]), Measure.WARM, "de", GERMAN),
        (Selected(TINY, clips()["short"]), Measure.COLD, "de", ""),
        (Selected(TINY), Measure.LOAD, "de", ""),
        (Selected(TINY_EN), Measure.LOAD, "de", NO_GERMAN),
        (Selected(TINY_EN), Measure.LOAD, None, ""),
        (Selected(TINY, OWN), Measure.WARM, "de", ""),
        (Selected(TINY_EN, OWN), Measure.WARM, "de", NO_GERMAN),
        (Selected(TINY_EN, OWN), Measure.WARM, None, ""),
        (Selected(TINY_EN, corpus=corpus(language="de")), Measure.CORPUS, None, NO_GERMAN),
        (Selected(TINY, corpus=corpus(language="de")), Measure.CORPUS, None, ""),
        (Selected(TINY_EN, corpus=corpus()), Measure.CORPUS, None, ""),
    ],
)
def test_what_is_in_another_language_is_left_out_with_the_reason(
    selected: Selected, measure: Measure, chosen: str | None, why: str
) -> None:
    """A test is skipped if its clip or its model is English alone and another language is chosen.

    The cold start is measured in any language that its model knows.
    """
    assert selected.why_skipped(measure, chosen) == why


def test_library_that_recommends_no_settings_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A library that recommends no settings is skipped where recommended settings are measured."""
    selected = Selected(TINY, clips()["long"])
    recommended = selected.why_skipped(Measure.TUNED, None)
    monkeypatch.setattr(adapter_class(TINY.adapter), "tuned", {})

    assert recommended == ""
    assert selected.why_skipped(Measure.TUNED, None) == (
        f"the documentation of {TINY.adapter} recommends no settings"
    )
    assert selected.why_skipped(Measure.WARM, None) == ""


# What a session has that selects nothing


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, False),
        ({"keyword": "medium"}, True),
        ({"markexpr": "tuned"}, True),
        ({"lf": True}, True),
        ({"max_download": 10**9}, True),
        ({"max_download": 0}, True),
        ({"args": ["benchmarks/test_start.py::test_load[a-medium-fp16]"]}, True),
        ({"args": ["benchmarks", "b.py::test_load"]}, True),
        ({"args": []}, False),
    ],
)
def test_user_selects_by_keyword_marker_id_last_failure_or_size(
    options: dict[str, Any], chosen: bool
) -> None:
    """Keyword, marker, id, last failures and a size to download choose models; a path does not."""
    assert user_selects(cast("pytest.Config", Config(**options))) is chosen


def test_default_is_fp16_of_the_sizes_that_a_quarter_of_an_hour_is_enough_for() -> None:
    """The default is fp16 of micro, tiny, base and small, for every library."""
    sizes = ("micro", "tiny", "base", "small")
    expected = [case for case in all_cases() if case.size in sizes and case.variant == "fp16"]

    assert list(filter(is_default, all_cases())) == expected
    assert {case.adapter for case in expected} == {case.adapter for case in all_cases()}


def test_default_is_named_in_the_help_as_it_is() -> None:
    """The help names the default as fp16 of micro, tiny, base and small."""
    assert BY_DEFAULT == "fp16 of micro, tiny, base and small"


def listed(case: Case | None, measure: str, line: int = 1, index: int = 0) -> pytest.Item:
    """Return a test over a case, at a line of its file; or one over no case."""
    marks = {"over": pytest.mark.over("short", measure=measure).mark} if measure else {}
    item = Mock(spec=pytest.Function, nodeid=f"{case} {measure} {line} {index}")
    item.config = FakeSession()
    item.get_closest_marker = marks.get
    item.path = Path("benchmarks/test_a.py")
    item.function = SimpleNamespace(__code__=SimpleNamespace(co_firstlineno=line))
    item.callspec = SimpleNamespace(params={"case": case}, indices={"case": 0, "clip": index})
    return cast("pytest.Item", item)


def test_tests_of_one_case_stand_together_starts_first_and_cold_files_last() -> None:
    """The tests of a case stand together: its starts come first, those with cold files last.

    Tests over no case come before all, those that stand for a broken adapter after all.
    """
    one, two = all_cases()[:2]
    ordered = [
        listed(None, ""),
        listed(one, "load", 9),
        listed(one, "warm", 3, 0),
        listed(one, "warm", 3, 1),
        listed(one, "tuned", 5),
        listed(one, "cold files", 1),
        listed(two, "cold", 9),
        listed(two, "warm", 3),
        listed(None, "warm", 1),
    ]
    items = Random(3).sample(ordered, len(ordered))
    assert items != ordered

    sort(items)

    assert [each.nodeid for each in items] == [each.nodeid for each in ordered]


def test_session_that_selects_nothing_keeps_the_default_and_what_runs_over_no_case() -> None:
    """A session that selects nothing keeps the default and the tests over no case."""
    large = Case("faster-whisper", "large-v3", "fp16")
    items = [listed(None, ""), listed(large, "warm"), listed(TINY, "warm"), listed(large, "load")]

    assert list(filter(is_kept, items)) == [items[0], items[2]]


def test_library_is_told_batch_size_and_language_or_what_it_recommends() -> None:
    """A library is told batch size and language, or what it recommends where a test says so."""
    item: Any = listed(TINY, "warm")
    item.config = FakeSession(language=None)

    assert selection.settings_of(item) == DecodeSettings(language="en", batch_size=1)
    item.callspec.params["batch_size"] = 6
    assert selection.settings_of(item) == DecodeSettings(language="en", batch_size=6)
    item.get_closest_marker = {"tuned": pytest.mark.tuned.mark}.get
    tuned = adapter_class(TINY.adapter).tuned
    assert tuned
    assert selection.settings_of(item) == replace(DecodeSettings(language="en"), **tuned)


def test_baseline_is_needed_beside_each_case_that_takes_turns_with_it() -> None:
    """The models that are needed include that of the baseline, each with its start's time limit."""
    large = Case("faster-whisper", "large-v3", "fp16")
    item, plain = listed(TINY, "warm"), listed(MICRO, "load")
    item.config.stash[selection.BASELINE] = large

    needs = selection.needed([item, plain])

    rules = rules_of(item.config)
    assert needs == {case: rules.start_limit(case) for case in (TINY, large, MICRO)}
    assert needs[large] > needs[MICRO]


def test_limit_of_a_test_is_one_that_a_timer_takes() -> None:
    """A test's time limit is at most 1e9 s, which a timer takes, however long its pauses are."""
    made: list[tuple[Any, ...]] = []
    marker = pytest.mark.over("short", measure=Measure.AFTER_PAUSE).mark
    metafunc = SimpleNamespace(
        definition=SimpleNamespace(get_closest_marker=lambda _: marker),
        config=Config(pause=1e8),
        parametrize=lambda *arguments, **_: made.append(arguments),
    )

    selection.parametrize(cast("pytest.Metafunc", metafunc), clips(), [], [])

    limits = {mark.args[0] for item in made[0][1] for mark in item.marks if mark.name == "timeout"}
    assert limits == {1e9}


def test_reason_of_many_skips_is_told_once() -> None:
    """The reason that several tests are skipped for is told once."""
    marked = [
        ("warm", "not installed"),
        ("cold", "in German"),
        ("load", "not installed"),
        ("", "x"),
    ]
    items: list[Any] = []
    for measure, reason in marked:
        item: Any = listed(None, measure)
        marks = {
            "over": item.get_closest_marker("over"),
            "skip": pytest.mark.skip(reason=reason).mark,
        }
        item.get_closest_marker = marks.get
        items.append(item)

    assert selection.skip_reasons(items) == ["not installed", "in German"]
