"""The wire between pytest's process and an engine: what goes through it, and what is refused."""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import fields
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from adapters.base import Case, DecodeSettings, Segment, Transcript
from whisper_speedtest.engine.facts import EngineFacts
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.engine.wire import KINDS, MOST_BYTES, VERSION, Wire, WireError, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

A_SEGMENT = "expected a segment with a text, and times in seconds"

FIELDS = {
    "Case": "adapter size variant",
    "DecodeSettings": "language beam_size temperature fallback timestamps context vad batch_size "
    "threads",
    "Segment": "start end text",
    "Transcript": "text segments fallback",
    "EngineFacts": "versions threads dtype mends device compiler environment",
    "Memory": "footprint accelerator",
}
"""Of version 1."""

FACTS = EngineFacts(
    versions={"mlx": "0.32.4"},
    threads=None,
    dtype="float16",
    mends=("the first", "the second"),
    device="gpu",
    compiler=None,
    environment={"OMP_NUM_THREADS": "2"},
)
TRANSCRIPT = Transcript(
    "the ship, the “sea”",
    (Segment(0.0, 2.5, "the ship,"), Segment(2.5, 4.123456789012345, "the “sea”")),
    fallback=True,
)


@pytest.fixture(name="ends")
def _ends() -> Iterator[tuple[socket.socket, Wire]]:
    """A bare socket, and the wire at its other end."""
    bare, other = socket.socketpair()
    with bare, other:
        yield bare, Wire(other)


def framed(content: bytes) -> bytes:
    """Return a message with its length before it."""
    return struct.pack(">I", len(content)) + content


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        "text",
        {"a": 1, "!b": 2},
        {"Case": ["toy", "micro", "good"]},
        [1, "two"],
        Case("lightning-whisper-mlx", "tiny", "4bit"),
        DecodeSettings(language="de", beam_size=5, temperature=0.2, vad=True, threads=None),
        DecodeSettings(fallback=True, timestamps=False, context=True, batch_size=6, threads=4),
        TRANSCRIPT,
        Transcript("", (), fallback=False),
        FACTS,
        Memory(123, None),
        Memory(footprint=1, accelerator=4096),
    ],
    ids=str,
)
def test_what_goes_in_comes_out(ends: tuple[socket.socket, Wire], value: object) -> None:
    """Builtins and the parts of calls and answers arrive as they were sent."""
    bare, wire = ends

    Wire(bare).send({"value": value})

    assert wire.receive() == {"value": value}


def test_message_is_json_after_its_length(ends: tuple[socket.socket, Wire]) -> None:
    """A message is JSON after its length, with no class of ours."""
    bare, wire = ends

    wire.send(["load", [Case("toy", "micro", "good")], 0])

    content = bare.recv(1000)
    assert content[:4] == (len(content) - 4).to_bytes(4, "big")
    assert json.loads(content[4:]) == ["load", [{"!Case": ["toy", "micro", "good"]}], 0]


def test_longest_message_is_still_waited_for(ends: tuple[socket.socket, Wire]) -> None:
    """A message of exactly the greatest length is not refused by its length."""
    bare, wire = ends
    bare.sendall(struct.pack(">I", MOST_BYTES))
    bare.shutdown(socket.SHUT_WR)

    with pytest.raises(EOFError):
        wire.receive()


def test_other_end_is_waited_for_in_seconds(ends: tuple[socket.socket, Wire]) -> None:
    """An end of the wire waits for the other up to a limit in seconds."""
    bare, wire = ends
    later = threading.Timer(0.1, bare.sendall, [b"!"])
    later.start()

    assert wire.has_come(30)
    later.join()


def test_numbers_of_numpy_become_python_s(ends: tuple[socket.socket, Wire]) -> None:
    """A transcript's numbers of numpy arrive as Python's."""
    bare, wire = ends

    segment = Segment(cast("float", np.float32(1.5)), np.float64(2.25), "text")
    Wire(bare).send({"value": Transcript("text", (segment,), fallback=False)})

    [segment] = wire.receive()["value"].segments
    assert segment == Segment(1.5, 2.25, "text")
    assert type(segment.start) is float


def test_what_is_neither_builtin_nor_known_is_refused(ends: tuple[socket.socket, Wire]) -> None:
    """A value that is neither builtin nor known is refused by name, and nothing of it is sent."""
    bare, wire = ends

    with pytest.raises(TypeError, match=r"expected builtins, numbers or one of Case, .*, got <obj"):
        wire.send({"value": object()})

    wire.send("next")
    assert bare.recv(100) == framed(b'"next"')


def test_audio_follows_its_request_as_raw_samples(ends: tuple[socket.socket, Wire]) -> None:
    """Audio follows its request as raw samples of four bytes, and arrives writeable."""
    bare, wire = ends
    audio = np.linspace(-1, 1, 200_001, dtype=np.float32)
    sender = threading.Thread(
        target=lambda: Wire(bare).send(["hear", ["clip"], size_of(audio)], audio)
    )
    sender.start()

    method, arguments, size = wire.receive()
    received = wire.receive_audio(size)
    sender.join()

    assert (method, arguments, size) == ("hear", ["clip"], 4 * 200_001)
    assert received.dtype == np.float32
    assert np.array_equal(received, audio)
    received[0] = 0.5


def test_size_of_no_audio_is_none(ends: tuple[socket.socket, Wire]) -> None:
    """A request without audio announces no bytes, and so does one with no sample."""
    bare, wire = ends

    assert size_of(None) == 0
    empty = np.zeros(0, np.float32)
    assert size_of(empty) == 0
    Wire(bare).send("empty", empty)
    assert wire.receive() == "empty"
    assert len(wire.receive_audio(0)) == 0


