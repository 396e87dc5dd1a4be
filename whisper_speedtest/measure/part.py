"""The base class of every part of a result, and the types of their numbers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0)]
"""Seconds a second: 1 is one processor for the whole time, so it can be more than 1."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a result: it cannot be changed, and it takes no field that it does not know."""
