"""What results/ hands on are values: nobody changes them on the way."""

from tests.helpers.values import assert_values


def test_dataclasses_are_frozen() -> None:
    """Each dataclass of results/ has slots, and each but the session's journal is frozen."""
    assert_values("whisper_speedtest.results", changing={"SessionJournal"})
