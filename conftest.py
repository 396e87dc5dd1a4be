"""Loads the rooms' plugins; they hold the options, hooks and fixtures."""

pytest_plugins = ["benchmarks.plugin", "results.plugin"]
