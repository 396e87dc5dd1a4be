"""Whole sessions on a terminal and in a pipe: what is shown meanwhile, and what remains of it."""

from __future__ import annotations

import re
import signal
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters.base import Case
from fixtures.audio import clips
from tests.helpers.fake_session import FakeSession
from tests.helpers.project import child_environment, edit
from tests.helpers.sessions import make_toy_project
from tests.helpers.terminal import Recording
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.session import gpu
from whisper_speedtest.session.outcomes import RECORDER
from whisper_speedtest.session.terminal import display_plugin
from whisper_speedtest.session.terminal.display_plugin import kinds, name_of
from whisper_speedtest.session.terminal.time_left import Kind
from whisper_speedtest.speech.corpus import Corpus

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., Recording]

SLEEP = 2.0
"""Seconds that each call of the variant "slow" sleeps here."""

PAUSES = {"REWRITE": 5.0, "REWRITE_UNTIMED": 1.0, "LOG_SILENCE": 9.0}
"""Those of the display, in seconds. Here they are a hundredth, so that brief sessions show all."""

GOOD = ("-k", "toy and good and short and (start or transcribe)")
ON_CPU = (*GOOD, "--device=cpu")
"""Without the warning that the toy has no GPU, where the machine may have one."""

OURS = re.compile(
    r"(toy\[[^\]]*\]|models)[: ].*, \d+ s(, (test \d+ of \d+|(at most )?about .* left))?"
)
"""A line that the display writes into a log."""


@pytest.mark.parametrize(
    ("measure", "clip", "batch_size", "name"),
    [
        (Measure.LOAD, None, None, "load"),
        (Measure.COLD, "short", None, "cold"),
        (Measure.WARM, "short", None, "short"),
        (Measure.TUNED, "long", None, "tuned long"),
        (Measure.LONG_FORM, "long", 6, "long batch6"),
        (Measure.AFTER_PAUSE, "short", None, "short after a pause"),
        (Measure.COLD_FILES, "short", None, "cold files"),
    ],
)
def test_name_says_what_is_measured(
    measure: Measure, clip: str | None, batch_size: int | None, name: str
) -> None:
    """A start is shown by the name of its measure, and any other test by that of its clip."""
    assert name_of(measure, clips()[clip] if clip else None, batch_size) == name


@pytest.mark.parametrize(
    ("device", "has_gpu", "on_cpu"),
    [("auto", True, False), ("gpu", True, False), ("cpu", True, True), ("auto", False, True)],
)
@pytest.mark.parametrize(
    ("variant", "measure", "batch_size", "skipped"),
    [
        ("fp16", "load", None, False),
        ("fp16", "warm", None, False),
        ("4bit", "load", None, False),
        ("4bit", "cold", None, False),
        ("4bit", "warm", None, True),
        ("fp16", "long-form", 1, False),
        ("fp16", "long-form", 6, False),
        ("fp16", "long-form", 12, True),
    ],
)
def test_kind_says_what_is_measured_and_what_will_be_skipped(
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    has_gpu: bool,
    on_cpu: bool,
    variant: str,
    measure: str,
    batch_size: int | None,
    skipped: bool,
) -> None:
    """Calls of slow variants and needless batches are known to be skipped where a CPU computes."""
    monkeypatch.setattr(gpu, "may_have_gpu", lambda: has_gpu)
    case = Case("lightning-whisper-mlx", "micro", variant)
    clip = clips()["long" if batch_size else "short"]
    item = Mock(spec=pytest.Function, nodeid="test_x[y]")
    item.config = FakeSession(device=device)
    item.get_closest_marker = {"over": pytest.mark.over(clip.name, measure=measure).mark}.get
    item.callspec = SimpleNamespace(params={"case": case, "clip": clip, "batch_size": batch_size})

    found = kinds([item])

    of_a_start = measure in {"load", "cold"}
    what = name_of(Measure(measure), clip, batch_size)
    budget = None if of_a_start else 20.0 if device != "gpu" else 6.0
    assert found == {"test_x[y]": Kind(case, what, of_a_start, skipped and on_cpu, budget)}


