"""Cases that take turns with another side: what is selected, what is refused, how it ends."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from unittest.mock import Mock

import pytest

from adapters import files_of
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.comparisons import compared, comparison, turns
from tests.helpers.fake_session import FakeSession
from tests.helpers.loads import busy_machine
from tests.helpers.project import ROOT, edit
from tests.helpers.results import warm
from tests.helpers.sessions import Session, Sessions
from whisper_speedtest.engine import checkout
from whisper_speedtest.engine.checkout import OWN, Checkout, Entry
from whisper_speedtest.measure.comparing import blocks_of, ratio_of
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.turns import RunningComparison
from whisper_speedtest.results.journal.journal_file import read
from whisper_speedtest.session import head_to_head, other_side
from whisper_speedtest.session.choice.options import UNDECIDED
from whisper_speedtest.session.choice.selection import BASELINE, Selected, measure_of
from whisper_speedtest.session.choice.values import Shard
from whisper_speedtest.session.head_to_head import (
    OTHER_SIDE,
    RefusedError,
    SlowerError,
    lost,
    names_a_clip,
)
from whisper_speedtest.session.other_side import OtherSide, name_of, split
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS
from whisper_speedtest.session.skips import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whisper_speedtest.measure.result import Comparison, Result
    from whisper_speedtest.measure.turns import Sides
    from whisper_speedtest.speech.clip import Clip

CASE = Case("lightning-whisper-mlx", "micro", "fp16")
MICRO = "lightning-whisper-mlx-micro-fp16"


# The other side


def configured(**options: Any) -> FakeSession:
    """Return a session that was configured with these options."""
    session = FakeSession(**options)
    head_to_head.pytest_configure(session.as_config)
    return session


def test_baseline_is_a_case_by_its_name_in_ids() -> None:
    """A baseline is a case, by its name in ids, that runs in this checkout."""
    session = configured(head_to_head=True, baseline=MICRO)

    assert session.stash[BASELINE] == CASE
    assert session.stash[OTHER_SIDE] == OtherSide(MICRO, OWN)
    further = configured(head_to_head=True, baseline=MICRO, pause=0.0, minutes=2.0)
    assert further.stash[OTHER_SIDE] == OtherSide(MICRO, OWN)


def test_session_without_another_side_is_none_of_it() -> None:
    """A session without another side compares nothing and refuses nothing."""
    assert OTHER_SIDE not in configured().stash
    assert OTHER_SIDE not in configured(baseline="runs/old.jsonl", fail_slower=0.05).stash


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"head_to_head": True}, "--head-to-head: expected another side, .* got neither"),
        (
            {"head_to_head": True, "baseline": MICRO, "against": "."},
            "which is either --baseline=CASE or --against=DIR.:PYTHON., got both",
        ),
        (
            {"head_to_head": True, "baseline": "lightning-whisper-mlx-micro-fp61"},
            f"expected a case as ids name it, got '.*fp61'; for example {MICRO}, ",
        ),
        ({"head_to_head": True, "baseline": "zzz"}, "got 'zzz'; for example lightning"),
        ({"baseline": MICRO}, f"ends in .jsonl, got {MICRO}; add --head-to-head to take turns"),
        ({"baseline": "old.jsonl"}, "expected --fail-slower=PERCENT beside a journal, got none"),
        ({"fail_slower": 0.05}, "--fail-slower: expected another side, which is .*, got none"),
        ({"minutes": 2.0}, "^--minutes: expected --head-to-head or --against, .* got neither"),
        (
            {"minutes": 2.0, "baseline": "old.jsonl", "fail_slower": 0.05},
            "^--minutes: expected --head-to-head or --against, .* got neither; leave it out",
        ),
        *(
            (
                {"head_to_head": True, "baseline": MICRO, name.replace("-", "_"): value},
                f"^--{name}: expected a session that times cases by .*; leave --{name} out",
            )
            for name, value in {
                "resume": "x",
                "corpus": ["a"],
                "cold-files": True,
                "pause": 2.0,
                "processes": 3,
                "calls": 3,
                "budget": 9.0,
            }.items()
        ),
        (
            {"against": ".", "resume": "x", "pause": 2.0},
            "^--resume, --pause: expected a session .*; leave --resume, --pause out",
        ),
        ({"against": "/no/such"}, "--against: expected a checkout of this suite, with .*/no/such"),
        ({"against": f"/{'n' * 300}"}, "--against: .*expected a checkout .*; name its top folder"),
        ({"against": f"{ROOT}:no-such-python"}, "an interpreter that can be run, got no-such-py"),
        ({"against": f"{ROOT}:/bin/no"}, "an interpreter that can be run, got /bin/no; name one"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_at_once(options: dict[str, Any], refusal: str) -> None:
    """Options that cannot be combined in a comparison are refused, with what was expected."""
    with pytest.raises(pytest.UsageError, match=refusal):
        configured(**options)


def test_case_of_a_library_that_is_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A baseline of a library that is not installed is refused, with the way to install it.

    Three known cases are named in place of an unknown one.
    """
    monkeypatch.setattr(other_side, "why_not_installed", lambda adapter: f"{adapter}: install it")

    with pytest.raises(pytest.UsageError, match=f"{MICRO}: lightning-whisper-mlx: install it"):
        configured(head_to_head=True, baseline=MICRO)
    with pytest.raises(pytest.UsageError) as unknown:
        configured(head_to_head=True, baseline="zzz")
    assert len(str(unknown.value).partition("for example ")[2].split(", ")) == 3


