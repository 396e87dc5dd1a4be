"""What the tests of plugins share: a terminal at the end of a session."""

from __future__ import annotations

import pytest

from tests.helpers.fake_terminal import FakeTerminal
from whisper_speedtest.results import summary_plugin
from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL, SessionJournal
from whisper_speedtest.session.choice.collection import NOT_USED, OWN_CLIPS, OWN_CORPORA
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS


@pytest.fixture(name="terminal")
def _terminal(monkeypatch: pytest.MonkeyPatch) -> FakeTerminal:
    """A terminal at the end of a session that measured nothing and skipped nothing.

    Every library is installed.
    """
    monkeypatch.setattr(summary_plugin, "why_not_installed", lambda _: "")
    stash = pytest.Stash()
    stash[RESULTS] = []
    stash[LEFT_OUT] = {}
    stash[OWN_CLIPS] = []
    stash[NOT_USED] = []
    stash[OWN_CORPORA] = []
    stash[SESSION_JOURNAL] = SessionJournal(None)
    return FakeTerminal(stash)
