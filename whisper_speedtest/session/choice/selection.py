"""Parametrises each benchmark over the cases, clips, batch sizes and corpora that suit it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters import (
    REGISTRY,
    adapter_class,
    all_cases,
    valid_adapters,
    why_invalid,
    why_not_installed,
)
from adapters.base import DecodeSettings
from whisper_speedtest.measure.judging import knows_voice, why_not_in
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.measure.protocol import PAUSES, batch_sizes
from whisper_speedtest.session import gpu
from whisper_speedtest.session.choice.options import (
    LONGEST_LIMIT,
    is_head_to_head,
    minutes_of,
    rules_of,
)
from whisper_speedtest.speech.languages import ENGLISH, LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from _pytest.mark import ParameterSet

    from adapters.base import Case
    from whisper_speedtest.measure.protocol import Rules
    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus

MARKERS = (
    (
        "over(*clips, measure, own=False, batches=False, corpora=False): run over every case, with "
        "each of the clips that suits it; own adds the recordings of --audio, batches each batch "
        "size of the library; corpora: with each corpus of --corpus"
    ),
    "unusable(adapter, reason): stands for all cases of an adapter that cannot be used, and fails",
    "tuned: the settings that each library's own documentation recommends",
    "own: a recording of the user's own, named with --audio",
)

ENGLISH_CLIPS = (
    "the project's clips are in English: with --language={code}, only recordings of --audio and "
    "--corpus are transcribed, in {name}"
)

NONE_RECOMMENDED = "the documentation of {name} recommends no settings"

BASELINE = pytest.StashKey["Case"]()
"""The case of --baseline, which each case is compared with."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What one item of a benchmark measures; the fields are the item's parameters."""

    case: Case
    clip: Clip | None = None
    batch_size: int | None = None
    corpus: Corpus | None = None

    @property
    def audio(self) -> Clip | Corpus | None:
        """What is transcribed: a clip, or all clips of a corpus."""
        return self.clip or self.corpus

    @property
    def is_own(self) -> bool:
        """Whether the clip or corpus is the user's own."""
        return self.corpus is not None or (self.clip is not None and self.clip.is_own)

    @property
    def key(self) -> str:
        """The part of the test's id in brackets; it is a stored key."""
        parts = [str(self.case)]
        if self.audio:
            parts.append(self.audio.name)
        if self.batch_size:
            parts.append(f"batch{self.batch_size}")
        return "-".join(parts)

    def time_limit(self, config: pytest.Config, rules: Rules, pause: float = 0.0) -> float:
        """Return the time limit of the item in seconds, by the session's rules.

        `pause` is how many seconds of idleness precede each call.
        """
        seconds = self.clip.seconds if self.clip else 0.0
        if self.corpus:
            return rules.corpus_limit(self.case, [clip.seconds for clip in self.corpus.clips])
        if is_head_to_head(config):
            sides = (self.case, config.stash.get(BASELINE, self.case))
            return rules.comparison_limit(sides, seconds, minutes_of(config))
        return rules.test_limit(self.case, seconds, pause)

    def language(self, chosen: str | None) -> str:
        """Return the language that is spoken in the audio; `chosen` is that of --language or None.

        --language is the language of the user's recordings. The project's clips are in English.
        """
        if self.corpus:
            return self.corpus.language
        return (chosen or ENGLISH) if self.is_own else ENGLISH

    def why_skipped(self, measure: Measure, chosen: str | None) -> str:
        """Return why the item is skipped, for its language or settings; "" if it is not.

        `chosen` is the language of --language, or None. A start is measured with a clip in English
        in any case, and is not skipped for the language. A test with recommended settings is
        skipped if the library's documentation recommends none.
        """
        if measure is Measure.TUNED and not adapter_class(self.case.adapter).tuned:
            return NONE_RECOMMENDED.format(name=self.case.adapter)
        wanted = self.language(chosen) if self.is_own else (chosen or ENGLISH)
        if wanted != ENGLISH and not self.is_own and not measure.of_a_start:
            return ENGLISH_CLIPS.format(code=wanted, name=LANGUAGES[wanted])
        return why_not_in(self.case, wanted)


