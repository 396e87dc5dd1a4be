"""A clip: a sound file, what is said in it, and the hash that its bytes must have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

OWN_ORIGIN = "--audio"
"""The origin of a recording of the user's own: the option that named it."""


def private_name(sha256: str) -> str:
    """Return what a private recording or corpus of this content is called: `own-88cde86b`."""
    return f"own-{sha256[:8]}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a clip; `start` and `end` are in seconds from the clip's beginning."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A sound file and what is known of it.

    Clips of the project are mono files at 16 000 Hz. A recording of the user's own may have any
    format that `read_audio` takes.
    """

    name: str
    """What the clip is called in test ids, tables and results."""

    file: Path
    """An absolute path; or, where `package` is named, a path relative to that package's folder."""

    package: str | None
    """The installed Python package that the file is part of, or None for a file of its own."""

    seconds: float
    """The clip's length: samples / 16 000."""

    samples: int
    """How many samples `read_audio` returns, at 16 000 Hz."""

    sha256: str
    """The hash of the file's bytes, in hexadecimal."""

    reference: str | None
    """The right transcript: empty when nothing is said, None when nobody has written it down."""

    human: bool
    """Whether a human speaks. The embedded micro model understands synthetic voices only."""

    licence: str
    origin: str
    """Where the sound comes from, in words; OWN_ORIGIN for a recording of the user's own."""

    sentences: tuple[Sentence, ...]
    """The sentences in the order in which they are spoken; empty when their times are unknown."""

    @property
    def is_own(self) -> bool:
        """Whether this is a recording of the user's own."""
        return self.origin == OWN_ORIGIN

    @property
    def path(self) -> Path:
        """Where the file is.

        Raises:
            FileNotFoundError: when the file is part of a package that is not installed.
        """
        if self.package is None:
            return self.file
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(
                f"clip {self.name}: expected {self.file} in the package {self.package}, which is "
                "not installed; install it or leave this clip out"
            )
        return Path(spec.submodule_search_locations[0]) / self.file

    def verify(self) -> None:
        """Hash the file once more, since another sound would give other times and transcripts.

        Raises:
            FileNotFoundError: when the file, or the package that it is part of, is missing.
            ValueError: when the file's bytes do not have the clip's hash.
        """
        path = self.path
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"clip {self.name}: expected its file at {path}, where there is none; "
                f"{self._remedy}"
            ) from error
        if found != self.sha256:
            raise ValueError(
                f"clip {self.name}: expected sha256 {self.sha256}, got {found} from {path}; "
                f"{self._remedy}"
            )

    @property
    def _remedy(self) -> str:
        """How to get the right bytes back."""
        if self.package is not None:
            return f"install {self.package} again"
        if self.is_own:
            return "it has changed since this session began: start another one"
        return "restore it from the repository"
