"""Writes a download piece by piece, and hashes it on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.cache.hashes import CHUNK, FileDigest
from whisper_speedtest.cache.model import VerificationError
from whisper_speedtest.hub.tries import Again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from whisper_speedtest.cache.evidence import RemoteFile
    from whisper_speedtest.cache.hashes import Proof


class PartialFile:
    """What has been received so far of a listed file."""

    def __init__(self, out: BinaryIO, file: RemoteFile, advance: Callable[[int], None]) -> None:
        """Take the content of `out` as the file's beginning, unless it is too long.

        `advance` is called with the bytes of each further piece, and with a negative number when
        bytes are discarded.
        """
        self._out = out
        self._file = file
        self._advance = advance
        self._digest = FileDigest(file.size, file.etag)
        while chunk := out.read(CHUNK):
            self._digest.update(chunk)
        if self.size > file.size:
            self.start_over()

    @property
    def size(self) -> int:
        """How many bytes have been received."""
        return self._digest.received

    def start_over(self) -> None:
        """Discard everything that has been received."""
        self._advance(-self.size)
        self._out.seek(0)
        self._out.truncate()
        self._digest = FileDigest(self._file.size, self._file.etag)

    def add(self, pieces: Iterable[bytes]) -> None:
        """Add pieces as they arrive; stop at the first one that makes the file too long."""
        # Each write and each hash may hand over to another thread, so small pieces are collected.
        together = bytearray()
        try:
            for piece in pieces:
                together += piece
                if self.size + len(together) > self._file.size:
                    break
                if len(together) >= CHUNK:
                    self._keep(together)
        finally:
            self._keep(together)

    def _keep(self, pieces: bytearray) -> None:
        """Write and hash some pieces, empty `pieces`, and report the progress."""
        self._out.write(pieces)
        self._digest.update(pieces)
        size = len(pieces)
        pieces.clear()  # before `advance`: if that raised, `add` would write them once more
        self._advance(size)

    def proof(self) -> Proof:
        """Return the proof of the whole file, which matches the listing.

        Raises:
            Again: The file is incomplete, or it differs from the listing and was discarded.
        """
        file = self._file
        if self.size < file.size:
            wrong = f"expected {file.size} bytes, got {self.size}"
            raise Again(wrong, final=VerificationError)
        proof, etag = self._digest.result()
        if wrong := file.contradiction(proof, etag):
            self.start_over()
            more = " or more" if proof.size > file.size else ""
            raise Again(f"{wrong}{more}", final=VerificationError)
        return proof
