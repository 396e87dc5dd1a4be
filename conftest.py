"""Loads the rooms' plugins; they hold the options, hooks and fixtures."""

pytest_plugins = [
    "whisper_speedtest.session.options",
    "whisper_speedtest.session.shard",
    "whisper_speedtest.session.plugin",
    "whisper_speedtest.session.shown",
    "whisper_speedtest.session.surroundings",
    "whisper_speedtest.session.other_plugins",
    "whisper_speedtest.session.prefetch",
    "whisper_speedtest.session.device",
    "whisper_speedtest.session.fixtures",
    "whisper_speedtest.session.check",
    "whisper_speedtest.session.head_to_head",
    "whisper_speedtest.results.journal_plugin",
    "whisper_speedtest.results.report_plugin",
    "whisper_speedtest.results.stored_plugin",
    "whisper_speedtest.results.plugin",
]