def parameters_of(item: pytest.Function) -> Selected:
    """Return what an item of a test over cases is about, whatever else other plugins add to it."""
    params = cast("dict[str, Any]", item.callspec.params)
    names = [field.name for field in fields(Selected) if field.name in params]
    return Selected(**{name: params[name] for name in names})


def measure_of(item: pytest.Item) -> Measure | None:
    """Return what a test measures over the cases; None of any other test.

    Where cases take turns with another side, a test that times a warm model measures their ratio.
    """
    marker = item.get_closest_marker("over")
    if marker is None:
        return None
    measure = Measure(marker.kwargs["measure"])
    return Measure.RATIO if measure is Measure.WARM and is_head_to_head(item.config) else measure


def is_wanted(measure: Measure, config: pytest.Config) -> bool:
    """Tell whether a session collects tests of a measure; for some, the user has to ask.

    Calls after a pause are measured on GPUs, and on a CPU if the user asks for it. Whether there is
    a GPU at all is known at collection; whether a library uses it is known when its tests run.
    """
    if measure is Measure.COLD_FILES:
        return bool(config.getoption("cold_files"))
    if measure is Measure.CORPUS:
        return bool(config.getoption("corpus"))
    if measure is Measure.AFTER_PAUSE:
        on_gpu = config.getoption("device") != "cpu" and gpu.may_have_gpu()
        return rules_of(config).pause_on("gpu" if on_gpu else "cpu") > 0
    return True


def case_of(item: pytest.Item) -> Case | None:
    """Return the case that a test runs over; None of any other test.

    The test that stands for a library which is not installed, or for an adapter that cannot be
    used, runs over no case, and neither does one that is skipped from the beginning.
    """
    if not isinstance(item, pytest.Function) or measure_of(item) is None:
        return None
    if item.get_closest_marker("skip") or item.get_closest_marker("unusable"):
        return None
    return parameters_of(item).case


