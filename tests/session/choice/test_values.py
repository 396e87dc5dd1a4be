"""What session/ hands on are values: nobody changes them on the way."""

from tests.helpers.values import assert_values


def test_dataclasses_are_frozen() -> None:
    """Each has slots, too, so that a misspelt name raises."""
    assert_values("whisper_speedtest.session", changing={"OtherSide", "Probes", "Shown"})
