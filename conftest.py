"""Loads the rooms' plugins; they hold the options, hooks and fixtures."""

pytest_plugins = ["benchmarks.plugin", "hub.plugin", "results.plugin"]