@pytest.mark.parametrize(
    ("measure", "chosen", "budget"),
    [
        ("warm", {}, 20.0),
        ("tuned", {}, 20.0),
        ("warm", {"device": "gpu"}, 6.0),
        ("warm", {"budget": 3.0}, 3.0),
        ("warm", {"calls": 5}, None),
        ("warm", {"processes": 2}, None),
        ("warm", {"head_to_head": True}, None),
        ("after a pause", {}, None),
        ("corpus", {}, None),
        ("cold", {}, None),
    ],
)
def test_kind_says_how_long_its_timed_calls_may_take_together(
    measure: str, chosen: dict[str, Any], budget: float | None
) -> None:
    """Timed calls have the budget of a CPU, unless --device=gpu, or none where none limits them."""
    config = FakeSession(**{"device": "auto", **chosen})
    item = shown_test(config, "short", [], measure)

    (found,) = kinds([item]).values()

    assert found.budget == budget


@pytest.fixture(name="tree", scope="module")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the toy library, whose display waits for a hundredth of the time."""
    tree = tmp_path_factory.mktemp("project")
    make_toy_project(tree)
    edit(tree / "adapters" / "toy.py", "SLOW_SECONDS = 0.2", f"SLOW_SECONDS = {SLEEP}")
    display = tree / "whisper_speedtest" / "session" / "terminal" / "display.py"
    for name, seconds in PAUSES.items():
        edit(display, f"\n{name} = {seconds}\n", f"\n{name} = {seconds / 100}\n")
    return tree


@pytest.fixture(name="plain_tree", scope="module")
def _plain_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the toy library, whose sessions show nothing meanwhile."""
    tree = tmp_path_factory.mktemp("plain")
    make_toy_project(tree)
    edit(tree / "conftest.py", '    "whisper_speedtest.session.terminal.display_plugin",\n', "")
    return tree


@pytest.fixture(name="start")
def _start(tree: Path, tmp_path: Path) -> Start:
    """A function that starts a session of benchmarks, on a terminal or in a pipe."""

    def start(
        *arguments: str,
        project: Path = tree,
        columns: int = 100,
        terminal: bool = True,
        folder: str = "run",
        **variables: str,
    ) -> Recording:
        options = ["--benchmark-only", "--max-others=inf", "--processes=1", "--calls=1"]
        environment = child_environment(**{"TERM": "xterm", "HF_HUB_OFFLINE": "1", **variables})
        return Recording(
            [
                sys.executable,
                "-m",
                "pytest",
                *options,
                *arguments,
                f"--basetemp={tmp_path}/{folder}",
            ],
            project,
            environment,
            columns,
            terminal=terminal,
        )

    return start


def before_the_summary(lines: list[str]) -> list[str]:
    """Return what pytest wrote of its tests: from the collection to the summary."""
    begin = next((number for number, line in enumerate(lines) if "collected" in line), 0)
    end = next(number for number, line in enumerate(lines) if line.startswith("machine:"))
    return lines[begin:end]


