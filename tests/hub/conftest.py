"""What the tests of the hub share: a loopback hub, a web server, stores that use them."""

from __future__ import annotations

from tests.helpers.hub_fixtures import hub, hubless_store, loopback, server, store

__all__ = ["hub", "hubless_store", "loopback", "server", "store"]
