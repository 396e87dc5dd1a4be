"""An error that a limit of the system is behind is told with the limit and what raises it."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

import pytest

from adapters.errors import (
    MOST_TEXT,
    advice_on_limit,
    advice_on_limit_in,
    describe,
    memory_limit,
    text_of,
    with_next_step,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Limit = Callable[..., None]

LIMITS = {
    "files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "file_size": resource.RLIMIT_FSIZE,
    "address_space": resource.RLIMIT_AS,
    "data": resource.RLIMIT_DATA,
}


def failed(number: int) -> OSError:
    """Return the error of a call of the system's that failed with this number."""
    return OSError(number, os.strerror(number))


@pytest.fixture(name="limit")
def _limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """A function that sets some limits, by their names in LIMITS; none is set otherwise."""
    kinds = dict.fromkeys(LIMITS.values(), resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (kinds[kind], resource.RLIM_INFINITY))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def limit(**values: int) -> None:
        kinds.update({LIMITS[name]: value for name, value in values.items()})

    return limit


@pytest.mark.parametrize(("files", "more"), [(64, 256), (128, 256), (129, 258), (1024, 2048)])
def test_limit_on_open_files_is_told_with_a_higher_one(limit: Limit, files: int, more: int) -> None:
    """The limit on open files is reported with a command that raises it."""
    limit(files=files)

    assert advice_on_limit(failed(errno.EMFILE)) == (
        f"the limit is {files} open files a process, which `ulimit -n {more}` raises"
    )


def test_limit_on_open_files_that_is_not_the_shells_is_told_as_such(limit: Limit) -> None:
    """A limit on open files that is not the shell's is reported as the system's."""
    limit(files=resource.RLIM_INFINITY)

    assert advice_on_limit(failed(errno.EMFILE)) == (
        "that is the system's own limit for a process; close other programs"
    )


@pytest.mark.parametrize(
    "error",
    [
        failed(errno.EAGAIN),
        RuntimeError("can't start new thread"),
        RuntimeError(f"of native code: {os.strerror(errno.EAGAIN)}"),
    ],
)
def test_limit_on_processes_is_told_with_a_higher_one(
    limit: Limit, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit on processes is named with a command that raises it, except for root."""
    limit(processes=100)

    assert advice_on_limit(error) == (
        "the limit is 100 processes and threads of this user, which `ulimit -u 200` raises; or end "
        "some"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert advice_on_limit(error) == (
        "that is the limit of the container or the system; allow more processes, or end some"
    )


@pytest.mark.parametrize("error", [failed(errno.ENOMEM), MemoryError()])
def test_memory_is_the_limit_of_the_shell_or_the_machines(limit: Limit, error: Exception) -> None:
    """A lack of memory is reported with the shell's limit, or else with what may help."""
    assert memory_limit() == ""
    assert advice_on_limit(error) == "close other programs, or choose a smaller size"
    limit(data=5)
    assert (
        advice_on_limit(error)
        == "the limit is 5 bytes of memory, which `ulimit -d unlimited` lifts"
    )
    limit(address_space=7)
    assert (
        advice_on_limit(error)
        == "the limit is 7 bytes of memory, which `ulimit -v unlimited` lifts"
    )
    assert memory_limit() == advice_on_limit(error)


def test_limit_that_no_machine_could_reach_is_none(limit: Limit) -> None:
    """A limit of 2**62 bytes or more counts as none."""
    limit(data=2**62 - 1)
    assert memory_limit().startswith("the limit is 4611686018427387903 bytes of memory")
    for none in (2**62, 2**63 - 1):
        limit(data=none)
        assert memory_limit() == ""


def test_other_limits_say_what_to_do(limit: Limit) -> None:
    """Limits of open files, of a file's size, of a disk and of a quota each say what to do."""
    limit(file_size=9)
    room = "make room there, or name a folder with more of it by --basetemp or TMPDIR"

    assert {
        number: advice_on_limit(failed(number))
        for number in (errno.ENFILE, errno.EFBIG, errno.ENOSPC, errno.EDQUOT)
    } == {
        errno.ENFILE: "that is the limit of the whole system; end other programs",
        errno.EFBIG: "the limit is 9 bytes a file, which `ulimit -f unlimited` lifts",
        errno.ENOSPC: room,
        errno.EDQUOT: room,
    }


@pytest.mark.parametrize(
    "error",
    [failed(errno.EACCES), failed(errno.EFBIG), RuntimeError("no GPU"), OSError("no errno")],
)
@pytest.mark.usefixtures("limit")
def test_other_errors_are_about_no_limit(error: Exception) -> None:
    """An error that is about no limit is reported as it is."""
    assert advice_on_limit(error) == ""
    assert describe(error) == f"{type(error).__name__}: {error}"


def test_what_is_said_of_an_error_ends_with_the_limit(limit: Limit) -> None:
    """An error behind which there is a limit is reported with that limit."""
    limit(files=64)

    assert describe(failed(errno.EMFILE)) == (
        f"OSError: [Errno {errno.EMFILE}] Too many open files; the limit is 64 open files a "
        "process, which `ulimit -n 256` raises"
    )


class OddError(Exception):
    """An error that has no text, as one of any library may be."""

    def __str__(self) -> str:
        """Fail."""
        raise ValueError


def test_text_of_an_error_can_be_printed_and_has_an_end() -> None:
    """The text of an error can be printed, has an end, and is there even if the error has none."""
    assert text_of(ValueError("a name \udcff, 大")) == "a name \\udcff, 大"
    assert text_of(ValueError("x" * 3000)) == "x" * MOST_TEXT
    assert text_of(ValueError("abc"), 2) == "ab"
    assert describe(OddError()) == "OddError: (an error without a text)"


def test_next_step_stands_in_the_first_line() -> None:
    """The next step stands in the first line of a reason."""
    assert with_next_step("first\nsecond\nthird", "do this") == "first; do this\nsecond\nthird"
    assert with_next_step("first\nsecond", "") == "first\nsecond"


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC]
)
def test_limit_is_known_by_the_words_of_the_system(limit: Limit, number: int) -> None:
    """A limit is known by the system's words for it in a text."""
    limit(files=64, processes=100)
    told = advice_on_limit_in(f"cannot go on ({os.strerror(number)})")

    assert told
    assert told == advice_on_limit(failed(number))
