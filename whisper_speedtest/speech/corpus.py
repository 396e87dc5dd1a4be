"""A corpus: a folder of many recordings, each with the words that are said in it.

The recordings are listed by the first of these that the folder has:

- a manifest: `manifest.jsonl`, with a JSON object in each line, or a table `manifest.tsv` or
  `manifest.csv`, whose first line names the columns. Its fields are `audio`, a path relative to the
  folder, `text`, and optionally `language`, the same in all entries. Other fields are ignored;
- LibriSpeech's own layout: files `*.trans.txt` at any depth, of which each line begins with the
  name of a FLAC file beside it, without its suffix;
- sound files, each with its words in a text file of the same name with the suffix `.txt`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whisper_speedtest.speech.languages import ENGLISH, parse_language
from whisper_speedtest.speech.recordings import SUFFIXES, recording, text_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from whisper_speedtest.speech.clip import Clip

MANIFESTS = ("manifest.jsonl", "manifest.tsv", "manifest.csv")
TRANSCRIPTS = "*.trans.txt"
"""The names of LibriSpeech's files with the texts of a chapter."""

ORIGIN = "--corpus"
MOST_SHOWN = 10
"""The most wrong entries that a message lists."""


class CorpusError(ValueError):
    """A corpus cannot be used. The message names the folder, and each wrong entry with its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Recordings that are transcribed once each and scored together."""

    name: str
    folder: Path
    language: str
    """The code of the language that is spoken in all recordings."""

    clips: tuple[Clip, ...]
    """In the order of the manifest, each with a reference."""

    sha256: str
    """The sha256 of the hashes of all sound files, their texts and the language, in any order."""

    stamps: Mapping[str, tuple[int, int]]
    """Clip → size in bytes and mtime in ns of its file, when it was hashed."""

    @property
    def seconds(self) -> float:
        """The length of all clips together."""
        return math.fsum(clip.seconds for clip in self.clips)

    def audio_of(self, clip: Clip) -> NDArray[np.float32]:
        """Read one of the clips, as `read_audio` does.

        Raises:
            CorpusError: The file has changed since it was hashed.
        """
        from whisper_speedtest.speech.audio import read_audio

        if _stamp(clip.path) != self.stamps[clip.name]:
            raise CorpusError(
                f"corpus {self.name}: {clip.path} has changed since this session began; start "
                "another one"
            )
        return read_audio(clip.path)


class _Entry(NamedTuple):
    """A manifest's entry for one recording, which is not checked yet."""

    where: str
    """Where the entry is, as messages name it: manifest and line."""

    audio: str
    """A path from the corpus's folder."""

    text: str
    language: str
    """A code, which is not checked yet; "" where the manifest says none."""


class _Wrong(NamedTuple):
    """An entry that cannot be used, whatever its sound file holds."""

    where: str
    what: str
    """What is wrong with it."""


_Taken = dict[Path, tuple[_Entry, "Clip"]]
"""Path of a sound file, with links followed → its entry and its clip."""


def read_corpus(folder: Path, language: str | None = None) -> Corpus:
    """Read a corpus: all its entries and all its sound files, one after the other.

    `language` is what the user says of it; None: what its manifest says, and else English.

    Raises:
        CorpusError: It has no entries, or some of them are wrong; the message lists these.
    """
    where = folder.resolve()
    taken, wrong = _read_entries(where)
    # In reverse, so that each language gets the place of its first entry.
    languages = {entry.language: entry.where for entry, _ in reversed(taken.values())}
    languages.pop("", None)
    if len(languages) > 1:
        found = ", ".join(f"{code} ({line})" for code, line in languages.items())
        wrong.append(f"expected one language in all entries, got {found}; make a corpus of each")
    if wrong:
        more = [f"and {len(wrong) - MOST_SHOWN} more"] if len(wrong) > MOST_SHOWN else []
        raise CorpusError("\n  ".join([f"{folder}: wrong entries:", *wrong[:MOST_SHOWN], *more]))
    if not taken:
        raise CorpusError(
            f"{folder}: expected entries in {', '.join(MANIFESTS[:-1])} or {MANIFESTS[-1]}, files "
            f"{TRANSCRIPTS}, or sound files with texts beside them, got none; name the folder that "
            "they are in"
        )
    said = next(iter(languages), None)
    if language and said and language != said:
        raise CorpusError(
            f"{folder}: expected a corpus in {language}, as --language says, got one in {said} "
            f"({languages[said]}); leave --language out, or correct the manifest"
        )
    spoken = language or said or ENGLISH
    clips = tuple(clip for _, clip in taken.values())
    return Corpus(
        name=where.name,
        folder=where,
        language=spoken,
        clips=clips,
        sha256=_hash(clips, spoken),
        stamps={clip.name: _stamp(clip.path) for clip in clips},
    )


def _read_entries(folder: Path) -> tuple[_Taken, list[str]]:
    """Return the entries of a corpus that can be used, and what is wrong with the others."""
    taken: _Taken = {}
    wrong: list[str] = []
    for entry in _entries(folder):
        if isinstance(entry, _Wrong):
            wrong.append(f"{entry.where}: {entry.what}")
            continue
        try:
            path, clip = _clip(folder, entry, taken)
        except ValueError as error:
            wrong.append(f"{entry.where}: {error}")
        else:
            taken[path] = entry, clip
    return taken, wrong


