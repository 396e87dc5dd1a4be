"""The hashes that files and commits are known by, against values that git and sha256sum print."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.cache.hashes import (
    CHUNK,
    FileDigest,
    Proof,
    digest,
    hash_name,
    is_etag,
    is_sha1,
    is_sha256,
    prove,
)

if TYPE_CHECKING:
    from pathlib import Path

# printf 'hello\n' | git hash-object --stdin; printf 'hello\n' | sha256sum
HELLO_GIT = "ce013625030ba8dba906f756967f9e9ca394464a"
HELLO_SHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


@pytest.mark.parametrize(
    ("text", "sha1", "sha256"),
    [
        (HELLO_GIT, True, False),
        (HELLO_SHA256, False, True),
        (HELLO_GIT.upper(), False, False),
        (HELLO_GIT[:-1], False, False),
        (HELLO_GIT + "0", False, False),
        (HELLO_SHA256[:-1], False, False),
        (HELLO_SHA256 + "0", False, False),
        ("g" * 40, False, False),
        ("0" * 50, False, False),
        (HELLO_GIT + "\n", False, False),
        ("", False, False),
    ],
)
def test_forms_of_hashes_are_told_apart(text: str, sha1: bool, sha256: bool) -> None:
    """A hash is 40 or 64 lower-case hex digits, with nothing before or after them."""
    assert (is_sha1(text), is_sha256(text), is_etag(text)) == (sha1, sha256, sha1 or sha256)


def test_kind_of_hash_has_a_name() -> None:
    """Each kind of hash has a name for error messages."""
    assert hash_name(HELLO_GIT) == "git sha1"
    assert hash_name(HELLO_SHA256) == "sha256"
    assert hash_name("") == "sha256"


@pytest.mark.parametrize(
    ("etag", "expected"), [("0" * 40, HELLO_GIT), ("0" * 64, HELLO_SHA256), ("", HELLO_SHA256)]
)
def test_file_is_hashed_as_its_etag_asks(tmp_path: Path, etag: str, expected: str) -> None:
    """A file is hashed by git's sha1 where its etag is one, and always by sha256."""
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")

    assert digest(path, etag) == (Proof(6, HELLO_SHA256), expected)
    assert prove(path) == Proof(6, HELLO_SHA256)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_file_is_read_to_its_last_byte(tmp_path: Path, size: int) -> None:
    """A file is read to its last byte, however its size compares with the pieces it is read in."""
    body = hashlib.shake_256(b"a file").digest(size)
    path = tmp_path / "file"
    path.write_bytes(body)

    proof, etag = digest(path, "0" * 40)

    assert proof == Proof(size, hashlib.sha256(body).hexdigest())
    assert etag == hashlib.sha1(b"blob %d\0" % size + body, usedforsecurity=False).hexdigest()


def test_pieces_add_up() -> None:
    """A download is hashed as it comes, in any pieces, and what has come is counted in bytes."""
    whole = FileDigest(6, "0" * 40)

    for piece in (b"he", bytearray(b""), memoryview(b"llo"), b"\n"):
        whole.update(piece)

    assert whole.received == 6
    assert whole.result() == (Proof(6, HELLO_SHA256), HELLO_GIT)