def deselect(
    config: pytest.Config, items: list[pytest.Item], keep: Callable[[pytest.Item], bool]
) -> list[pytest.Item]:
    """Remove the tests that are not to be kept from `items`; return them, after telling pytest."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        (kept if keep(item) else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = kept
    return left_out


def settings_of(item: pytest.Item) -> DecodeSettings:
    """Return the decode settings for a test over cases.

    They are the same for all libraries, besides the batch size and the language. For a test marked
    `tuned`, they are those that the library's own documentation recommends.
    """
    assert isinstance(item, pytest.Function)
    selected = parameters_of(item)
    asked = DecodeSettings(language=selected.language(item.config.getoption("language")))
    if item.get_closest_marker("tuned"):
        return replace(asked, **adapter_class(selected.case.adapter).tuned)
    return replace(asked, batch_size=selected.batch_size or 1)


def select(
    marker: pytest.Mark,
    cases: Sequence[Case],
    clips: Mapping[str, Clip],
    own: Sequence[Clip] = (),
    corpora: Sequence[Corpus] = (),
) -> Iterator[Selected]:
    """Yield what a test with the marker `over` runs over, in the order of the cases.

    If the marker names clips, each case is combined with each clip that suits it, and with the
    clips of `own` if the marker says so. With `batches`, each of these is combined with each batch
    size of the library. With `corpora`, each case is combined with each corpus.
    """
    if marker.kwargs.get("corpora"):
        for case, corpus in product(cases, corpora):
            yield Selected(case, corpus=corpus)
        return
    chosen = [clips[name] for name in marker.args]
    if marker.kwargs.get("own"):
        chosen += own
    for case in cases:
        suited = [clip for clip in chosen if suits(case, clip)] if marker.args else [None]
        sizes = batch_sizes(case) if marker.kwargs.get("batches") else [None]
        for clip, batch_size in product(suited, sizes):
            yield Selected(case, clip, batch_size)


def suits(case: Case, clip: Clip) -> bool:
    """Tell whether a case is measured on a clip: the embedded model understands no human voice.

    Every model transcribes the user's own recordings.
    """
    return clip.is_own or knows_voice(case, clip)


def parametrize(
    metafunc: pytest.Metafunc,
    clips: Mapping[str, Clip],
    own: Sequence[Clip],
    corpora: Sequence[Corpus],
) -> None:
    """Give a test marked `over` its items, with case, clip, batch size and corpus as parameters.

    A library that is not installed gets one item, which is skipped with the way to install it. An
    adapter that cannot be used also gets one item, the last one, which fails; its parameters are
    None.
    """
    marker = metafunc.definition.get_closest_marker("over")
    if marker is None:
        return
    varied = {
        "case": True,
        "clip": bool(marker.args),
        "batch_size": marker.kwargs.get("batches", False),
        "corpus": marker.kwargs.get("corpora", False),
    }
    names = [name for name, varies in varied.items() if varies]
    config = metafunc.config
    measure, language = Measure(marker.kwargs["measure"]), config.getoption("language")
    rules = rules_of(config)
    pause = max(map(rules.pause_on, PAUSES)) if measure is Measure.AFTER_PAUSE else 0.0
    installed = [case for case in all_cases() if not why_not_installed(case.adapter)]

    def parameters(selected: Selected, **named: Any) -> ParameterSet:
        values = [getattr(selected, name) for name in names]
        return pytest.param(*values, **named)

    def marks(selected: Selected) -> list[pytest.MarkDecorator]:
        found = []
        if rules.timeout is None:  # The mark would outrank a limit that the user has chosen.
            found.append(_limit(selected.time_limit(config, rules, pause)))
        if reason := selected.why_skipped(measure, language):
            found.append(pytest.mark.skip(reason=reason))
        if selected.clip and selected.clip.is_own:
            found.append(pytest.mark.own)
        return found

    items = [
        parameters(each, id=each.key, marks=marks(each))
        for each in select(marker, installed, clips, own, corpora)
    ]
    for adapter in filter(why_not_installed, valid_adapters()):
        of_adapter = [case for case in all_cases() if case.adapter == adapter]
        first = next(select(marker, of_adapter, clips, (), corpora))
        skip = pytest.mark.skip(reason=why_not_installed(adapter))
        items.append(parameters(first, id=adapter, marks=skip))
    for adapter in filter(why_invalid, REGISTRY):
        broken = pytest.mark.unusable(adapter=adapter, reason=why_invalid(adapter))
        items.append(pytest.param(*[None] * len(names), id=adapter, marks=broken))
    indirect = [name for name in names if name != "batch_size"]
    metafunc.parametrize(names, items, indirect=indirect, scope="session")


@cache
def _limit(seconds: float) -> pytest.MarkDecorator:
    """Return the mark that gives a test a time limit."""
    return pytest.mark.timeout(min(seconds, LONGEST_LIMIT))


def sort(items: list[pytest.Item]) -> None:
    """Group the tests by case, so that only one model at a time is in memory.

    In a case, tests of starts come first, as they leave an engine that other tests use; those with
    cold files come last, as they leave none. Tests over no case come before all cases, and tests
    that stand for an adapter that cannot be used come after them.
    """
    order: dict[Case | None, int] = {case: number for number, case in enumerate(all_cases())}
    order[None] = len(order)

    def place(item: pytest.Item) -> tuple[object, ...]:
        measure = measure_of(item)
        if measure is None or not isinstance(item, pytest.Function):
            return (-1,)
        line = item.function.__code__.co_firstlineno
        case = order[parameters_of(item).case]
        turn = 2 if measure is Measure.COLD_FILES else int(not measure.of_a_start)
        return case, turn, item.path, line, *item.callspec.indices.values()

    items.sort(key=place)


def needed(items: Sequence[pytest.Item]) -> dict[Case, float]:
    """Return each case that some tests run over → the seconds that one start of it may take.

    The case of --baseline is among them.
    """
    needs = {}
    for item in items:
        if case := case_of(item):
            for each in (case, item.config.stash.get(BASELINE, case)):
                needs[each] = rules_of(item.config).start_limit(each)
    return needs


def skip_reasons(items: Sequence[pytest.Item]) -> list[str]:
    """Return, each once, why some tests will be skipped, so that they need no models.

    Their library is not installed, or their model or clip is in another language.
    """
    marks = [item.get_closest_marker("skip") for item in items if measure_of(item)]
    return list(dict.fromkeys(mark.kwargs["reason"] for mark in marks if mark))


def unusable(items: Sequence[pytest.Item]) -> dict[str, str]:
    """Return each adapter that cannot be used, and has a test that says so → the reason."""
    marks = [item.get_closest_marker("unusable") for item in items]
    return {mark.kwargs["adapter"]: mark.kwargs["reason"] for mark in marks if mark}
