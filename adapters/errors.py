"""What is said of an error of any origin: its type, its text, and the limit that it is about.

The system itself says no more than "Too many open files" or "Cannot allocate memory". The limits of
a process are those of the shell that it was started from.
"""

from __future__ import annotations

import errno
import os
import resource

MOST_TEXT = 2000
"""Characters that are quoted of an error."""

UNLIMITED = 2**62
"""A limit of a process of so many, or more, is none."""

SAID = {
    "can't start new thread": errno.EAGAIN,
    **{
        os.strerror(number): number
        for number in (errno.ENFILE, errno.EMFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC)
    },
}
"""What is said where a limit is met → its number, which native code does not hand on.

"Too many open files in system" comes before "Too many open files", with which it begins.
"""

LEAST_FILES = 256
"""Files that a process is to be able to open: the usual limit of macOS, with which all runs."""


def said_of(error: BaseException) -> str:
    """Return the type of an error, its text, and what to do where a limit is behind it."""
    return with_step(f"{type(error).__name__}: {text_of(error)}", limit_behind(error))


def with_step(said: str, step: str) -> str:
    """Return what is said with a next step in its first line, which is all that summaries have."""
    first, *rest = said.split("\n")
    return "\n".join([f"{first}; {step}", *rest]) if step else said


def text_of(error: BaseException, most: int = MOST_TEXT) -> str:
    """Return so many characters of an error's text at most, each of which can be encoded.

    The class of the error may be anybody's, so that it may have no text.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever it raises
        return "(an error without a text)"
    return encodable(text, most)


def encodable(text: str, most: int = MOST_TEXT) -> str:
    """Return so many characters of a text at most, each of which can be encoded."""
    return text[:most].encode(errors="backslashreplace").decode()


def limit_behind(error: BaseException) -> str:
    """Return what limit an error is most likely about, and what to do; "" if it is about none."""
    if isinstance(error, MemoryError):
        return _what_to_do(errno.ENOMEM)
    number = error.errno if isinstance(error, OSError) else None
    return limit_told(text_of(error)) if number is None else _what_to_do(number)


def limit_told(text: str) -> str:
    """Return what limit is spoken of in a text, and what to do; "" if there is none in it."""
    return next((_what_to_do(number) for said, number in SAID.items() if said in text), "")


def _what_to_do(number: int) -> str:
    """Return what limit the number of an error stands for, and what to do; "" if for none."""
    if number == errno.ENOMEM:
        return memory_limit() or "close other programs, or choose a smaller size"
    if number == errno.EMFILE:
        if (limit := _limit(resource.RLIMIT_NOFILE)) is None:
            return "that is the system's own limit for a process; close other programs"
        more = max(LEAST_FILES, 2 * limit)
        return f"the limit is {limit} open files a process, which `ulimit -n {more}` raises"
    if number == errno.ENFILE:
        return "that is the limit of the whole system; end other programs"
    if number == errno.EAGAIN:
        most = _limit(resource.RLIMIT_NPROC)
        if most and os.geteuid() != 0:
            return (
                f"the limit is {most} processes and threads of this user, which "
                f"`ulimit -u {2 * most}` raises; or end some"
            )
        return "that is the limit of the container or the system; allow more processes, or end some"
    if number == errno.EFBIG and (size := _limit(resource.RLIMIT_FSIZE)):
        return f"the limit is {size} bytes a file, which `ulimit -f unlimited` lifts"
    if number in {errno.ENOSPC, errno.EDQUOT}:
        return "make room there, or name a folder with more of it by --basetemp or TMPDIR"
    return ""


def memory_limit() -> str:
    """Return what limits the memory of this process and what lifts that; "" where nothing does."""
    for kind, letter in ((resource.RLIMIT_AS, "v"), (resource.RLIMIT_DATA, "d")):
        if limit := _limit(kind):
            return f"the limit is {limit} bytes of memory, which `ulimit -{letter} unlimited` lifts"
    return ""


def _limit(kind: int) -> int | None:
    """Return the limit of this process that is in force; None where there is none."""
    limit, _ = resource.getrlimit(kind)
    return None if limit == resource.RLIM_INFINITY or limit >= UNLIMITED else limit