@pytest.mark.parametrize(
    ("python", "path"), [("", sys.executable), (":env", str(shutil.which("env")))]
)
def test_other_checkout_runs_in_the_interpreter_that_is_named(
    monkeypatch: pytest.MonkeyPatch, python: str, path: str
) -> None:
    """Another checkout runs in the interpreter that is named with it, or else in pytest's own."""
    monkeypatch.setattr(checkout, "look_into", Checkout)

    found = configured(against=f"{ROOT}{python}").stash[OTHER_SIDE].checkout

    assert (found.root, found.python) == (ROOT, path)


def test_other_side_that_is_this_side_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the other side has the same code in the same interpreter, a line points that out."""
    monkeypatch.setattr(checkout, "look_into", Checkout)

    def line(**options: Any) -> str:
        (line,) = head_to_head.pytest_report_collectionfinish(configured(**options).as_config)
        return line

    same = ", which is the same code in the same interpreter: any difference is chance"
    assert line(against=str(ROOT)).endswith(same)
    assert same not in line(against=f"{ROOT}:env")
    assert same not in line(against=str(ROOT / "tests")), "another folder has other code"


def test_other_side_is_named_by_its_commit() -> None:
    """The other side is named by its commit, or by the hash of its code if it has none."""
    assert name_of("a1b2c3d4e5f6a7b8", "f" * 64) == "a1b2c3d4e5f6"
    assert name_of("a1b2c3d4e5f6a7b8-dirty", "f" * 64) == "a1b2c3d4e5f6-dirty"
    assert name_of(None, "0123456789abcdef") == "code 0123456789ab"


def test_folder_and_interpreter_are_split_at_the_last_colon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder and the interpreter of the other side are split at the last colon.

    Both are seen from where pytest was started; a folder may have a colon in its name. No shell
    makes `~` the user's home in `--against=~/main`, so that is done here.
    """
    monkeypatch.setenv("HOME", "/home/her")
    (tmp_path / "a:b").mkdir()
    (tmp_path / "main").mkdir()

    assert split("main", tmp_path) == (tmp_path / "main", "")
    assert split("main:python3.12", tmp_path) == (tmp_path / "main", "python3.12")
    assert split("main:old/bin/python", tmp_path) == (
        tmp_path / "main",
        str(tmp_path / "old/bin/python"),
    )
    assert split("a:b", tmp_path) == (tmp_path / "a:b", "")
    assert split("a:b:/usr/bin/python", tmp_path) == (tmp_path / "a:b", "/usr/bin/python")
    assert split("/elsewhere:python", tmp_path)[0].as_posix() == "/elsewhere"
    assert [*map(str, split("~/main:~/old/bin/python", tmp_path))] == [
        "/home/her/main",
        "/home/her/old/bin/python",
    ]