@pytest.mark.parametrize(
    ("options", "columns"),
    [((), 80), (("-v",), 75), (("-q",), 80), (("-v", "-s"), 20)],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_terminal_ends_as_if_nothing_had_been_shown(
    start: Start, tree: Path, plain_tree: Path, options: tuple[str, ...], columns: int
) -> None:
    """A terminal ends with the same lines as in a session without a display."""
    screens = []
    for project in (tree, plain_tree):
        recording = start(*ON_CPU, *options, project=project, columns=columns)
        assert recording.finish() == pytest.ExitCode.OK, recording.text
        assert ("\x1b7" in recording.text) is (project is tree), recording.text
        assert recording.screen.cursor_shown
        screens.append(before_the_summary(recording.screen.lines))

    with_display, plain = screens
    assert with_display == plain


def test_long_call_is_never_silent(start: Start) -> None:
    """While a library takes its time in a call, neither a terminal nor a log is silent."""
    chosen = ("-k", "test_transcribe and toy-micro-slow-short")
    on_a_terminal = start(*chosen)
    in_a_log = start(*chosen, terminal=False, folder="other")
    for recording in (on_a_terminal, in_a_log):
        assert recording.finish() == pytest.ExitCode.OK, recording.text

        times = [recording.begun, *(when for when, _ in recording.pieces)]
        longest = max(after - before for before, after in pairwise(times[1:]))
        assert longest < SLEEP, f"silent for {longest:.1f} s, while a call takes {SLEEP} s"
        for words in ("first call", "untimed call", "call 1,"):
            seen = recording.text.count(f"toy[micro-slow] short, process 1 of 1, {words}")
            assert seen >= 2, f"{words!r} was shown {seen} times within {SLEEP} s"


def test_what_comes_before_the_tests_is_shown(start: Start) -> None:
    """A library that is tried on the GPU before its tests is shown."""
    recording = start(*GOOD)

    assert recording.finish() == pytest.ExitCode.OK, recording.text
    assert "toy[micro-good]: trying the GPU, 0 s" in recording.text


def test_ctrl_c_leaves_a_clean_terminal(start: Start) -> None:
    """Ctrl-C leaves a terminal without the status line, and with its cursor."""
    recording = start("-k", "test_transcribe and toy-micro-hangs-short")
    while "toy[micro-hangs] short, process 1 of 1, first call" not in recording.text:
        assert recording.process.poll() is None, recording.text
        time.sleep(0.05)

    recording.process.send_signal(signal.SIGINT)

    assert recording.finish() == pytest.ExitCode.INTERRUPTED, recording.text
    screen = recording.screen
    assert [line for line in screen.lines if "process 1 of 1" in line] == []
    assert screen.cursor_shown
    assert re.search(r"!{9} interrupted !{9}", "".join(screen.lines))
    assert screen.lines[-1] == "stopped:  no test had ended, so that nothing was kept"


@pytest.mark.parametrize("options", [(), ("-v",), ("-q", "-s")], ids=" ".join)
def test_pipe_has_whole_lines_only(start: Start, options: tuple[str, ...]) -> None:
    """In a pipe, the display writes whole lines without escape sequences, between pytest's own."""
    recording = start(*ON_CPU, *options, terminal=False)

    assert recording.finish() == pytest.ExitCode.OK, recording.text
    assert "\x1b" not in recording.text
    assert "\r" not in recording.text
    lines = before_the_summary(recording.text.splitlines())
    ours = [line for line in lines if "toy[" in line and "::" not in line]
    assert ours, recording.text
    assert [line for line in ours if not OURS.fullmatch(line)] == []
    of_pytest = "".join(line for line in lines if line not in ours and "models" not in line)
    passed = (
        of_pytest.count("PASSED") if "-v" in options else len(re.findall(r"\.(?!py)", of_pytest))
    )
    assert passed == 2, recording.text


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}], ids=str)
def test_terminal_that_nobody_watches_is_a_log(start: Start, variables: dict[str, str]) -> None:
    """In CI, or on a dumb terminal, the display writes whole lines and no moving status line."""
    recording = start(*GOOD, "--color=no", **variables)

    assert recording.finish() == pytest.ExitCode.OK, recording.text
    assert not re.search("\x1b[78D]", recording.text)
    assert re.search(r"^toy\[micro-good\] ", recording.text, re.MULTILINE)


def test_time_left_is_shown_once_it_is_known(start: Start) -> None:
    """From three tests of a case on, the time left is shown in place of the test's number."""
    clips_of_it = "short or paragraph or window or noisy"
    recording = start("-k", f"toy-micro-slow and transcribe and ({clips_of_it})")

    assert recording.finish() == pytest.ExitCode.OK, recording.text
    for number, clip in enumerate(("short", "paragraph", "window"), start=1):
        assert re.search(rf"toy\[micro-slow\] {clip}, .*, test {number} of 4", recording.text)
    assert re.search(r"toy\[micro-slow\] noisy, .*, about \d+ s left", recording.text)