def _entries(folder: Path) -> Iterator[_Entry | _Wrong]:
    """Yield what the folder's manifest lists, or what stands for one."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise CorpusError(f"{folder}: expected a folder, found {found} there; check the path")
    manifests = [folder / name for name in MANIFESTS if (folder / name).exists()]
    if len(manifests) > 1:
        found = " and ".join(path.name for path in manifests)
        raise CorpusError(f"{folder}: expected one manifest, got {found}; move others away")
    if manifests:
        (manifest,) = manifests
        text = _text(manifest)
        yield from _of_json(text) if manifest.suffix == ".jsonl" else _of_table(manifest, text)
    elif chapters := sorted(folder.rglob(TRANSCRIPTS)):
        for chapter in chapters:
            yield from _of_chapter(folder, chapter)
    else:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                yield _of_file(path)


def _text(path: Path) -> str:
    """Return the text of a manifest, without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}: expected a text in UTF-8, got the byte 0x{error.object[error.start]:02x} at "
            f"offset {error.start}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise CorpusError(
            f"{path}: expected a text, but it cannot be read: {error.strerror}; check the path"
        ) from error


def _of_json(text: str) -> Iterator[_Entry | _Wrong]:
    """Yield the entries of lines of JSON; empty lines are none."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield _Wrong(where, f"expected an object in JSON, got {error}")
            continue
        if isinstance(fields, dict):
            yield _entry(where, fields)
        else:
            yield _Wrong(where, f"expected an object in JSON, got {line.strip():.60}")


def _of_table(manifest: Path, text: str) -> Iterator[_Entry | _Wrong]:
    """Yield the entries of a table, whose first line names the columns."""
    lines = io.StringIO(text)
    if manifest.suffix == ".tsv":
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        rows = csv.DictReader(lines)
    columns = rows.fieldnames or ()
    if not {"audio", "text"} <= set(columns):
        raise CorpusError(
            f"{manifest}: expected columns audio and text in its first line, got "
            f"{', '.join(columns) or 'nothing'}; name them there"
        )
    for row in rows:
        yield _entry(f"line {rows.line_num}", row)


def _entry(where: str, fields: Mapping[str, object]) -> _Entry | _Wrong:
    """Return an entry, or what is wrong with the types of its fields."""
    audio, text = fields.get("audio"), fields.get("text")
    language = fields.get("language") or ""
    for name, value in {"audio": audio, "text": text, "language": language}.items():
        if not isinstance(value, str):
            got = "none" if value is None else repr(value)
            return _Wrong(where, f"expected a text as {name}, got {got}")
    return _Entry(where, str(audio), str(text), str(language).strip().lower())


def _of_chapter(folder: Path, chapter: Path) -> Iterator[_Entry]:
    """Yield what a file of LibriSpeech's lists."""
    name = chapter.relative_to(folder).as_posix()
    for number, line in enumerate(_text(chapter).split("\n"), start=1):
        utterance, _, text = line.strip().partition(" ")
        if utterance:
            audio = chapter.with_name(f"{utterance}.flac").relative_to(folder)
            yield _Entry(f"{name}, line {number}", audio.as_posix(), text, "")


def _of_file(path: Path) -> _Entry | _Wrong:
    """Return a sound file with the text beside it."""
    try:
        text = text_beside(path)
    except ValueError as error:
        return _Wrong(path.name, str(error))
    if text is None:
        beside = path.with_suffix(".txt").name
        return _Wrong(path.name, f"expected its words in {beside}, found no such file")
    return _Entry(path.name, path.name, text, "")


def _clip(folder: Path, entry: _Entry, taken: _Taken) -> tuple[Path, Clip]:
    """Read the sound of an entry; return its path, with links followed, and its clip.

    `taken` has the entries before it, none of which may have the same file.

    Raises:
        ValueError: The entry cannot be used. The message does not say where it is.
    """
    if not entry.audio.strip():
        raise ValueError("expected a path as audio, got an empty one")
    if not entry.text.strip():
        raise ValueError(f"expected the words of {entry.audio}, got an empty text")
    try:
        path = (folder / entry.audio).resolve()
        if entry.language:
            parse_language(entry.language)
    except (OSError, RuntimeError) as error:  # such as a link to itself
        raise ValueError(error) from error
    if not path.is_relative_to(folder):
        raise ValueError(
            f"expected a file in the corpus's folder, got {entry.audio}, which is {path}; copy it "
            "into the folder"
        )
    if path in taken:
        raise ValueError(
            f"expected a file of its own, got {entry.audio}, as in {taken[path][0].where}"
        )
    name = path.relative_to(folder).as_posix()
    return path, recording(path, name, entry.text, ORIGIN)


def _stamp(path: Path) -> tuple[int, int]:
    """Return the size of a file in bytes and its mtime in ns, which show that it has changed."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _hash(clips: Iterable[Clip], language: str) -> str:
    """Return the sha256 of a corpus's content; its name and its order make no difference."""
    parts = sorted(f"{clip.sha256}\0{language}\0{clip.reference}" for clip in clips)
    found = hashlib.sha256()
    for part in parts:
        data = part.encode()
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()
