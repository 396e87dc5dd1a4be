"""Corpora and languages: what --corpus and --language take, measure, refuse and keep."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.audio import clips
from tests.helpers.fake_session import FakeSession
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.session.choice.recordings import own_corpora
from whisper_speedtest.session.choice.selection import is_wanted

if TYPE_CHECKING:
    from tests.helpers.sessions import Session, Sessions

NAMES = ("short", "paragraph", "noisy")


def make_corpus(folder: Path, *names: str, **changes: str) -> Path:
    """Make a corpus of some clips of the project, with a manifest; return its folder."""
    folder.mkdir(parents=True)
    lines = []
    for name in names:
        shutil.copy(clips()[name].path, folder)
        lines.append({"audio": f"{name}.wav", "text": clips()[name].reference, **changes})
    manifest = "\n".join(map(json.dumps, lines))
    (folder / "manifest.jsonl").write_text(manifest, encoding="utf-8")
    return folder


def results(session: Session) -> dict[str, Any]:
    """Return the results of a session by their tests."""
    assert session.saved is not None, session.output
    return {each["name"]: each["extra_info"] for each in session.saved["benchmarks"]}


# What is refused


def refused(*folders: Path, private: bool = False) -> str:
    """Return what is said of corpora that are refused."""
    with pytest.raises(pytest.UsageError) as caught:
        own_corpora(folders, private=private)
    return str(caught.value)


def test_folder_that_cannot_be_looked_at_is_refused() -> None:
    """A corpus whose folder cannot be looked at is refused by its name."""
    assert refused(Path(f"/{'n' * 300}")).startswith(f"--corpus: /{'n' * 300}: ")


def test_corpora_are_named_after_their_folders(tmp_path: Path) -> None:
    """Corpora are named after their folders, and have the language that the user names."""
    folders = [make_corpus(tmp_path / name, "short") for name in ("b", "a")]

    assert [(each.name, each.language) for each in own_corpora(folders, "de")] == [
        ("b", "de"),
        ("a", "de"),
    ]
    assert own_corpora([]) == []


def test_private_corpus_is_named_by_its_content(tmp_path: Path) -> None:
    """A private corpus is named by its content, wherever it lies."""
    first = make_corpus(tmp_path / "Therapy", "short")
    (corpus,) = own_corpora([first], private=True)
    (renamed,) = own_corpora([first.rename(tmp_path / "other")], private=True)

    assert corpus.name == renamed.name == f"own-{corpus.sha256[:8]}"


def test_two_corpora_of_one_name_are_refused(tmp_path: Path) -> None:
    """Two corpora of one name are refused, and two private ones of the same content."""
    first = make_corpus(tmp_path / "monday/talks", "short")
    second = make_corpus(tmp_path / "tuesday/talks", "short")

    assert refused(first, second) == (
        f"--corpus: {second}: expected a name that no other corpus has, got 'talks', which is "
        f"also {first}; rename the folder"
    )
    assert "leave one out" in refused(first, second, private=True)


def test_mistake_ends_the_session_before_anything_is_run(
    sessions: Sessions, tmp_path: Path
) -> None:
    """A mistake in a corpus ends the session with its line, before anything is run."""
    folder = make_corpus(tmp_path / "talks", "short", "noisy")
    (folder / "noisy.wav").unlink()

    session = sessions.run("benchmarks", f"--corpus={folder}")

    assert session.status == pytest.ExitCode.USAGE_ERROR
    assert session.output == (
        f"ERROR: --corpus: {folder}: wrong entries:\n"
        f"  line 2: {folder}/noisy.wav: no such file; check the path\n\n"
    )


def test_without_a_corpus_there_is_no_test_of_one() -> None:
    """Without a corpus a session has no test of one, not even one that is skipped."""
    found = [
        is_wanted(measure, FakeSession(corpus=corpora).as_config)
        for measure in (Measure.CORPUS, Measure.WARM)
        for corpora in ([], [Path("talks")])
    ]

    assert found == [False, True, True, True]


# What is measured


def test_corpus_is_measured_as_one_test_of_each_case(sessions: Sessions, tmp_path: Path) -> None:
    """A corpus is one test of each case, with a pooled score, and the transcript of each clip."""
    folder = make_corpus(tmp_path / "talks", *NAMES)
    journal = tmp_path / "run.jsonl"
    selection = ("benchmarks", "-k", "talks and toy-micro and (good or mishears)")

    session = sessions.run(*selection, f"--corpus={folder}", f"--journal={journal}")

    assert session.status == pytest.ExitCode.OK, session.output
    found = results(session)
    assert set(found) == {f"test_corpus[toy-micro-{name}-talks]" for name in ("good", "mishears")}
    good = found["test_corpus[toy-micro-good-talks]"]
    assert (good["measure"], good["clip"]["name"]) == ("corpus", "talks")
    assert good["clip"]["seconds"] == pytest.approx(sum(clips()[name].seconds for name in NAMES))
    assert [(clip["name"], clip["transcript"]) for clip in good["clips"]] == [
        (f"{name}.wav", clips()[name].reference) for name in NAMES
    ]
    assert (good["score"]["wer"], good["repeats"]["processes"]) == (0.0, 1)
    words = good["score"]["reference_words"]
    row = r"^toy +micro +{} +talks .* \(1×1\) .* {} "
    assert re.search(row.format("good", "0.0%"), session.output, re.MULTILINE), session.output
    note = f"corpus:   toy[micro-good] on talks: WER 0.0% pooled over {words} words of 3 clips; "
    assert note in session.output
    assert found["test_corpus[toy-micro-mishears-talks]"]["score"]["wer"] > 0.5
    assert f"voices:   {NO_HUMAN_VOICE}: talks\n" in session.output

    again = sessions.run(*selection, f"--corpus={folder}", f"--resume={journal}")
    assert "2 of 2 results taken over" in again.output, again.output


def test_private_recordings_in_another_language(sessions: Sessions, tmp_path: Path) -> None:
    """Private recordings are heard in the language chosen, and no name or word of them is kept.

    Clips in English are left out with the reason; starts are measured all the same.
    """
    folder = make_corpus(tmp_path / "Therapy" / "jane", "short", language="de")
    visit = shutil.copy(clips()["short"].path, tmp_path / "visit.wav")
    journal = tmp_path / "run.jsonl"

    session = sessions.run(
        *("benchmarks", "-k", "toy-micro-good", "--language=de", "--private"),
        *(f"--corpus={folder}", f"--audio={visit}", f"--journal={journal}"),
    )

    assert session.status == pytest.ExitCode.OK, session.output
    found = results(session)
    languages = {
        name.partition("[")[0]: (each["settings"] or {}).get("language")
        for name, each in found.items()
    }
    assert languages == {
        "test_corpus": "de",
        "test_transcribe": "de",
        "test_tuned": "de",
        "test_cold_start_and_memory": "en",
        "test_load": None,
    }
    assert (
        "skipped:  the project's clips are in English: with --language=de, only" in session.output
    )
    (name,) = (each for each in found if each.startswith("test_corpus"))
    assert re.fullmatch(r"test_corpus\[toy-micro-good-own-[0-9a-f]{8}\]", name)
    (clip,) = found[name]["clips"]
    assert clip["name"] == f"own-{clips()['short'].sha256[:8]}"
    assert (clip["score"]["reference_words"], clip["score"]["wer"]) == (9, 0.0)
    # The start's own clip is the project's, and its words are no secret.
    own = [each for each in found.values() if each["measure"] != "cold"]
    told = session.output + json.dumps(own)
    for word in ("Therapy", "jane", "visit", "short.wav", "winter"):
        assert word not in told, f"{word} of a private recording was kept"
    for word in ("Therapy", "jane", "visit", "short.wav"):
        assert word not in journal.read_text(encoding="utf-8"), f"{word} is in the journal"
