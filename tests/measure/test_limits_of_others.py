"""What a limit would mark and what it would miss, as `tests.proofs.contention` counts it."""

from __future__ import annotations

import sys

import pytest

from tests.proofs import contention
from tests.proofs.contention import ALONE, Sample, quick_seconds, tables, verdict
from whisper_speedtest.measure.contention import Contention


def sample(seconds: float, others: float, load: str = ALONE) -> Sample:
    """Return a sample of one call."""
    contention = Contention(others=others, cpu=1.9, waited=0.1, steal=0.0, pressure=0.2)
    return Sample("whisper.cpp", load, seconds, seconds, contention)


SAMPLES = [
    *[sample(1.0, 0.04)] * 8,
    sample(1.1, 0.12),
    sample(1.2, 0.05),
    sample(3.0, 0.3, "one loop"),
    sample(2.0, 0.1, "comes and goes"),
    sample(1.0, 0.9, "comes and goes"),
]
"""Ten alone, of which one is slow; two slow ones beside a load, and one quick one."""


def test_quick_calls_are_the_first_tenth_of_those_alone() -> None:
    """The time of quick calls is the tenth percentile of the calls that ran beside no load."""
    alone = [sample(seconds, 0.0) for seconds in (5.0, 3.0, 4.0, 2.0, 1.0)]

    assert quick_seconds([*alone, sample(0.1, 0.0, "one loop")]) == pytest.approx(1.4)
    with pytest.raises(ValueError, match="got too few; be more patient"):
        quick_seconds(alone[:1])


@pytest.mark.parametrize(
    ("limit", "alarms", "missed"),
    [
        (0.01, 9, ()),
        (0.1, 1, (2.0,)),
        (0.2, 0, (2.0,)),
        (0.3, 0, (3.0, 2.0)),
    ],
)
def test_limit_marks_quiet_samples_and_misses_slow_ones(
    limit: float, alarms: int, missed: tuple[float, ...]
) -> None:
    """A limit raises false alarms on quiet calls, and misses slow calls beside a load.

    A call is slow if it takes over a tenth longer than a quick one. One that is slow without a
    load, or quick beside one, does not count.
    """
    found = verdict(SAMPLES, 1.0, limit)

    assert (found.quiet, found.alarms) == (9, alarms)
    assert found.slow == 2
    assert found.missed == pytest.approx(missed)


def test_tables_name_library_loads_and_limits() -> None:
    """The tables name the library, give each load a line of medians, and each limit its counts."""
    lines = tables(SAMPLES).splitlines()

    assert lines[0] == "whisper.cpp: quick calls take 1000 ms"
    assert "  nothing               10            1.00    0.04   1.90    0.10      0.20" in lines
    assert "  one loop               1            3.00    0.30   1.90    0.10      0.20" in lines
    assert not any("two loops" in line for line in lines), "a load without samples has a line"
    assert "  with nothing beside them, 1 took 1.1 times as long, or more" in lines
    assert "   0.10             1 of 9                   1 of 2, up to 2.00 times" in lines


def test_library_that_is_not_installed_is_refused_with_the_command_that_adds_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library that is not installed is refused in one line with the command that adds it."""
    monkeypatch.setattr(
        contention, "why_not_installed", {"whisper.cpp": "", "faster-whisper": "no"}.get
    )
    monkeypatch.setattr(contention, "install_command", lambda names: f"pip install {names}")
    monkeypatch.setattr(sys, "argv", ["x", "--libraries", "whisper.cpp", "faster-whisper"])

    with pytest.raises(SystemExit) as ended:
        contention.main()

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert (
        "error: --libraries: expected some that are installed, got faster-whisper; add with: pip "
        "install ['faster-whisper'], or name others\n" in said
    )
