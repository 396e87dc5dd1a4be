"""What pytest prints of failures that several tests share."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.helpers.results import measured, warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.failures_plugin import pytest_terminal_summary
from whisper_speedtest.session.outcomes import RESULTS

if TYPE_CHECKING:
    from adapters.base import Case
    from tests.helpers.fake_terminal import FakeTerminal


def test_pytest_shows_a_failure_of_several_tests_once(terminal: FakeTerminal) -> None:
    """A failure of several tests is shown by pytest once, with the names of the others.

    A traceback is never left out. After the summary all failures are counted again.
    """
    case = measured("a b").case

    def fails(test: str, kind: str, shown: object, of: Case = case) -> Any:
        failed = warm(case=of, test=test, outcome=Outcome.FAILED, reason="why")
        terminal.stash[RESULTS].append(failed)
        report = SimpleNamespace(nodeid=f"benchmarks/x.py::{test}", longrepr=shown)
        terminal.stats.setdefault(kind, []).append(report)
        return report

    variant = replace(case, variant="other")
    first = fails("test_a[x]", "failed", f"{case.label}: it broke\n so")
    second = fails("test_b[x]", "failed", f"{variant.label}: it broke\n so", of=variant)
    other = fails("test_c[x]", "failed", "else")
    strange = fails("test_d[x]", "failed", object())
    early = fails("test_e[x]", "error", f"{case.label}: it broke\n so")
    whole = {kind: list(reports) for kind, reports in terminal.stats.items()}

    hook = pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))
    next(hook)
    assert terminal.stats == {"failed": [first, other, strange], "error": [early]}
    text = f"{case.label}: it broke\n so"
    shown = f"{text}\nThe same failure in 1 other test:\ntest_b[x]"
    written: list[str] = []
    first.longrepr.toterminal(SimpleNamespace(line=written.append))
    assert written == [shown]
    assert str(first.longrepr) == shown
    in_the_short_summary = first.longrepr.reprcrash.message
    assert in_the_short_summary == f"and 1 more for the same reason: {text}"
    assert (other.longrepr, early.longrepr) == ("else", text)
    with pytest.raises(StopIteration):
        hook.send(None)
    assert terminal.stats == whole
    assert first.longrepr == text
    assert second.longrepr == f"{variant.label}: it broke\n so"


@pytest.mark.parametrize("kind", ["failed", "error"])
@pytest.mark.parametrize("style", ["short", "line"])
def test_failure_of_several_tests_is_written_once_in_every_style(
    terminal: FakeTerminal, style: str, kind: str
) -> None:
    """A failure of several tests is written once in every style of tracebacks.

    With --tb=line pytest itself writes failures; it writes errors itself in no style.
    """
    for test in ("test_a[x]", "test_b[x]"):
        failed = warm(test=test, outcome=Outcome.FAILED, reason="why")
        terminal.stash[RESULTS].append(failed)
        report = SimpleNamespace(nodeid=f"benchmarks/x.py::{test}", longrepr="it broke")
        terminal.stats.setdefault(kind, []).append(report)
    terminal.tbstyle = style
    hook = pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))
    next(hook)

    (first,) = terminal.stats[kind]
    written: list[str] = []
    first.longrepr.toterminal(SimpleNamespace(line=written.append))

    by_pytest = style == "line" and kind == "failed"
    text = "it broke\nThe same failure in 1 other test:\ntest_b[x]"
    assert written == ([] if by_pytest else [text])
    assert str(first.longrepr.reprcrash) == text
    with pytest.raises(StopIteration):
        hook.send(None)


@pytest.mark.parametrize("style", ["auto", "long", "short", "native", "no", "line"])
def test_failure_is_whole_in_every_style_of_tracebacks(terminal: FakeTerminal, style: str) -> None:
    """The text of a failure is shown whole in every style of tracebacks.

    With --tb=line pytest shows fifty letters of a text; it is told there to show all, once.
    """
    text = f"a[b]: expected {'so much ' * 30}, got nothing; look at the text\n  computed by a"
    report = SimpleNamespace(nodeid="benchmarks/x.py::test_a[x]", longrepr=text)
    other = SimpleNamespace(nodeid="benchmarks/x.py::test_b[x]", longrepr=object())
    early = SimpleNamespace(nodeid="benchmarks/x.py::test_c[x]", longrepr="no engine")
    terminal.stats |= {"failed": [report, other], "error": [early]}
    terminal.tbstyle = style

    hook = pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))
    next(hook)
    shown: Any = report.longrepr
    if style == "line":
        pages: list[str] = []
        shown.toterminal(SimpleNamespace(line=pages.append, write=pages.append))
        assert (pages, str(shown.reprcrash)) == ([], text)
        assert shown.reprcrash.message == text, "pytest's short summary shows this message"
    else:
        assert shown == text
    assert early.longrepr == "no engine", "pytest shows errors whole in each style"
    assert not isinstance(other.longrepr, str)
    assert not hasattr(other.longrepr, "reprcrash"), "a traceback is as pytest shows it"
    with pytest.raises(StopIteration):
        hook.send(None)
    assert report.longrepr == text