# Selection


@pytest.mark.parametrize(
    ("options", "path", "named"),
    [
        ({"keyword": "micro and fp16"}, "benchmarks", False),
        ({"keyword": "micro and paragraph"}, "benchmarks", True),
        ({"keyword": "short or long"}, "benchmarks", True),
        ({}, "benchmarks/test_transcribe.py::test_transcribe[toy-micro-fp16-window]", True),
        ({}, "/home/long/benchmarks/test_transcribe.py::test_transcribe[toy-micro-fp16]", False),
        ({"audio": [Path("talk.wav")]}, "benchmarks", True),
        ({"markexpr": "own"}, "benchmarks", True),
        ({"keyword": "longest"}, "benchmarks", False),
        ({"against": "../long", "report": Path("short")}, "benchmarks", False),
    ],
)
def test_user_names_clips_or_not(options: dict[str, Any], path: str, *, named: bool) -> None:
    """A user names a clip by a whole word of what selects tests, and not by a folder's name."""
    session = FakeSession(**options)
    session.args = [path]

    assert names_a_clip(session.as_config) is named


def test_case_that_only_the_other_side_has_is_lost() -> None:
    """A case that only the other side of a comparison has is told as lost."""
    gone, kept = Case("toy", "tiny", "old"), Case("toy", "tiny", "new")

    [line] = lost("1a2b3c", [gone, kept], [kept], "")

    assert line == (
        "toy-tiny-old: 1a2b3c measures this case, and this checkout has none of that name; put it "
        "back, or leave it out with -k"
    )
    assert lost("1a2b3c", [gone], [kept], "tiny and not old") == []
    assert len(lost("1a2b3c", [gone], [kept], "tiny and old")) == 1
    assert len(lost("1a2b3c", [gone], [kept], "old and paragraph")) == 1, "-k names another clip"
    assert lost("1a2b3c", [kept], [kept, gone], "") == [], "a new case is no loss"


def test_case_that_is_lost_fails_the_part_that_it_belongs_to() -> None:
    """A case that is lost fails the one shard that it belongs to."""
    gone = Case("toy", "tiny", "old")
    entry = Entry("tests.helpers.toy_adapter:Toy", files_of(CASE), None)
    theirs = replace(OWN, name="1a2b3c", entries={gone: entry})
    told = {}
    for number in range(1, 6):
        session: Any = FakeSession(shard=Shard(number, 5))
        session.stash[OTHER_SIDE] = OtherSide("1a2b3c", theirs)

        head_to_head.pytest_collection_modifyitems(session, [])

        told[number] = len(session.stash[OTHER_SIDE].lost)

    assert told == {number: int(Shard(number, 5).has(str(gone))) for number in range(1, 6)}
    assert sum(told.values()) == 1


@dataclass
class Item:
    """As much of a test's item as is asked what it measures."""

    config: FakeSession
    measure: Measure

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        """Return the marker that says what a benchmark measures."""
        return pytest.mark.over("short", measure=self.measure).mark if name == "over" else None


@pytest.mark.parametrize(
    ("options", "measure", "now"),
    [
        ({}, Measure.WARM, Measure.WARM),
        ({"head_to_head": True}, Measure.WARM, Measure.RATIO),
        ({"against": "."}, Measure.WARM, Measure.RATIO),
        ({"against": "."}, Measure.TUNED, Measure.TUNED),
        ({"head_to_head": True}, Measure.LOAD, Measure.LOAD),
    ],
)
def test_warm_measurement_turns_into_a_ratio(
    options: dict[str, Any], measure: Measure, now: Measure
) -> None:
    """A warm measurement turns into a ratio if there is another side, and no other measure does."""
    item = Item(FakeSession(**options), measure)

    assert measure_of(cast("pytest.Item", item)) is now


