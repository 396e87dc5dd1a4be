"""Reads the user's own recordings: files and folders of `--audio`, and corpora of `--corpus`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from whisper_speedtest.speech.clip import private_name
from whisper_speedtest.speech.corpus import CorpusError, read_corpus
from whisper_speedtest.speech.recordings import SUFFIXES, own_clip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus

UNREADABLE = (".3gp", ".aac", ".amr", ".m4a", ".m4b", ".mka", ".mov", ".mp4", ".webm", ".wma")
"""The suffixes of recordings whose formats are not read; see `speech.containers`."""


def own_clips(paths: Sequence[Path], left_out: list[str], *, private: bool = False) -> list[Clip]:
    """Read the user's own recordings.

    Their names become parts of test ids, so they must be unique, also among the project's clips. A
    private recording is named by its hash, as `own-88cde86b`, which reveals nothing and is the same
    in each session. If a file in a folder cannot be used, or its name is taken, it is left out and
    the reason is added to `left_out`.

    Raises:
        pytest.UsageError: A file that the user has named, or every file of a folder, cannot be used
            or has a name that is taken; or a folder has no sound files.
    """
    taken = dict(clips())
    for path in paths:
        wrong = []
        files, unreadable = _files(path)
        for file in files:
            try:
                clip = own_clip(file)
            except ValueError as error:
                wrong.append(str(error))
                continue
            if private:
                clip = replace(clip, name=private_name(clip.sha256))
            if other := taken.get(clip.name):
                wrong.append(f"{file}: {_why_not_beside(other, clip)}")
            else:
                taken[clip.name] = clip
        if len(wrong) == len(files):
            raise pytest.UsageError(f"--audio: {'; '.join(wrong)}")
        left_out += [f"--audio: {reason}" for reason in (*wrong, *unreadable)]
    return [clip for clip in taken.values() if clip.is_own]


def _why_not_beside(other: Clip, clip: Clip) -> str:
    """Return why a recording cannot be measured besides another clip of the same name."""
    if other.is_own and other.sha256 == clip.sha256:
        return (
            f"expected each recording once, got one with the content of {other.path}; leave one out"
        )
    return (
        f"expected a name that no other clip has, got {clip.name!r}, which is also {other.path}; "
        "rename the file"
    )


def own_corpora(
    folders: Sequence[Path], language: str | None = None, *, private: bool = False
) -> list[Corpus]:
    """Read the user's own corpora, each named after its folder, or by its hash if it is private.

    Raises:
        pytest.UsageError: An entry of a corpus is wrong, or two corpora have the same name.
    """
    taken: dict[str, Corpus] = {}
    for folder in folders:
        try:
            corpus = read_corpus(folder, language)
        except CorpusError as error:
            raise pytest.UsageError(f"--corpus: {error}") from error
        except OSError as error:
            raise pytest.UsageError(
                f"--corpus: {folder}: cannot be looked at: {error.strerror}; check the path"
            ) from error
        if private:
            corpus = replace(corpus, name=private_name(corpus.sha256))
        if other := taken.get(corpus.name):
            raise pytest.UsageError(
                f"--corpus: {folder}: expected a name that no other corpus has, got "
                f"{corpus.name!r}, which is also {other.folder}; "
                f"{'leave one out' if private else 'rename the folder'}"
            )
        taken[corpus.name] = corpus
    return list(taken.values())


def _files(path: Path) -> tuple[list[Path], list[str]]:
    """Return the file, or the sound files in a folder sorted by name; there is at least one.

    The second list has a line on recordings in the folder whose formats are not read. Subfolders
    and hidden files are skipped: on foreign disks macOS keeps data on `memo.wav` in `._memo.wav`.
    """
    try:
        if not path.is_dir():
            return [path], []
        files = [each for each in path.iterdir() if each.name[0] != "." and not each.is_dir()]
    except OSError as error:
        raise pytest.UsageError(
            f"--audio: {path}: cannot be looked at: {error.strerror}; check the path"
        ) from error
    found = sorted(file for file in files if file.suffix.lower() in SUFFIXES)
    others = sorted(file.name for file in files if file.suffix.lower() in UNREADABLE)
    unread = (
        f"{path}: formats that are not read: {', '.join(others)}; name one alone to be told how it "
        "is converted"
    )
    if not found:
        also = f"; {unread}" if others else ""
        raise pytest.UsageError(
            f"--audio: {path}: expected sound files in this folder ({', '.join(SUFFIXES)}), "
            f"got none; name the file itself where it has another suffix{also}"
        )
    return found, [unread] if others else []
