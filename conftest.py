"""Loads the rooms' plugins; they hold the options, hooks and fixtures."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

PLUGINS = (
    "whisper_speedtest.session.choice.options",
    "whisper_speedtest.session.terminal.plain",
    "whisper_speedtest.session.choice.shard",
    "whisper_speedtest.session.choice.collection",
    "whisper_speedtest.session.outcomes",
    "whisper_speedtest.session.beginning",
    "whisper_speedtest.session.terminal.display_plugin",
    "whisper_speedtest.session.other_plugins",
    "whisper_speedtest.session.models.prefetch",
    "whisper_speedtest.session.surroundings",
    "whisper_speedtest.session.device",
    "whisper_speedtest.session.fixtures",
    "whisper_speedtest.session.models.check",
    "whisper_speedtest.session.choice.keywords",
    "whisper_speedtest.session.choice.unknown_tests",
    "whisper_speedtest.session.head_to_head",
    "whisper_speedtest.results.journal.resume_plugin",
    "whisper_speedtest.results.journal.journal_plugin",
    "whisper_speedtest.results.report.report_plugin",
    "whisper_speedtest.results.stored_plugin",
    "whisper_speedtest.results.benchmark_plugin",
    "whisper_speedtest.results.failures_plugin",
    "whisper_speedtest.results.summary_plugin",
    "whisper_speedtest.results.interrupted_plugin",
)

COLLECTING = "session"
"""The name of pytest's own plugin that is there once options are read and tests are collected."""


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the plugins before any option is read.

    As `pytest_plugins` each of them would also be looked for among the entry points of all that is
    installed, which takes as long as its import.
    """
    if pluginmanager.has_plugin(COLLECTING):
        return  # too late for options: see below
    for name in PLUGINS:
        pluginmanager.import_plugin(name)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Refuse a session of a folder above, which has found this project only as it collects."""
    if not collector.config.pluginmanager.has_plugin(PLUGINS[0]):
        here = Path(__file__).parent
        raise pytest.UsageError(
            f"expected pytest to begin in {here}, got {collector.config.rootpath}; run it there: "
            f"cd {shlex.quote(str(here))}"
        )