@pytest.mark.parametrize(
    ("audio", "got"),
    [
        (np.zeros(4), r"format 'd' and shape \(4,\)"),
        (np.zeros((2, 2), np.float32), r"format 'f' and shape \(2, 2\)"),
        (np.zeros(8, np.float32)[::2], r"format 'f' and shape \(4,\)"),
    ],
)
def test_audio_of_another_form_is_refused(audio: np.ndarray, got: str) -> None:
    """Audio that is not one dimension of contiguous float32 is refused."""
    with pytest.raises(ValueError, match=rf"expected audio of float32, .*, got {got}"):
        size_of(audio)


def test_greeting_of_the_same_version_is_accepted(ends: tuple[socket.socket, Wire]) -> None:
    """A greeting of the same version of the wire is accepted."""
    bare, wire = ends

    Wire(bare).greet()
    bare.sendall(framed(b"1"))

    wire.await_greeting()
    assert wire.receive() == 1, "expected the greeting to take its own line and no more"


@pytest.mark.parametrize(
    ("said", "got"),
    [
        ("whisper-speedtest engine, wire version 7\n", "version 7"),
        (f"whisper-speedtest engine, wire version {VERSION}1\n", f"version {VERSION}1"),
        ("Segmentation fault\n", "'Segmentation fault'"),
        ("x" * 200, f"'{'x' * 100}'"),
    ],
)
def test_greeting_of_another_version_names_both(
    ends: tuple[socket.socket, Wire], said: str, got: str
) -> None:
    """A greeting of another version is refused with both versions and what to do."""
    bare, wire = ends
    bare.sendall(said.encode())
    bare.shutdown(socket.SHUT_WR)  # so that who waits for more meets the end

    with pytest.raises(WireError) as refused:
        wire.await_greeting()

    assert str(refused.value) == (
        f"expected an engine that speaks version {VERSION} of the wire, got {got}; take two "
        "checkouts of this suite that speak the same version"
    )


def test_end_of_the_other_side_is_told(ends: tuple[socket.socket, Wire]) -> None:
    """The end of the wire's other side is noticed, even in the midst of a message."""
    bare, wire = ends
    bare.sendall(framed(b"[1, 2, 3]")[:-2])
    bare.close()

    with pytest.raises(EOFError):
        wire.receive()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"hello", "JSONDecodeError: "),
        (b"\xff", "UnicodeDecodeError: "),
        (
            b'{"!Transcript": ["", [[0.0, 1.0]], false]}',
            "TypeError: Segment.__init__() missing 1 req",
        ),
        *(
            (
                f'{{"!Transcript": [{text}, [], false]}}'.encode(),
                f"TypeError: expected a transcript with a text, got {got}; mend transcribe in its",
            )
            for text, got in (("null", "None"), ("5", "5"), ("[]", "[]"))
        ),
        *(
            (
                f'{{"!Transcript": ["a", [[0, 1, "a"], [{times}, "b"]], false]}}'.encode(),
                f"TypeError: {A_SEGMENT}, got Segment(start={got}, text='b'); mend transcribe",
            )
            for times, got in (
                ("NaN, 1.0", "nan, end=1.0"),
                ("0.5, Infinity", "0.5, end=inf"),
                ("-Infinity, 1.0", "-inf, end=1.0"),
                ("null, 1.0", "None, end=1.0"),
                ('0.5, "1"', "0.5, end='1'"),
                ("1e9, 2.0", "1000000000.0, end=2.0"),
            )
        ),
        (
            b'{"!Transcript": ["a", [[0, 1, null]], false]}',
            f"TypeError: {A_SEGMENT}, got Segment(start=0, end=1, text=None); mend transcribe",
        ),
        (b'{"!Memory": [1]}', "TypeError: expected Memory with footprint, accelerator, got [1]"),
        (b"[" * 100_000, "RecursionError: "),
    ],
)
def test_message_that_cannot_be_read_is_told(
    ends: tuple[socket.socket, Wire], content: bytes, error: str
) -> None:
    """A message that is no JSON, or whose parts are not as they should be, is an error."""
    bare, wire = ends
    # macOS takes 8 KiB before they are read.
    sender = threading.Thread(target=bare.sendall, args=[framed(content)], daemon=True)
    sender.start()

    with pytest.raises(WireError) as refused:
        wire.receive()

    sender.join()
    assert str(refused.value).startswith(error)


def test_message_of_an_impossible_length_is_not_waited_for(
    ends: tuple[socket.socket, Wire],
) -> None:
    """A message of an impossible length is refused by its length, and not waited for."""
    bare, wire = ends
    bare.sendall(b"hello, this is no message")

    with pytest.raises(WireError, match=r"expected at most 67108864 bytes, got 1751477356"):
        wire.receive()


def test_waiting_ends_when_something_has_come(ends: tuple[socket.socket, Wire]) -> None:
    """Whether something has come on the wire can be asked without taking it."""
    bare, wire = ends

    assert not wire.has_come(0)
    bare.sendall(framed(b"2"))
    assert wire.has_come(60)
    assert wire.receive() == 2


def test_version_grows_with_what_goes_through() -> None:
    """The wire's version stands for the fields of what goes through it, and their order."""
    kinds = {**KINDS, "Segment": Segment}
    found = {name: " ".join(field.name for field in fields(kind)) for name, kind in kinds.items()}

    assert (VERSION, found) == (1, FIELDS), (
        "the parts that go through the wire have other fields: raise VERSION in "
        "whisper_speedtest/engine/wire.py, and put both into this test"
    )
