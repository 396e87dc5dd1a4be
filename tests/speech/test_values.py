"""What speech/ hands on are values: nobody changes them on the way."""

from tests.helpers.values import assert_values


def test_dataclasses_are_frozen() -> None:
    """The dataclasses of speech/ are frozen and have slots."""
    assert_values("whisper_speedtest.speech")
