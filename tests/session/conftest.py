"""What the tests of sessions share: a copy of the project with a toy library, a loopback hub."""

from tests.helpers.hub_fixtures import hub, loopback, store
from tests.helpers.session_fixtures import sessions, toy_project

__all__ = ["hub", "loopback", "sessions", "store", "toy_project"]
