"""The part of a file that has come so far: written piece by piece, and hashed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.hub.hashes import CHUNK, FileDigest
from whisper_speedtest.hub.model import VerificationError
from whisper_speedtest.hub.tries import Again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from whisper_speedtest.hub.evidence import RemoteFile
    from whisper_speedtest.hub.hashes import Proof


class Part:
    """What there is of a file that its host lists."""

    def __init__(self, out: BinaryIO, file: RemoteFile, advance: Callable[[int], None]) -> None:
        """Take what `out` holds for the file's beginning, unless that is too long.

        `advance` is told of each further piece, in bytes; less than 0 where what came was in vain.
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
        """Bytes that are there."""
        return self._digest.received

    def start_over(self) -> None:
        """Throw away what is there."""
        self._advance(-self.size)
        self._out.seek(0)
        self._out.truncate()
        self._digest = FileDigest(self._file.size, self._file.etag)

    def add(self, pieces: Iterable[bytes]) -> None:
        """Add pieces as they come, up to the first with which the file is too long."""
        together = bytearray()  # as each write and hash lets other threads go first
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
        self._out.write(pieces)
        self._digest.update(pieces)
        size = len(pieces)
        pieces.clear()  # first, as `advance` may raise, and what is kept is kept once
        self._advance(size)

    def proof(self) -> Proof:
        """Return the proof of the whole file, which is what was listed.

        Raises:
            Again: It is not whole; or it is another one, and nothing is there any more.
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
