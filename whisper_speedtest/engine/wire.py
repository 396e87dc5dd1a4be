"""The wire between pytest's process and an engine: builtins and bytes, in a form with a version.

The two may be of different checkouts of this suite and run in different interpreters, so nothing
that only one of them can read goes through it. The engine begins with a line that says which
version of the wire it speaks. Each request and each answer is then JSON, after its length in four
bytes, the most significant first:

    ["transcribe", ["short", {"!DecodeSettings": ["en", …]}], 0]    method, arguments, audio's bytes
    {"value": {"!Transcript": ["…", [[0.0, 2.5, "…"], …], false]}} or {"error": "…"}

Samples of audio follow their request as they are: float32, the least significant byte first.
"""

from __future__ import annotations

import json
import select
import socket
import struct
from dataclasses import fields
from typing import TYPE_CHECKING, Any, SupportsFloat, cast

from adapters.base import Case, DecodeSettings, Segment, Transcript
from whisper_speedtest.engine.facts import EngineFacts
from whisper_speedtest.engine.memory import Memory

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from adapters.base import Audio

VERSION = 1
"""Of the wire. It grows with each change of this module, of the calls that an engine answers, and
of the fields of KINDS."""

KINDS: dict[str, type[Any]] = {
    each.__name__: each for each in (Case, DecodeSettings, Transcript, EngineFacts, Memory)
}
"""What goes through the wire besides builtins: as `{"!Name": [its fields, in their order]}`."""

_MARKED = {f"!{name}": kind for name, kind in KINDS.items()}
_FIELDS = {kind: tuple(each.name for each in fields(kind)) for kind in KINDS.values()}
_GREETING = "whisper-speedtest engine, wire version "
_LENGTH = struct.Struct(">I")
MOST_BYTES = 1 << 26
"""The longest request or answer, without audio: a transcript of 100 hours is a tenth of it."""

MOST_SECONDS = 1e9
"""No audio is as long."""

MEND = "mend transcribe in its adapter"


class WireError(Exception):
    """What came through the wire cannot be read, or is of another version."""


class Wire:
    """One end of the wire."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def greet(self) -> None:
        """Say which version this end speaks: the first thing that an engine does."""
        self._connection.sendall(f"{_GREETING}{VERSION}\n".encode())

    def await_greeting(self) -> None:
        """Wait until the engine has said which version it speaks.

        Raises:
            WireError: It speaks another one, or says something else.
            EOFError: It has ended, or hung up.
        """
        line = b""
        while not line.endswith(b"\n") and len(line) < 100:
            line += self._received(1)
        text = line.decode(errors="replace").strip()
        if text != f"{_GREETING}{VERSION}":
            known = text.startswith(_GREETING)
            got = f"version {text.removeprefix(_GREETING)}" if known else repr(text)
            raise WireError(
                f"expected an engine that speaks version {VERSION} of the wire, got {got}; take "
                "two checkouts of this suite that speak the same version"
            )

    def send(self, message: object, audio: Audio | None = None) -> None:
        """Send a request or an answer, and the samples that belong to it.

        Raises:
            TypeError: There is something in it that is no builtin and none of KINDS.
            OSError: The other end is closed.
        """
        text = json.dumps(message, default=_plain).encode()
        self._connection.sendall(_LENGTH.pack(len(text)) + text)
        if audio is not None:
            self._connection.sendall(samples_as_bytes(audio))

    def receive(self) -> Any:
        """Return the next request or answer, without its audio.

        Raises:
            WireError: It cannot be read.
            EOFError, OSError: The other end is closed.
        """
        (length,) = _LENGTH.unpack(self._received(_LENGTH.size))
        if length > MOST_BYTES:
            raise WireError(f"expected at most {MOST_BYTES} bytes, got {length}")
        try:
            return json.loads(self._received(length), object_hook=_built)
        except (ValueError, TypeError, RecursionError) as error:
            raise WireError(f"{type(error).__name__}: {error}") from error

    def receive_audio(self, size: int) -> Audio:
        """Return samples of so many bytes, which can be written to."""
        import numpy as np

        return np.frombuffer(self._received(size), dtype="<f4")

    def has_come(self, seconds: float) -> bool:
        """Wait so many seconds at most for the other end; tell whether anything has come."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close this end; safe to call again."""
        self._connection.close()

    def _received(self, size: int) -> bytearray:
        """Return the next bytes, so many of them."""
        content = bytearray(size)
        rest = memoryview(content)
        while rest:
            count = self._connection.recv_into(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return content


def samples_as_bytes(audio: Audio) -> memoryview:
    """Return the bytes of mono float32 samples, which are not copied.

    Raises:
        ValueError: They are not that, or do not lie one after another.
    """
    view = memoryview(cast("Buffer", audio))  # numpy's types say so from Python 3.12 on
    if view.format != "f" or view.ndim != 1 or not view.c_contiguous:
        raise ValueError(
            "expected audio of float32, shape (n_samples,), in one piece, got format "
            f"{view.format!r} and shape {view.shape}; read it with read_audio"
        )
    return view.cast("B")


def size_of(audio: Audio | None) -> int:
    """Return how many bytes of audio follow a request."""
    return 0 if audio is None else samples_as_bytes(audio).nbytes


def _plain(value: object) -> object:
    """Return what stands in JSON for something that JSON does not know."""
    if isinstance(value, Transcript):
        segments = [[each.start, each.end, each.text] for each in value.segments]
        return {"!Transcript": [value.text, segments, value.fallback]}
    names = _FIELDS.get(type(value))
    if names is not None:
        return {f"!{type(value).__name__}": [getattr(value, name) for name in names]}
    if isinstance(value, SupportsFloat):  # A number of numpy's, as libraries give for times.
        return float(value)
    raise TypeError(f"expected builtins, numbers or one of {', '.join(KINDS)}, got {value!r:.80}")


def _built(found: dict[str, Any]) -> object:
    """Return what a JSON object stands for. Lists in fields become tuples."""
    if len(found) != 1:
        return found
    ((mark, values),) = found.items()
    kind = _MARKED.get(mark)
    if kind is None:
        return found
    if len(values) != len(_FIELDS[kind]):
        expected = ", ".join(_FIELDS[kind])
        raise TypeError(f"expected {kind.__name__} with {expected}, got {values!r:.80}")
    if kind is Transcript:
        text, segments, fallback = values
        return _checked(Transcript(text, tuple(Segment(*each) for each in segments), fallback))
    return kind(*(tuple(each) if isinstance(each, list) else each for each in values))


def _checked(transcript: Transcript) -> Transcript:
    """Return a transcript whose texts are texts, and whose times are numbers of seconds.

    A library may give anything, and what is no number can be neither compared nor written to JSON.

    Raises:
        TypeError: Something is not what it is to be.
    """
    if not isinstance(transcript.text, str):
        raise TypeError(f"expected a transcript with a text, got {transcript.text!r:.80}; {MEND}")
    for each in transcript.segments:
        text: object = each.text
        if not (isinstance(text, str) and _is_time(each.start) and _is_time(each.end)):
            raise TypeError(
                f"expected a segment with a text, and times in seconds, got {each!r:.80}; {MEND}"
            )
    return transcript


def _is_time(value: object) -> bool:
    """Tell whether this is a number of seconds: neither nan nor an infinity is."""
    return isinstance(value, (int, float)) and abs(value) < MOST_SECONDS
