"""`--head-to-head` and `--against` compare each case with another side; also `--fail-slower`.

The other side is the case of --baseline, or the same case in another checkout of this suite. The
test that times warm calls of a case then measures their ratio in turns with the other side, under
the same id. All other tests are left out. If both sides are of one case, their model files must be
the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters import all_cases, files_of
from fixtures.audio import clips
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.session.choice.keywords import is_selected
from whisper_speedtest.session.choice.options import (
    UNDECIDED,
    given,
    is_head_to_head,
    minutes_of,
    rules_of,
)
from whisper_speedtest.session.choice.selection import (
    BASELINE,
    case_of,
    deselect,
    measure_of,
    parameters_of,
)
from whisper_speedtest.session.device import choose_device
from whisper_speedtest.session.ending import fail
from whisper_speedtest.session.fixtures import STARTED_WITH, samples_of
from whisper_speedtest.session.models.prefetch import session_model
from whisper_speedtest.session.other_side import OtherSide, baseline_case, other_checkout
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS
from whisper_speedtest.session.skips import NotMeasured
from whisper_speedtest.session.terminal.display_plugin import display_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapters.base import Case, DecodeSettings, Device, ModelFiles
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.engine.pool import EnginePool
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.measure.turns import RunningComparison
    from whisper_speedtest.session.choice.values import Shard
    from whisper_speedtest.speech.clip import Clip

USUAL_CLIP = "short"
"""The clip that is compared on, unless the user names others."""

OF_SINGLE_CASES = tuple(
    "--resume --corpus --cold-files --pause --processes --calls --budget".split()
)
"""Options of sessions that time each case by itself. A comparison has its own measure, number of
calls and limit, --minutes."""

JOURNAL = ".jsonl"
"""The suffix of a journal, which --baseline may also name."""


OTHER_SIDE = pytest.StashKey[OtherSide]()


class SlowerError(AssertionError):
    """We are slower than the other side, by more than the user allows."""


class RefusedError(AssertionError):
    """The two sides must not be compared."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Find the other side, and refuse options that do not go with it."""
    baseline, against = config.getoption("baseline"), config.getoption("against")
    if not is_head_to_head(config):
        _refuse_without_other_side(config, baseline)
        return
    if bool(baseline) == bool(against):
        got = "both" if baseline else "neither"
        raise pytest.UsageError(
            "--head-to-head: expected another side, which is either --baseline=CASE or "
            f"--against=DIR[:PYTHON], got {got}"
        )
    if found := ", ".join(given(config, OF_SINGLE_CASES)):
        raise pytest.UsageError(
            f"{found}: expected a session that times cases by themselves, got one that lets them "
            f"take turns with another side; leave {found} out"
        )
    if baseline:
        from whisper_speedtest.engine.checkout import OWN

        config.stash[BASELINE] = baseline_case(baseline)
        config.stash[OTHER_SIDE] = OtherSide(baseline, OWN)
    else:
        here = config.invocation_params.dir
        config.stash[OTHER_SIDE] = other_checkout(against, here)


def _refuse_without_other_side(config: pytest.Config, baseline: str | None) -> None:
    """Refuse options that make no sense without another side."""
    if baseline and not baseline.endswith(JOURNAL):
        raise pytest.UsageError(
            f"--baseline: expected a journal, as its name ends in {JOURNAL}, got {baseline}; add "
            "--head-to-head to take turns with that case"
        )
    if given(config, ["--minutes"]):
        raise pytest.UsageError(
            "--minutes: expected --head-to-head or --against, whose comparisons it limits, got "
            "neither; leave it out"
        )
    fails_slower = config.getoption("fail_slower") is not None
    if fails_slower and baseline is None:
        raise pytest.UsageError(
            "--fail-slower: expected another side, which is --head-to-head with --baseline=CASE, "
            f"--against=DIR, or a journal by --baseline=FILE{JOURNAL}, got none"
        )
    if baseline is not None and not fails_slower:
        raise pytest.UsageError(
            "--baseline: expected --fail-slower=PERCENT beside a journal, got none"
        )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that compare nothing, and clips that are neither USUAL_CLIP nor named."""
    other_side = config.stash.get(OTHER_SIDE, None)
    if other_side is None:
        return
    named = names_a_clip(config)
    baseline = config.stash.get(BASELINE, None)

    def is_compared(item: pytest.Item) -> bool:
        case = case_of(item)
        compares = measure_of(item) is Measure.RATIO and (case is None or case != baseline)
        return compares and (named or case is None or _clip_of(item) == USUAL_CLIP)

    other_side.left_out = len(deselect(config, items, is_compared))
    shard: Shard | None = config.getoption("shard")
    of_this_part = [
        case for case in other_side.checkout.entries if shard is None or shard.has(str(case))
    ]
    other_side.lost = lost(other_side.name, of_this_part, all_cases(), config.getoption("keyword"))


def _clip_of(item: pytest.Item) -> str:
    """Return the name of a test's clip; "" if it has none."""
    assert isinstance(item, pytest.Function)
    clip = parameters_of(item).clip
    return clip.name if clip else ""


def names_a_clip(config: pytest.Config) -> bool:
    """Tell whether the user names a clip, by -k, -m, a test's id or --audio."""
    ids = [argument.partition("::")[2] for argument in config.args]
    texts = [config.getoption("keyword"), config.getoption("markexpr"), *ids]
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    return bool(words & {*clips(), "own"} or config.getoption("audio"))