def test_name_of_a_corpus_says_that_it_is_one() -> None:
    """The name of a corpus says that it is a corpus."""
    talks = Mock(spec=Corpus)
    talks.name = "talks"

    assert name_of(Measure.CORPUS, talks, None) == "corpus talks"


def shown_test(config: FakeSession, name: str, items: list[Any], measure: str = "warm") -> Any:
    """Return a test of a clip, as one of some items of a session, and add it to them."""
    item = Mock(spec=pytest.Function, nodeid=f"test_transcribe[{name}]")
    item.config, item.stash = config, pytest.Stash()
    item.session = SimpleNamespace(items=items)
    item.get_closest_marker = {"over": pytest.mark.over("short", measure=measure).mark}.get
    item.callspec = SimpleNamespace(
        params={"case": Case("faster-whisper", "tiny", "fp16"), "clip": clips()[name]}
    )
    items.append(item)
    return item


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.PASSED, Outcome.FAILED])
def test_tests_that_were_not_skipped_tell_how_long_the_next_one_takes(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    """The time left is known from tests that ran, and not from skipped ones."""
    items: list[Any] = []
    config = FakeSession(device="auto")
    tests = [shown_test(config, clip, items) for clip in ("short", "window", "noisy", "paragraph")]
    now = iter((100.0, 105.0, 200.0, 207.0, 300.0, 309.0, 400.0, 400.0))
    monkeypatch.setattr(display_plugin, "time", SimpleNamespace(monotonic=lambda: next(now)))
    recorder: Any = SimpleNamespace(result=SimpleNamespace(outcome=outcome))
    left = []

    for item in tests:
        protocol = display_plugin.pytest_runtest_protocol(item)
        next(protocol)
        left.append(item.stash[display_plugin.SHOWN].left(0.0))
        item.stash[RECORDER] = recorder
        with suppress(StopIteration):
            protocol.send(None)

    last = "test 4 of 4" if outcome is Outcome.SKIPPED else "about 7 s left"
    assert left == ["test 1 of 4", "test 2 of 4", "test 3 of 4", last]


def test_variant_that_was_skipped_says_nothing_of_how_long_the_next_takes() -> None:
    """A variant that was skipped is not counted among those that took time."""
    config = FakeSession(device="auto")
    item = shown_test(config, "short", [])
    item.session.items = [item]

    protocol = display_plugin.pytest_runtest_protocol(item)
    next(protocol)
    item.stash[RECORDER] = SimpleNamespace(result=SimpleNamespace(outcome=Outcome.SKIPPED))
    with suppress(StopIteration):
        protocol.send(None)

    assert config.stash[display_plugin.LEFT]._took == {}


def test_what_was_skipped_of_a_variant_is_not_waited_for_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A test that was skipped of a measured variant counts as one that takes no time."""
    items: list[Any] = []
    config = FakeSession(device="auto")
    monkeypatch.setattr(display_plugin, "time", SimpleNamespace(monotonic=lambda: 100.0))
    names = ("short", "noisy", "paragraph")
    tests = [shown_test(config, clip, items) for clip in names]
    outcomes = (Outcome.PASSED, Outcome.SKIPPED, Outcome.PASSED)

    for item, outcome in zip(tests, outcomes, strict=True):
        protocol = display_plugin.pytest_runtest_protocol(item)
        next(protocol)
        recorder: Any = SimpleNamespace(result=SimpleNamespace(outcome=outcome))
        item.stash[RECORDER] = recorder
        with suppress(StopIteration):
            protocol.send(None)

    (took,) = config.stash[display_plugin.LEFT]._took.values()
    assert list(took) == ["short", "noisy", "paragraph"]
    assert took["noisy"] == 0.0
