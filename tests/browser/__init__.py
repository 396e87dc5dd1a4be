"""Tests of a report's page in Chromium: `tox -e browser`."""
