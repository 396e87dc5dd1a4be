"""Describes errors of any origin, with advice if one comes from a limit of the system.

The system's own text is only "Too many open files" or "Cannot allocate memory". It does not say
what the limit is, nor how to raise it. A process has the limits of the shell that started it.
"""

from __future__ import annotations

import errno
import os
import resource

MOST_TEXT = 2000
"""How many characters of an error's text are quoted."""

UNLIMITED = 2**62
"""A limit that is as high as this, or higher, limits nothing."""

ERROR_TEXTS = {
    "can't start new thread": errno.EAGAIN,
    **{
        os.strerror(number): number
        for number in (errno.ENFILE, errno.EMFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC)
    },
}
"""Text of an error that comes from a limit → its errno, as native code passes on the text alone.

"Too many open files in system" comes before "Too many open files", with which it begins.
"""

LEAST_FILES = 256
"""How many files a process needs to be able to open: the usual limit of macOS is enough."""


def describe(error: BaseException) -> str:
    """Return the type and text of an error, and what to do if it comes from a limit."""
    return with_next_step(f"{type(error).__name__}: {text_of(error)}", advice_on_limit(error))


def with_next_step(said: str, step: str) -> str:
    """Return a text with a next step added to its first line, which is all that summaries show."""
    if not step:
        return said
    first, *rest = said.split("\n")
    return "\n".join([f"{first}; {step}", *rest])


def text_of(error: BaseException, most: int = MOST_TEXT) -> str:
    """Return at most so many characters of an error's text, each of which can be encoded.

    The class of the error may come from any library, and fail to make a text.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever it raises
        return "(an error without a text)"
    return encodable(text, most)


def encodable(text: str, most: int = MOST_TEXT) -> str:
    """Return at most so many characters of a text, each of which can be encoded."""
    return text[:most].encode(errors="backslashreplace").decode()


def advice_on_limit(error: BaseException) -> str:
    """Return which limit an error most likely comes from, and what to do; "" if from none."""
    if isinstance(error, MemoryError):
        return _advice(errno.ENOMEM)
    if isinstance(error, OSError) and error.errno is not None:
        return _advice(error.errno)
    return advice_on_limit_in(text_of(error))


def advice_on_limit_in(text: str) -> str:
    """Return which limit a text mentions, and what to do; "" if it mentions none."""
    for error_text, number in ERROR_TEXTS.items():
        if error_text in text:
            return _advice(number)
    return ""


def _advice(number: int) -> str:
    """Return which limit an errno stands for, and what to do; "" if it stands for none."""
    if number == errno.ENOMEM:
        return memory_limit() or "close other programs, or choose a smaller size"
    if number == errno.EMFILE:
        limit = _limit(resource.RLIMIT_NOFILE)
        if limit is None:
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
    """Return the limit on this process's memory, and how to lift it; "" if there is none."""
    for kind, letter in ((resource.RLIMIT_AS, "v"), (resource.RLIMIT_DATA, "d")):
        if limit := _limit(kind):
            return f"the limit is {limit} bytes of memory, which `ulimit -{letter} unlimited` lifts"
    return ""


def _limit(kind: int) -> int | None:
    """Return a limit of this process; None if it is unlimited."""
    limit, _ = resource.getrlimit(kind)
    return None if limit == resource.RLIM_INFINITY or limit >= UNLIMITED else limit
