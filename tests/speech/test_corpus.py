"""A corpus: which recordings a folder holds, and what is wrong with those that cannot be used."""

from __future__ import annotations

import hashlib
import json
import os
import wave
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.speech.corpus import MOST_SHOWN, CorpusError, read_corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Sound = Callable[..., Path]
    Entries = list[dict[str, object]]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """The folder of a corpus, below one that is not part of it."""
    folder = tmp_path / "talks"
    folder.mkdir()
    return folder


@pytest.fixture(name="sound")
def _sound(folder: Path) -> Sound:
    """A function that makes a sound file of so many tenths of a second at a path in the folder."""

    def make(name: str, tenths: int = 5, loud: int = 1) -> Path:
        import soundfile

        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".flac":
            soundfile.write(path, [loud / 100] * 1600 * tenths, 16_000)
            return path
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes([loud, 0]) * 1600 * tenths)
        return path

    return make


def manifest(folder: Path, *entries: Mapping[str, object] | str) -> None:
    """Write manifest.jsonl with these entries, each an object or a line as it is."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in entries]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def refused(folder: Path, language: str | None = None) -> str:
    """Return what is said of a corpus that is refused."""
    with pytest.raises(CorpusError) as caught:
        read_corpus(folder, language)
    return str(caught.value)


def heard(folder: Path) -> list[tuple[str, str | None, float]]:
    """Return name, reference and seconds of each clip of a corpus."""
    return [(clip.name, clip.reference, clip.seconds) for clip in read_corpus(folder).clips]


# What there is


def test_manifest_lists_the_recordings_in_its_order(folder: Path, sound: Sound) -> None:
    """A manifest lists the recordings in its order, and further fields and files are left out."""
    sound("b.wav", 5)
    sound("deep/a.flac", 7)
    sound("other.wav")
    manifest(
        folder,
        {"audio": "deep/a.flac", "text": "The ship.", "duration": 99},
        "",
        {"text": "Many gulls.", "audio": "b.wav"},
    )

    assert heard(folder) == [("deep/a.flac", "The ship.", 0.7), ("b.wav", "Many gulls.", 0.5)]


def test_corpus_is_named_after_its_folder_and_is_in_english(folder: Path, sound: Sound) -> None:
    """A corpus is named after its folder, is in English, and is as long as its clips together."""
    sound("a.wav", 5)
    sound("b.wav", 7, loud=2)
    manifest(folder, {"audio": "a.wav", "text": "One."}, {"audio": "b.wav", "text": "Two."})

    (folder / "below").mkdir()
    corpus = read_corpus(folder / "below" / "..")

    assert (corpus.name, corpus.language, corpus.folder) == ("talks", "en", folder)
    assert corpus.seconds == pytest.approx(1.2)
    clip = corpus.clips[1]
    assert clip.sha256 == hashlib.sha256((folder / "b.wav").read_bytes()).hexdigest()
    assert (clip.samples, clip.human, clip.is_own, clip.sentences) == (11_200, True, False, ())
    assert clip.path == folder / "b.wav"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("manifest.tsv", 'id\taudio\ttext\n1\ta.wav\tThe "old" ship, sails.\n2\tb.wav\tTwo.\n'),
        ("manifest.csv", 'id,audio,text\n1,a.wav,"The ""old"" ship, sails."\n2,b.wav,Two.\n'),
        ("manifest.csv", '\ufeffaudio,text\r\na.wav,"The ""old"" ship, sails."\r\nb.wav,Two.\r\n'),
    ],
    ids=["tab", "comma", "comma of a spreadsheet"],
)
def test_table_is_a_manifest(folder: Path, sound: Sound, name: str, content: str) -> None:
    """A table of tabs or commas is a manifest by the names of its columns, in any order."""
    sound("a.wav")
    sound("b.wav")
    (folder / name).write_bytes(content.encode())

    assert heard(folder) == [("a.wav", 'The "old" ship, sails.', 0.5), ("b.wav", "Two.", 0.5)]


def test_quote_at_the_begin_of_a_field_is_a_part_of_it_between_tabs(
    folder: Path, sound: Sound
) -> None:
    """A quote at the beginning of a field between tabs is a part of the field."""
    sound("a.wav")
    (folder / "manifest.tsv").write_text('audio\ttext\na.wav\t"Old" ships.\n', encoding="utf-8")

    assert heard(folder) == [("a.wav", '"Old" ships.', 0.5)]


def test_librispeech_lists_its_recordings_by_chapter(folder: Path, sound: Sound) -> None:
    """LibriSpeech lists its recordings by reader and chapter, from whatever folder of it."""
    for name in ("84/121/84-121-0000", "84/121/84-121-0001", "9/7/9-7-0000"):
        sound(f"test-clean/{name}.flac")
    chapters = folder / "test-clean"
    (chapters / "84/121/84-121.trans.txt").write_text("84-121-0000 GO DO\n84-121-0001 YES\n")
    (chapters / "9/7/9-7.trans.txt").write_text("9-7-0000 NO\n")

    assert heard(chapters) == [
        ("84/121/84-121-0000.flac", "GO DO", 0.5),
        ("84/121/84-121-0001.flac", "YES", 0.5),
        ("9/7/9-7-0000.flac", "NO", 0.5),
    ]
    assert next(name for name, *_ in heard(folder)) == "test-clean/84/121/84-121-0000.flac"
    assert heard(chapters / "9/7") == [("9-7-0000.flac", "NO", 0.5)]


def test_chapters_stand_in_the_order_of_their_names(folder: Path, sound: Sound) -> None:
    """The chapters of LibriSpeech stand in the order of their names."""
    for reader in "hdbgacfe":
        sound(f"{reader}/{reader}-0.flac")
        (folder / reader / f"{reader}.trans.txt").write_text(f"{reader}-0 YES\n")

    assert [name[0] for name, *_ in heard(folder)] == list("abcdefgh")


def test_line_of_a_manifest_ends_at_a_line_feed_alone(folder: Path, sound: Sound) -> None:
    """A line of a JSON manifest ends at a line feed and at no other character."""
    sound("a.wav")
    manifest(folder, '{"audio": "a.wav", "text": "One.\u2028Two."}')

    assert heard(folder) == [("a.wav", "One.\u2028Two.", 0.5)]


def test_sound_files_with_texts_beside_them_are_a_corpus(folder: Path, sound: Sound) -> None:
    """Sound files with texts of their names beside them are a corpus, in the order of the names."""
    for name in ("b.wav", "a.flac", "below/c.wav", "C.WAV"):
        sound(name).with_suffix(".txt").write_text(f"Words of {name}", encoding="utf-8")
    (folder / "README.md").write_text("notes", encoding="utf-8")

    assert [each[:2] for each in heard(folder)] == [
        ("C.WAV", "Words of C.WAV"),
        ("a.flac", "Words of a.flac"),
        ("b.wav", "Words of b.wav"),
    ]


def test_two_manifests_are_refused(folder: Path, sound: Sound) -> None:
    """Two manifests in one folder are refused."""
    sound("a.wav")
    manifest(folder, {"audio": "a.wav", "text": "One."})
    (folder / "manifest.csv").write_text("audio,text\na.wav,One.\n", encoding="utf-8")

    assert "expected one manifest, got manifest.jsonl and manifest.csv" in refused(folder)


@pytest.mark.parametrize("empty", ["", "\n\n", " \n\t\n"])
def test_corpus_without_entries_is_refused(folder: Path, empty: str) -> None:
    """A corpus without entries is refused with the manifests that may be there."""
    nothing = refused(folder)
    (folder / "manifest.jsonl").write_text(empty, encoding="utf-8")

    assert nothing.startswith(f"{folder}: expected entries in manifest.jsonl, manifest.tsv or ")
    assert refused(folder) == nothing


@pytest.mark.parametrize(("name", "found"), [("nowhere", "nothing"), ("file", "a file")])
def test_corpus_that_is_no_folder_is_refused(tmp_path: Path, name: str, found: str) -> None:
    """A corpus that is no folder is refused with what is there."""
    (tmp_path / "file").touch()

    assert f"expected a folder, found {found} there" in refused(tmp_path / name)


# What is wrong


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ({"audio": "none.wav", "text": "A."}, "line 2: <folder>/none.wav: no such file; check"),
        ({"audio": "a.wav", "text": "A."}, "expected a file of its own, got a.wav, as in line 1"),
        ({"audio": "./x/../a.wav", "text": "A."}, "got ./x/../a.wav, as in line 1"),
        ({"audio": "../out.wav", "text": "A."}, "a file in the corpus's folder, got ../out"),
        ({"audio": "link.wav", "text": "A."}, "a file in the corpus's folder, got link.wav"),
        ({"audio": "text.wav", "text": "A."}, "line 2: <folder>/text.wav: is not audio"),
        ({"audio": "", "text": "A."}, "line 2: expected a path as audio, got an empty one"),
        ({"audio": " ", "text": "A."}, "line 2: expected a path as audio, got an empty one"),
        ({"audio": "b.wav", "text": " "}, "line 2: expected the words of b.wav, got an empty text"),
        ({"audio": "b.wav"}, "line 2: expected a text as text, got none"),
        ({"text": "A."}, "line 2: expected a text as audio, got none"),
        ({"audio": 7, "text": "A."}, "line 2: expected a text as audio, got 7"),
        ({"audio": "b.wav", "text": ["A."]}, "line 2: expected a text as text, got ['A.']"),
        ({"audio": "b.wav", "text": "A.", "language": "german"}, "expected the code of a lang"),
        ({"audio": "loop.wav", "text": "A."}, "line 2: "),
        ("{'audio': 'b.wav'}", "line 2: expected an object in JSON, got Expecting property name"),
        ('["b.wav"]', 'line 2: expected an object in JSON, got ["b.wav"]'),
    ],
)  # fmt: skip
def test_wrong_entry_is_named_with_its_line(
    folder: Path, sound: Sound, entry: dict[str, object] | str, wrong: str
) -> None:
    """A wrong entry of a corpus is reported with its line and what is wrong."""
    sound("a.wav")
    sound("b.wav")
    sound("../out.wav")
    (folder / "x").mkdir()
    (folder / "link.wav").symlink_to(folder / "../out.wav")
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    (folder / "text.wav").write_text("no sound", encoding="utf-8")
    manifest(folder, {"audio": "a.wav", "text": "One."}, entry)

    message = refused(folder)

    assert message.startswith(f"{folder}: wrong entries:\n  line 2: ")
    assert wrong.replace("<folder>", str(folder)) in message


def test_every_wrong_entry_is_listed_up_to_ten(folder: Path) -> None:
    """Every wrong entry of a corpus is listed, up to ten, and then how many more there are."""
    for count, more in ((MOST_SHOWN, ""), (MOST_SHOWN + 2, "  and 2 more")):
        entries = [{"audio": f"{number}.wav", "text": "A."} for number in range(count)]
        manifest(folder, *entries)

        lines = refused(folder).splitlines()

        assert [line.partition(":")[0] for line in lines[1:11]] == [
            f"  line {number}" for number in range(1, 11)
        ]
        assert lines[11:] == ([more] if more else [])


def test_line_of_a_table_is_that_of_the_file(folder: Path, sound: Sound) -> None:
    """A wrong entry of a table is reported with its line in the file."""
    sound("a.wav")
    (folder / "manifest.csv").write_text('audio,text\na.wav,"One\ntwo"\nb.wav\n', encoding="utf-8")

    assert refused(folder).splitlines()[1:] == ["  line 4: expected a text as text, got none"]


def test_table_without_its_columns_is_refused(folder: Path) -> None:
    """A table without its columns is refused with those that it has."""
    (folder / "manifest.tsv").write_text("path\tsentence\n", encoding="utf-8")

    assert "expected columns audio and text in its first line, got path, sentence" in refused(
        folder
    )


def test_wrong_line_of_librispeech_is_named_with_its_file(folder: Path, sound: Sound) -> None:
    """A wrong line of LibriSpeech is reported with its file."""
    sound("9/7/9-7-0001.flac")
    (folder / "9/7/9-7.trans.txt").write_text("9-7-0000 NO\n9-7-0001\n", encoding="utf-8")

    lines = refused(folder).splitlines()

    assert lines[1].startswith("  9/7/9-7.trans.txt, line 1: ")
    assert "9-7-0000.flac: no such file" in lines[1]
    assert lines[2] == (
        "  9/7/9-7.trans.txt, line 2: expected the words of 9/7/9-7-0001.flac, got an empty text"
    )


def test_sound_file_without_words_is_refused(folder: Path, sound: Sound) -> None:
    """A sound file whose text is missing or not UTF-8 is refused."""
    sound("a.wav")
    sound("b.wav").with_suffix(".txt").write_bytes(b"caf\xe9")

    first, second = refused(folder).splitlines()[1:]

    assert first == "  a.wav: expected its words in a.txt, found no such file"
    assert "b.wav: " in second
    assert "got the byte 0xe9 at offset 3; save it as UTF-8" in second


def test_manifest_that_cannot_be_read_is_refused(folder: Path) -> None:
    """A manifest that is a folder or not UTF-8 is refused."""
    (folder / "manifest.jsonl").mkdir()
    assert "expected a text, but it cannot be read: Is a directory" in refused(folder)

    (folder / "manifest.jsonl").rmdir()
    (folder / "manifest.jsonl").write_bytes(b"{}\xff")
    assert "expected a text in UTF-8, got the byte 0xff at offset 2" in refused(folder)


# Language


def test_language_is_that_of_the_manifest_or_of_the_user(folder: Path, sound: Sound) -> None:
    """The language of a corpus is that of its manifest, or else that of the user."""
    sound("a.wav")
    sound("b.wav")
    entries: Entries = [{"audio": "a.wav", "text": "Ja."}, {"audio": "b.wav", "text": "Nein."}]
    manifest(folder, *entries)
    assert read_corpus(folder, "de").language == "de"

    entries += [{"audio": "c.wav", "text": "Ja."}]
    sound("c.wav")
    entries[1]["language"], entries[2]["language"] = "DE", "de"
    manifest(folder, *entries)
    assert read_corpus(folder).language == read_corpus(folder, "de").language == "de"
    assert "expected a corpus in fr, as --language says, got one in de (line 2)" in refused(
        folder, "fr"
    )


def test_several_languages_are_refused(folder: Path, sound: Sound) -> None:
    """A corpus of several languages is refused with an entry of each."""
    sound("a.wav")
    sound("b.wav")
    manifest(
        folder,
        {"audio": "a.wav", "text": "Ja.", "language": "de"},
        {"audio": "b.wav", "text": "Oui.", "language": "fr"},
    )

    message = refused(folder)

    assert "expected one language in all entries, got " in message
    assert "de (line 1)" in message
    assert "fr (line 2)" in message


# Its hash, and its sounds


def test_hash_is_that_of_sounds_words_and_language_alone(folder: Path, sound: Sound) -> None:
    """A corpus's hash is that of its sounds, words and language, not of names and order."""
    sound("a.wav")
    sound("b.wav", loud=2)
    one: dict[str, object] = {"audio": "a.wav", "text": "One."}
    two: dict[str, object] = {"audio": "b.wav", "text": "Two."}

    def hash_of(*entries: Mapping[str, object], language: str | None = None) -> str:
        manifest(folder, *entries)
        return read_corpus(folder, language).sha256

    usual = hash_of(one, two)
    assert hash_of(two, one) == usual
    (folder / "a.wav").rename(folder / "c.wav")
    assert hash_of({**one, "audio": "c.wav"}, two) == usual
    assert (
        len({usual, hash_of(two), hash_of({**two, "text": "2"}), hash_of(two, language="de")}) == 4
    )
    swapped = hash_of({**two, "text": "One."}, {"audio": "c.wav", "text": "Two."})
    assert swapped != usual
    (_, name, words), (second, _, others) = sorted(
        (hashlib.sha256((folder / name).read_bytes()).hexdigest(), name, words)
        for name, words in (("c.wav", "One."), ("b.wav", "Two."))
    )
    both = f"{words}{second}\0en\0{others}"
    assert hash_of({"audio": name, "text": both}) != usual, (
        "expected another hash for one clip with the words of two"
    )


def test_sound_is_read_when_it_is_asked_for(folder: Path, sound: Sound) -> None:
    """A clip of a corpus is read when it is asked for, and refused if its file has changed."""
    path = sound("a.wav", 5)
    manifest(folder, {"audio": "a.wav", "text": "One."})
    corpus = read_corpus(folder)
    (clip,) = corpus.clips

    audio = corpus.audio_of(clip)
    assert (len(audio), float(audio[0])) == (8000, 1 / 32768)

    path.chmod(0o444)
    assert len(corpus.audio_of(clip)) == 8000, (
        "expected new permissions to change nothing of the content"
    )
    path.chmod(0o644)  # only root may write to it without

    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    with pytest.raises(CorpusError, match=r"corpus talks: .*a\.wav has changed since this session"):
        corpus.audio_of(clip)
    sound("a.wav", 6)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(CorpusError, match="has changed"):
        corpus.audio_of(clip)
