"""What session/ hands on are values: nobody changes them on the way."""

from tests.helpers.values import assert_values


def test_dataclasses_are_frozen() -> None:
    """The dataclasses of session/ have slots, and are frozen but for those that are to change."""
    changing = {"GpuWatch", "OtherSide", "Shown", "States"}
    assert_values("whisper_speedtest.session", changing=changing)
