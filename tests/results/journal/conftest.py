"""What the tests of journals share: a copy of the project with a toy library, and its sessions."""

from tests.helpers.session_fixtures import sessions, toy_project

__all__ = ["sessions", "toy_project"]