def test_limit_of_a_selected_test_is_that_of_its_kind() -> None:
    """The time limit of a comparison grows with its minutes and with the baseline's size."""
    large = Case("lightning-whisper-mlx", "large-v3", "fp16")
    session, rules = FakeSession(head_to_head=True, minutes=3), Rules()
    alone = Selected(CASE).time_limit(session.as_config, rules)

    session.stash[BASELINE] = large
    together = Selected(CASE).time_limit(session.as_config, rules)

    assert alone == rules.comparison_limit((CASE, CASE), 0.0, 3)
    assert together == rules.comparison_limit((CASE, large), 0.0, 3) > alone
    assert Selected(CASE).time_limit(FakeSession().as_config, rules) == rules.test_limit(CASE, 0.0)


TOY = Case("toy", "micro", "good")
OTHER = Case("faster-whisper", "micro", "fp16")
"""The other side, of a library that is known."""


def item_of(case: Case | None, clip: str = "short", measure: str = "warm") -> pytest.Item:
    """Return a test over a case and a clip, or one over no case."""
    marks = {"over": pytest.mark.over(clip, measure=measure).mark} if case else {}
    item = Mock(spec=pytest.Function, nodeid=f"{measure} {case} {clip}")
    item.config = FakeSession(head_to_head=True)
    item.get_closest_marker = marks.get
    item.callspec = SimpleNamespace(params={"case": case, "clip": clips()[clip]})
    return cast("pytest.Item", item)


ITEMS = [
    item_of(CASE),
    item_of(CASE, "long"),
    item_of(CASE, measure="load"),
    item_of(TOY),
    item_of(None),
]


def selected(keyword: str, baseline: Case | None) -> tuple[list[str], list[str], list[str]]:
    """Return what is kept of ITEMS, what is deselected, and the lines on the selection."""
    session: Any = FakeSession(keyword=keyword)
    gone: list[pytest.Item] = []
    session.hook = SimpleNamespace(pytest_deselected=lambda *, items: gone.extend(items))
    session.stash[OTHER_SIDE] = OtherSide("1a2b3c", OWN)
    if baseline:
        session.stash[BASELINE] = baseline
    items = ITEMS.copy()

    head_to_head.pytest_collection_modifyitems(session, items)

    lines = head_to_head.pytest_report_collectionfinish(session)
    return [each.nodeid for each in items], [each.nodeid for each in gone], lines


def test_warm_tests_of_the_usual_clip_are_compared_with_another_case() -> None:
    """Against another case, only warm tests of the clip `short` are compared, and not that case."""
    kept, gone, lines = selected("", baseline=TOY)

    assert kept == [f"warm {CASE} short"]
    assert gone == [
        f"warm {CASE} long",
        f"load {CASE} short",
        f"warm {TOY} short",
        "warm None short",
    ]
    (line,) = lines
    assert line == (
        "head to head: against 1a2b3c; 4 tests are left out, as only test_transcribe compares, by "
        "default on short, and no case with itself"
    )


def test_each_clip_is_compared_where_the_user_names_one() -> None:
    """If the user names clips, cases are compared on each of these.

    Against another checkout, each case is compared with itself.
    """
    kept, gone, _ = selected("long or short", baseline=None)

    assert kept == [f"warm {CASE} short", f"warm {CASE} long", f"warm {TOY} short"]
    assert gone == [f"load {CASE} short", "warm None short"]


# What a test does in its place


class Ran(NamedTuple):
    """What became of a test that let two sides take turns."""

    compared: dict[str, Any]
    """The engines and settings with which they were to be compared."""

    recorded: tuple[Any, ...]
    judged: list[tuple[Case, Any, Any]]
    """Case, transcripts and provenance of each side that was judged."""

    error: str


