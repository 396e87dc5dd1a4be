"""The wire: the versioned protocol between pytest's process and an engine, of builtins and bytes.

Both ends may run different checkouts of this suite in different interpreters, so nothing is sent
that only one of them can read. The engine first sends a line with the version of its wire. Then
each request and each answer is JSON, after its length in four bytes, the most significant first:

    ["transcribe", ["short", {"!DecodeSettings": ["en", …]}], 0]    method, arguments, audio's bytes
    {"value": {"!Transcript": ["…", [[0.0, 2.5, "…"], …], false]}} or {"error": "…"}

Samples of audio follow their request as raw float32, the least significant byte first.
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
"""The version of the wire. It grows with each change of this module, of the calls that an engine
answers, and of the fields of KINDS."""

KINDS: dict[str, type[Any]] = {
    each.__name__: each for each in (Case, DecodeSettings, Transcript, EngineFacts, Memory)
}
"""Types that are sent besides builtins, as `{"!Name": [its fields, in their order]}`."""

_MARKED = {f"!{name}": kind for name, kind in KINDS.items()}
_FIELDS = {kind: tuple(each.name for each in fields(kind)) for kind in KINDS.values()}
_GREETING = "whisper-speedtest engine, wire version "
_LENGTH = struct.Struct(">I")
MOST_BYTES = 1 << 26
"""The longest request or answer, without audio: a transcript of 100 hours is a tenth of it."""

MOST_SECONDS = 1e9
"""More seconds than any audio has."""

MEND = "mend transcribe in its adapter"


class WireError(Exception):
    """A message cannot be read, or has another version of the wire."""


class Wire:
    """One end of the wire."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def greet(self) -> None:
        """Send the version of this end, which is the first thing that an engine does."""
        self._connection.sendall(f"{_GREETING}{VERSION}\n".encode())

    def await_greeting(self) -> None:
        """Wait for the version of the engine, and check it.

        Raises:
            WireError: The engine has another version, or sent something else.
            EOFError: The engine has ended, or closed its end.
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
            TypeError: The message has a value that is neither a builtin nor one of KINDS.
            OSError: The other end is closed.
        """
        text = json.dumps(message, default=_plain).encode()
        self._connection.sendall(_LENGTH.pack(len(text)) + text)
        if audio is not None:
            self._connection.sendall(samples_as_bytes(audio))

    def receive(self) -> Any:
        """Return the next request or answer, without its audio.

        Raises:
            WireError: The message cannot be read.
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
        """Return the next `size` bytes as samples, in an array that can be written to."""
        import numpy as np

        return np.frombuffer(self._received(size), dtype="<f4")

    def has_come(self, seconds: float) -> bool:
        """Wait at most so many seconds for the other end; tell whether anything has arrived."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close this end; safe to call again."""
        self._connection.close()

    def _received(self, size: int) -> bytearray:
        """Return the next `size` bytes."""
        content = bytearray(size)
        rest = memoryview(content)
        while rest:
            count = self._connection.recv_into(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return content


def samples_as_bytes(audio: Audio) -> memoryview:
    """Return the bytes of mono float32 samples without copying them.

    Raises:
        ValueError: The samples have another shape or type, or are not contiguous.
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
    """Return the JSON form of a value that is no builtin."""
    if isinstance(value, Transcript):
        segments = [[each.start, each.end, each.text] for each in value.segments]
        return {"!Transcript": [value.text, segments, value.fallback]}
    names = _FIELDS.get(type(value))
    if names is not None:
        return {f"!{type(value).__name__}": [getattr(value, name) for name in names]}
    if isinstance(value, SupportsFloat):  # A numpy scalar, as some libraries return for a time.
        return float(value)
    raise TypeError(f"expected builtins, numbers or one of {', '.join(KINDS)}, got {value!r:.80}")


def _built(sent: dict[str, Any]) -> object:
    """Return the value that `_plain` made into a JSON object; lists in its fields become tuples."""
    if len(sent) != 1:
        return sent
    ((mark, values),) = sent.items()
    kind = _MARKED.get(mark)
    if kind is None:
        return sent
    if len(values) != len(_FIELDS[kind]):
        expected = ", ".join(_FIELDS[kind])
        raise TypeError(f"expected {kind.__name__} with {expected}, got {values!r:.80}")
    if kind is Transcript:
        text, segments, fallback = values
        return _checked(Transcript(text, tuple(Segment(*each) for each in segments), fallback))
    in_order = [tuple(each) if isinstance(each, list) else each for each in values]
    return kind(*in_order)


def _checked(transcript: Transcript) -> Transcript:
    """Return a transcript, after checking the types of its texts and times.

    A library may return anything, and wrong types could neither be compared nor written to JSON.

    Raises:
        TypeError: A text is no string, or a time is no number of seconds.
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
    """Tell whether a value is a number of seconds, and neither NaN nor infinite."""
    return isinstance(value, (int, float)) and abs(value) < MOST_SECONDS
