"""The command that measures a result again, as a shell and pytest take it."""

from __future__ import annotations

import shlex

import msgspec

from adapters.base import Case
from tests.helpers.results import CLIP, load, warm
from whisper_speedtest.results.report.again import command

replace = msgspec.structs.replace


def test_command_selects_the_one_test() -> None:
    """The command that measures a result again selects its test by the whole id."""
    before = ["pytest", "benchmarks", "--benchmark-only", "-k"]

    assert shlex.split(command(warm())) == [*before, warm().test]
    assert shlex.split(command(load())) == [*before, load().test]


def test_own_recording_has_to_be_named() -> None:
    """The command that measures a user's own recording again asks for its path.

    Where -k does not take the recording's name, the model's is given.
    """
    case = Case("whisper.cpp", "tiny.en", "q5_1")
    memo = replace(CLIP, name="memo 1 (copy)")
    result = warm(case=case, clip=memo, test=f"test_transcribe[{case}-{memo.name}]")

    assert shlex.split(command(result)) == [
        *("pytest", "benchmarks", "--benchmark-only", "--audio=PATH"),
        *("-k", "whisper.cpp-tiny.en-q5_1"),
    ]
    plain = replace(CLIP, name="memo")
    named = warm(case=case, clip=plain, test=f"test_transcribe[{case}-memo]")
    assert shlex.split(command(named))[-2:] == ["-k", named.test]
    assert "--audio=PATH" in command(named)