@pytest.fixture(name="run_test")
def _run_test(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """A function that runs a test of CASE, of which ours takes 1.4 to 1.6 times as long as TOY."""

    def run_test(
        verdict: Verdict = Verdict.SLOWER, checkout: Checkout | None = None, **options: Any
    ) -> Ran:
        ratios = (1.4, 1.5, 1.6, 1.5)
        made = [
            turn for n in range(4) for turn in turns(4, ratios[n], ratios[n])[2 * n : 2 * n + 2]
        ]
        found = RunningComparison(2, made, cast("Any", ["we heard"]), cast("Any", ["they heard"]))
        told: dict[str, Any] = {}
        judged: list[tuple[Case, Any, Any]] = []
        recorded: list[Any] = []

        def compare(sides: Sides, _rules: Rules, **how: Any) -> RunningComparison:
            told.update(how, ours=sides.ours(), baseline=sides.baseline())
            told.update(first=(sides.first_clip, len(sides.first_audio)))
            told.update(then=(sides.clip, sides.audio, sides.settings))
            return found

        def judge(case: Case, clip: Clip, settings: DecodeSettings, heard: Any, by: object) -> None:
            assert (clip, settings) == (clips()["short"], DecodeSettings(threads=3))
            judged.append((case, heard, by))

        monkeypatch.setattr("whisper_speedtest.measure.turns.compare", compare)
        monkeypatch.setattr("whisper_speedtest.measure.judging.judge", judge)
        monkeypatch.setattr(head_to_head, "display_of", lambda _: "display")
        monkeypatch.setattr(head_to_head, "choose_device", lambda *_: "gpu")
        monkeypatch.setattr(head_to_head, "session_model", lambda *_: "their model")
        session = FakeSession(head_to_head=True, pause=None, timeout=None, **options)
        session.stash[OTHER_SIDE] = OtherSide("them", checkout or OWN, code="their code")
        if checkout is None:
            session.stash[BASELINE] = OTHER
        item = cast("Any", item_of(CASE))
        item.name, item.config = "test_transcribe[it]", session
        record = SimpleNamespace(
            provenance="what ours says",
            compared=lambda *args: recorded.extend(args),
            result=SimpleNamespace(comparison=comparison(verdict)),
        )
        item.funcargs = {
            "record": record, "case": CASE, "model": "our model", "clip": clips()["short"],
            "settings": DecodeSettings(threads=3), "device": "cpu", "audio": "samples",
            "pool": SimpleNamespace(new=lambda *args: args),
        }  # fmt: skip
        error = ""
        try:
            assert head_to_head.pytest_pyfunc_call(item)
        except SlowerError as slower:
            error = str(slower)
        return Ran(told, tuple(recorded), judged, error)

    return run_test


def test_both_sides_are_what_the_user_named(run_test: Callable[..., Ran]) -> None:
    """Each side of a comparison has its own model, device and checkout.

    The limit and the minutes are those of the user.
    """
    ran = run_test(fail_slower=0.05, minutes=7.0)

    assert ran.compared == {
        "limit": 0.05, "minutes": 7.0, "seed": "test_transcribe[it]", "listener": "display",
        "ours": (CASE, "our model", "cpu", 3),
        "baseline": (OTHER, "their model", "gpu", 3, OWN),
        "first": (clips()["short"], clips()["short"].samples),
        "then": (clips()["short"], "samples", DecodeSettings(threads=3)),
    }  # fmt: skip
    assert ran.recorded[1:] == (clips()["short"], "them", "their code", 0.05)
    assert ran.judged == [
        (CASE, ["we heard"], "what ours says"),
        (OTHER, ["they heard"], comparison().baseline.provenance),
    ]


def test_comparison_without_a_limit_is_recorded_without_one(run_test: Callable[..., Ran]) -> None:
    """It is decided by a limit of 0, which the user has not set: it is told in other words."""
    ran = run_test(fail_slower=None)

    assert ran.compared["limit"] == 0.0
    assert ran.recorded[-1] is None


def test_slower_side_fails_with_its_ratio_and_interval(run_test: Callable[..., Ran]) -> None:
    """A side that is slower than the user's limit fails, with its ratio and interval."""
    told = re.fullmatch(
        r"lightning-whisper-mlx\[micro-fp16\] on short: expected at most 5\.0% slower than them, "
        r"got 49\.8% \((-?\d+\.\d)% to (\d+\.\d)%, 4 blocks\)",
        run_test(fail_slower=0.05).error,
    )

    assert told is not None
    assert float(told[1]) < 49.8 < float(told[2])
    assert run_test(Verdict.UNDECIDED, fail_slower=0.05).error == ""
    assert run_test(Verdict.NOT_SLOWER, fail_slower=0.05).error == ""
    assert run_test(Verdict.SLOWER, fail_slower=None).error == ""


def test_other_checkout_has_to_have_the_case_with_the_same_files(
    run_test: Callable[..., Ran],
) -> None:
    """A case is compared with another checkout only if that has it with the same files."""
    files = files_of(CASE)
    odd = replace(files, revision="odd")

    def against(**known: Any) -> Checkout:
        return Checkout(ROOT, sys.executable, "them", **known)

    with pytest.raises(NotMeasured, match="them has no such case"):
        run_test(checkout=against())
    with pytest.raises(NotMeasured, match="them, in its interpreter: it is not there"):
        run_test(checkout=against(not_installed={CASE.adapter: "it is not there"}))
    with pytest.raises(RefusedError) as refused:
        run_test(checkout=against(entries={CASE: Entry("a:B", odd, None)}))
    theirs, ours = str(refused.value).split(" of them and ")
    assert str(odd) in theirs
    assert str(files) in ours
    same = against(entries={CASE: Entry("a:B", files, None)})
    assert run_test(checkout=same).compared["baseline"] == (CASE, "our model", "cpu", 3, same)


# The end


def ended(
    results: Sequence[Result] = (),
    *,
    lost: Sequence[str] = (),
    status: int = 0,
    **options: Any,
) -> int:
    """Return the status that a session ends with."""
    session = FakeSession(**options)
    session.stash[OTHER_SIDE] = OtherSide("1a2b3c", OWN, lost=list(lost))
    session.stash[RESULTS] = list(results)
    session.stash[LEFT_OUT] = {}
    session.exitstatus = status
    head_to_head.pytest_sessionfinish(session.real)
    return session.exitstatus


NOT_SLOWER = compared(comparison(Verdict.NOT_SLOWER))
OPEN = compared(comparison(Verdict.UNDECIDED))


def test_status_tells_what_was_found() -> None:
    """The status of a session is 6 if it is undecided whether anything is slower than the limit."""
    assert UNDECIDED == 6
    assert ended([NOT_SLOWER, NOT_SLOWER, warm()], fail_slower=0.05) == 0
    assert ended([NOT_SLOWER, OPEN, NOT_SLOWER], fail_slower=0.05) == 6
    assert ended([OPEN], fail_slower=0.0) == 6
    assert ended([OPEN], status=1, fail_slower=0.05) == 1
    assert ended([OPEN], status=2, fail_slower=0.05) == 2
    assert ended([OPEN]) == 0, "no limit was set"
    assert ended([OPEN], collectonly=True, fail_slower=0.05) == 0


def test_lost_case_fails_the_session() -> None:
    """A case that is lost fails a session that has not failed yet, though nothing is slower."""
    assert ended([NOT_SLOWER], lost=["gone"]) == 1
    assert ended([OPEN], lost=["gone"], fail_slower=0.05) == 1
    assert ended(lost=["gone"], status=5) == 1
    assert ended(lost=["gone"], status=2) == 2


def test_lost_case_stands_in_the_summary() -> None:
    """A case that is lost is a failure in the summary."""
    session = FakeSession()
    session.stash[OTHER_SIDE] = OtherSide("1a2b3c", OWN, lost=["gone"])
    session.stash[LEFT_OUT] = {}

    head_to_head.pytest_terminal_summary(session.as_config)

    assert session.stash[LEFT_OUT] == {"gone": Outcome.FAILED}


def test_limit_of_a_test_is_that_of_both_sides() -> None:
    """The time limit of a comparison has the starts and calls of both sides, and its minutes."""
    rules = Rules(timeout=10)
    block = 10 + 31 * 10

    assert rules.comparison_limit((CASE, CASE), 3.0, 2) == 120 + 5 * 2 * block


# Whole sessions


BRIEF_LOOKS, BRIEF_TURNS = (4, 5), 2


@pytest.fixture(name="brief", scope="module")
def _brief(toy_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the toy library, with two turns a block and few blocks: a test is brief."""
    tree = tmp_path_factory.mktemp("brief") / "project"
    shutil.copytree(toy_project, tree)
    protocol = tree / "whisper_speedtest/measure/protocol.py"
    edit(protocol, "LOOKS = (4, 6, 8, 12)", f"LOOKS = {BRIEF_LOOKS}")
    edit(protocol, "RETAKES = 2", "RETAKES = 0")
    edit(protocol, "TURNS = 10", f"TURNS = {BRIEF_TURNS}")
    edit(protocol, "LEAST_TURNS = 3", "LEAST_TURNS = 1")
    return tree


def run(tree: Path, folder: Path, *arguments: str) -> Session:
    """Run a session of the toy library on `short`, with a journal."""
    sessions = Sessions(tree, folder)
    return sessions.run("benchmarks", f"--journal={folder}/it.jsonl", *arguments)


def check_blocks(found: Comparison, limit: float, verdict: Verdict, output: str) -> None:
    """Check that a decided comparison of `brief` has as many blocks as the rules ask for.

    Noise widens the interval, so that a look may decide nothing, and a further block follows.
    """
    blocks = blocks_of(found.turns, found.planned)
    assert [turn.block for turn in found.turns] == [
        block for block in range(len(blocks)) for _ in range(BRIEF_TURNS)
    ]
    assert len(blocks) in BRIEF_LOOKS
    looks = [look for look in BRIEF_LOOKS if look <= len(blocks)]
    verdicts = [ratio_of(blocks[:look]).verdict(limit) for look in looks]
    assert verdicts == [*[Verdict.UNDECIDED] * (len(looks) - 1), verdict], "it ends when decided"
    told = f"{len(blocks)} blocks of {BRIEF_TURNS} turns; {verdict} than the {limit:.1%} allowed"
    assert told in output


@pytest.mark.slow
def test_sides_of_one_checkout_take_turns(brief: Path, tmp_path: Path) -> None:
    """Two cases of one checkout take turns: a slower one and a broken one fail.

    The baseline itself is left out.
    """
    session = run(
        brief,
        tmp_path,
        *("--head-to-head", "--baseline=toy-micro-good", "--fail-slower=5%"),
        *("-k", "toy and (slow or good or raises)"),
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert "head to head: against toy-micro-good; " in session.output
    assert "tests are left out, as only test_transcribe compares" in session.output
    assert "2 failed, " in session.output
    assert (
        "failed:   test_transcribe[toy-micro-slow-short]: toy[micro-slow] on short: expected at "
        "most 5.0% slower than toy-micro-good, got "
    ) in session.output
    assert "compared: toy[micro-slow] on short, against toy-micro-good: " in session.output
    assert "toy[micro-raises]: transcribe raised ValueError" in session.output
    assert session.saved_names == set()
    assert Sessions(brief, tmp_path).engines() == []
    slow = next(each for each in read(tmp_path / "it.jsonl").results if each.case.variant == "slow")
    assert (slow.measure, slow.outcome, slow.samples) == (Measure.RATIO, Outcome.FAILED, ())
    found = slow.comparison
    assert found is not None
    assert (found.verdict, found.limit, found.planned) == (Verdict.SLOWER, 0.05, 2)
    assert found.ratio > found.low > 1.05
    check_blocks(found, 0.05, Verdict.SLOWER, session.output)
    assert min(turn.seconds for turn in found.turns) >= 0.2
    assert max(turn.baseline_seconds for turn in found.turns) < 0.2
    side = found.baseline
    assert (side.name, side.case, side.code) == (
        "toy-micro-good",
        Case("toy", "micro", "good"),
        None,
    )
    assert side.provenance.device == "cpu"
    assert side.model == slow.model, "the toy's variants have the same file"


@pytest.mark.slow
def test_another_checkout_takes_turns(brief: Path, tmp_path: Path) -> None:
    """A case takes turns with itself in another checkout, and passes if it is not slower.

    Other bytes, and a case that is gone, are errors; a new case is none.
    """
    other = tmp_path / "other"
    shutil.copytree(brief, other)
    toy = other / "adapters" / "toy.py"
    edit(toy, '"lazy",\n)', '"lazy",\n    "gone",\n)')
    edit(
        toy,
        "    traits = ",
        '    check_map["micro"]["lazy"] = ModelFiles("embedded/x", (FILE,))\n    traits = ',
    )
    edit(toy, '    "empty",\n', "")

    session = run(
        brief,
        tmp_path,
        *(f"--against={other}:{sys.executable}", "--fail-slower=100%"),
        *("-k", "toy and (slow or lazy or gone or empty)"),
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert "1 failed, 1 passed, 1 skipped" in session.output
    assert "toy[micro-slow] on short, against code " in session.output
    assert "(same versions): " in session.output
    assert "failed:   toy-micro-gone: code " in session.output
    assert (
        "toy[micro-lazy]: expected the same model bytes on both sides, got embedded/x@main ("
        in (session.output)
    )
    assert "has no such case (1 test)" in session.output
    results = {each.case.variant: each for each in read(tmp_path / "it.jsonl").results}
    assert str(tmp_path) not in json.dumps([each.reason for each in results.values()])
    found = results["slow"].comparison
    assert found is not None
    check_blocks(found, 1.0, Verdict.NOT_SLOWER, session.output)
    assert found.baseline.case == Case("toy", "micro", "slow")
    assert found.baseline.code is not None
    assert found.baseline.code != results["slow"].code
    assert found.baseline.name == f"code {found.baseline.code[:12]}"


@pytest.mark.slow
def test_comparison_on_a_busy_machine_is_undecided(brief: Path, tmp_path: Path) -> None:
    """A comparison on a busy machine is undecided, with a status of its own."""
    with busy_machine():
        session = run(
            brief,
            tmp_path,
            *("--head-to-head", "--baseline=toy-micro-good", "--fail-slower=5%"),
            *("-k", "toy and slow", "--max-others=0"),
        )

    assert session.status == UNDECIDED, session.output
    assert "busy, so that nobody can tell" in session.output
    [result] = read(tmp_path / "it.jsonl").results
    assert result.outcome is Outcome.BUSY
    assert result.comparison is not None
    assert result.comparison.verdict is Verdict.UNDECIDED


@pytest.mark.slow
def test_stored_run_only_warns(brief: Path, tmp_path: Path) -> None:
    """Against a stored run, a time that is ten times as long is told in a warning, and passes."""
    stored = tmp_path / "old.jsonl"
    options = ("benchmarks/test_transcribe.py", "-k", "toy and slow and short", "--calls=1")
    Sessions(brief, tmp_path).run(*options, f"--journal={stored}")
    header, line = stored.read_text(encoding="utf-8").splitlines()
    result = json.loads(line)
    for sample in result["samples"]:
        sample["seconds"] /= 10
    stored.write_text(f"{header}\n{json.dumps(result)}\n", encoding="utf-8")

    session = Sessions(brief, tmp_path).run(*options, f"--baseline={stored}", "--fail-slower=5%")

    assert session.status == pytest.ExitCode.OK, session.output
    warning = "warning:  test_transcribe[toy-micro-slow-short], against old.jsonl: "
    assert warning in session.output
    assert " times as long (no interval)" in session.output
    assert "1 test compared with old.jsonl, which can only warn" in session.output