def lost(name: str, theirs: Iterable[Case], ours: Sequence[Case], keyword: str) -> list[str]:
    """Return a line for each case, selected by -k, that the other side has and we lack."""
    known = set(ours)
    return [
        f"{case}: {name} measures this case, and this checkout has none of that name; put it back, "
        "or leave it out with -k"
        for case in theirs
        if case not in known
        and any(is_selected(f"test_transcribe[{case}-{clip}]", keyword) for clip in clips())
    ]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say what is compared, and how many selected tests compare nothing."""
    other_side = config.stash.get(OTHER_SIDE, None)
    if other_side is None:
        return []
    line = f"head to head: against {other_side.name}"
    if other_side.is_ours:
        line += ", which is the same code in the same interpreter: any difference is chance"
    if count := other_side.left_out:
        tests = "1 test is" if count == 1 else f"{count} tests are"
        line += (
            f"; {tests} left out, as only test_transcribe compares, by default on {USUAL_CLIP}, "
            "and no case with itself"
        )
    return [line]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Compare the case with the other side instead of running the test's own function."""
    other_side = pyfuncitem.config.stash.get(OTHER_SIDE, None)
    if other_side is None or measure_of(pyfuncitem) is not Measure.RATIO:
        return None
    _run(pyfuncitem, other_side)
    return True


def _run(item: pytest.Function, other_side: OtherSide) -> None:
    """Compare a case with the other side, record that, and judge the transcripts of both."""
    from whisper_speedtest.measure.judging import WrongTranscriptError, judge
    from whisper_speedtest.measure.turns import Sides, compare

    config, fixtures = item.config, cast("dict[str, Any]", item.funcargs)
    record: Recorder = fixtures["record"]
    case: Case = fixtures["case"]
    model: VerifiedModel = fixtures["model"]
    clip: Clip = fixtures["clip"]
    settings: DecodeSettings = fixtures["settings"]
    other = config.stash.get(BASELINE, case)
    other_model = _model_of(config, other_side, case, model, other)
    device: Device = fixtures["device"]
    other_device = device if other == case else choose_device(config, other, other_model)
    pool: EnginePool = fixtures["pool"]
    limit: float | None = config.getoption("fail_slower")
    first_clip = clips()[STARTED_WITH]

    def baseline() -> Engine:
        return pool.new(other, other_model, other_device, settings.threads, other_side.checkout)

    sides = Sides(
        ours=lambda: pool.new(case, model, device, settings.threads),
        baseline=baseline,
        first_clip=first_clip,
        first_audio=samples_of(first_clip),
        clip=clip,
        audio=fixtures["audio"],
        settings=settings,
    )
    found = compare(
        sides,
        rules_of(config),
        limit=limit or 0.0,
        minutes=minutes_of(config),
        seed=item.name,
        listener=display_of(config),
    )
    record.compared(found, clip, other_side.name, other_side.code, limit)
    judge(case, clip, settings, found.transcripts, record.provenance)
    comparison = record.result.comparison
    assert comparison is not None
    side = comparison.baseline
    try:
        judge(other, clip, settings, found.baseline_transcripts, side.provenance)
    except WrongTranscriptError as error:
        raise WrongTranscriptError(f"the other side, {other_side.name}: {error}") from None
    if limit is not None and comparison.verdict is Verdict.SLOWER:
        raise SlowerError(f"{case.label} on {clip.name}: {_slower(found, other_side.name, limit)}")


def _slower(found: RunningComparison, name: str, limit: float) -> str:
    """Return how much slower we are than the other side, and than what is allowed."""
    ratio = found.ratio
    return (
        f"expected at most {limit:.1%} slower than {name}, got {ratio.ratio - 1:.1%} "
        f"({ratio.low - 1:.1%} to {ratio.high - 1:.1%}, {len(found.blocks)} blocks)"
    )


def _model_of(
    config: pytest.Config, other_side: OtherSide, case: Case, model: VerifiedModel, other: Case
) -> VerifiedModel:
    """Return the other side's verified model, which is ours if both sides are of one case.

    Raises:
        NotMeasured: The model cannot be had, or the other side lacks the case or the library.
        RefusedError: The other checkout checks other files for this case.
    """
    from whisper_speedtest.cache.model import Unavailable

    if other != case:
        try:
            return session_model(config, files_of(other))
        except Unavailable as error:
            raise NotMeasured(case, f"the other side: {error}") from None
    checkout = other_side.checkout
    if why := checkout.not_installed.get(case.adapter):
        raise NotMeasured(case, f"{other_side.name}, in its interpreter: {why}")
    if case not in checkout.entries:
        raise NotMeasured(case, f"{other_side.name} has no such case")
    ours, theirs = files_of(case), checkout.entries[case].files
    if ours != theirs:
        raise RefusedError(
            f"{case.label}: expected the same model bytes on both sides, got {_files(theirs)} of "
            f"{other_side.name} and {_files(ours)} here, which are not compared; let both check "
            "maps name the same repo, revision and files"
        )
    return model


def _files(files: ModelFiles) -> str:
    """Return a model's repo, revision and files, for messages."""
    return f"{files} ({', '.join(files.files)})"


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Add the cases that the other side has and we lack to the closing summary."""
    if other_side := config.stash.get(OTHER_SIDE, None):
        config.stash[LEFT_OUT] |= dict.fromkeys(other_side.lost, Outcome.FAILED)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Set exit status 1 if a case is lost, and UNDECIDED if a comparison is undecided."""
    other_side = session.config.stash.get(OTHER_SIDE, None)
    if other_side is None or session.config.getoption("collectonly"):
        return
    has_passed = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    if other_side.lost:
        fail(session)
    elif has_passed and session.config.getoption("fail_slower") is not None:
        comparisons = [result.comparison for result in session.config.stash[RESULTS]]
        if any(each and each.verdict is Verdict.UNDECIDED for each in comparisons):
            session.exitstatus = UNDECIDED
