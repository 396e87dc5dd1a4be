"""How an engine fails, as whoever uses one sees it."""

from __future__ import annotations


class EngineError(Exception):
    """An engine that crashed, hung, ran out of memory or could not do what it was asked."""


class EngineTimeoutError(EngineError):
    """An engine that did not answer within its time limit, and was ended."""
