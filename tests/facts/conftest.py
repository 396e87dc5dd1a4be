"""What the tests of upstream packages share: a hub that runs on, and a client of it."""

from tests.helpers.client_fixtures import (
    ask,
    ask_out,
    client,
    folder,
    hub,
    intercepted,
    proxy,
    repo,
    running_hub,
    running_proxy,
    trustme,
)
from tests.helpers.hub_fixtures import loopback

__all__ = [
    "ask",
    "ask_out",
    "client",
    "folder",
    "hub",
    "intercepted",
    "loopback",
    "proxy",
    "repo",
    "running_hub",
    "running_proxy",
    "trustme",
]
