"""A toy library with addresses in its code, as pywhispercpp and openai-whisper have them.

It takes no notice of HF_ENDPOINT and HF_HOME. It fetches over https, compares the hash of what
comes with the one that it knows, and keeps the file in the home, where it looks first.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.error import HTTPError
from urllib.request import urlopen

from adapters.base import CheckMap, ModelFiles
from tests.consistency.faulty_library import FaultyLibrary

if TYPE_CHECKING:
    from adapters.base import Case

PUBLISHED = "5" * 64
"""The sha256 of the file that is really at the address; only a stand-in of it is served here."""

ON_THE_HUB = ModelFiles("org/own-addresses", ("model.bin",))
BY_URL = ModelFiles("https://models.example.org/toys", ("toy.pt",), PUBLISHED)
CONTENT = {"model.bin": b"of the hub", "toy.pt": b"of the other host"}

OTHER = ModelFiles(BY_URL.repo, BY_URL.files, "6" * 64)
"""Another model of the same name, as a library's next release may have."""

OTHER_CONTENT = b"of the next release"


class OwnAddresses(FaultyLibrary):
    """Each variant fetches something else."""

    check_map: ClassVar[CheckMap] = {
        "tiny": {
            "on-the-hub": ON_THE_HUB,
            "by-url": BY_URL,
            "tries-more": ON_THE_HUB,
            "other-hash": BY_URL,
            "other-bytes": BY_URL,
            "moved": BY_URL,
        }
    }

    def import_library(self) -> None:
        # The home is looked up during the import, before there is a case, as pywhispercpp does.
        home = Path.home()
        if not home.is_absolute():
            raise RuntimeError(f"the home is {home}: platformdirs would go by the user's real one")
        self._folder = home / ".cache" / "own-addresses"

    def load(self, case: Case) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        main = "https://huggingface.co/org/own-addresses/resolve/main"
        match case.variant:
            case "on-the-hub":
                self._fetch(f"{main}/model.bin")
            case "tries-more":
                self._fetch(f"{main}/optional.json")
                self._fetch(f"{main}/model.bin")
            case "by-url":
                self._check(self._fetch(f"{BY_URL.repo}/{PUBLISHED}/toy.pt"), PUBLISHED)
            case "other-hash":
                self._check(self._fetch(f"{OTHER.repo}/{OTHER.revision}/toy.pt"), OTHER.revision)
            case "other-bytes":
                self._check(self._fetch(f"{BY_URL.repo}/{PUBLISHED}/toy.pt") + b"!", PUBLISHED)
            case "moved":
                self._check(self._fetch("https://models.example.org/toy.pt"), PUBLISHED)

    def _fetch(self, url: str) -> bytes:
        file = self._folder / url.rpartition("/")[2]
        if not file.exists():
            try:
                with urlopen(url) as answer:  # noqa: S310 - https in all cases
                    file.write_bytes(answer.read())
            except HTTPError as error:
                error.close()
                return b""
        return file.read_bytes()

    def _check(self, content: bytes, sha256: str) -> None:
        if hashlib.sha256(content).hexdigest() != sha256:
            raise RuntimeError("the SHA256 checksum does not match")
