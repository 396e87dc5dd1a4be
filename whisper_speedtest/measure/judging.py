"""Judges whether transcripts are right: a fast wrong transcript is a failure, not a result."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from adapters import adapter_class
from adapters.sizes import DIMENSIONS
from whisper_speedtest.measure.protocol import WINDOW_SECONDS
from whisper_speedtest.speech.clip import private_name
from whisper_speedtest.speech.languages import ENGLISH, LANGUAGES, YOUNGEST
from whisper_speedtest.speech.normalising import words_of
from whisper_speedtest.speech.recordings import text_file
from whisper_speedtest.speech.scoring import difference, score
from whisper_speedtest.speech.timing import timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.base import Case, DecodeSettings, Segment, Transcript
    from whisper_speedtest.measure.result import Provenance
    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus
    from whisper_speedtest.speech.scoring import Score

MAX_WER = {"micro": 0.0}
"""Size → the highest word error rate that counts as right."""

MAX_WER_OF_REAL_SIZES = 0.3
"""The same for every other size. It is loose on purpose: it is to find a wrong model, and not to
compare good models."""

MOST_TOKENS = 51_866
"""The vocabulary size of the models that know all languages."""

MAX_EXTRA_WER_OF_CUTS = 0.05
"""How much cuts may add to the word error rate beyond the words of the sentences that they cut.

The next window is given half a sentence as its prompt, which misleads it."""

_CHANGE = re.compile(r"^  ((?:word|letter) \d+: .+)$", re.MULTILINE)
"""A line in the output of `difference` that shows different words."""

NO_HUMAN_VOICE = (
    "micro knows synthetic voices alone, so that this tells nothing of the library; choose another "
    "size for a human voice"
)


class WrongTranscriptError(AssertionError):
    """A transcript is wrong; the message shows which words differ from the reference."""


def judge(
    case: Case,
    clip: Clip,
    settings: DecodeSettings,
    transcripts: Sequence[Transcript],
    provenance: Provenance,
) -> None:
    """Raise WrongTranscriptError unless all transcripts of a clip are the same, and right.

    A transcript is right if its word error rate is at most `max_wer`. For a recording without a
    reference text, any words are right.

    The message's first line, which is all that a summary shows, names the device, and for the
    embedded model the first wrong words. Further lines say which library computed the transcript,
    and in which type, since processors round differently; for the embedded model they show both
    whole texts. For a user's recording the advice is to check the model first, and then the text.
    """
    hint = "" if knows_voice(case, clip) else f"{NO_HUMAN_VOICE}; "

    def wrong(what: str, next_step: str = "", *details: str) -> WrongTranscriptError:
        first = f"{case.label} on {clip.name}: {what}, {place_of(provenance)}{next_step}"
        last = f"  computed by {computed_by(provenance)}"
        return WrongTranscriptError("\n".join([first, *details, last]))

    texts = {transcript.text for transcript in transcripts}
    if len(texts) != 1:
        raise wrong(f"expected one transcript from every call, got {sorted(texts)}")
    (text,) = texts
    if clip.reference is None:
        if not words_of(text, settings.language):
            got = f"none in {text!r}" if text else "an empty transcript"
            raise wrong(f"{hint}expected words, got {got}")
        return
    limit = max_wer(case, clip, settings)
    if score(clip.reference, text, settings.language).wer > limit:
        whole = case.size in MAX_WER
        counts, _, details = difference(
            clip.reference.rstrip("\n"), text, settings.language, shorten=not whole
        ).partition("\n")
        change = _CHANGE.search(details) if whole else None
        first = f"; {change[1]}" if change else ""
        raise wrong(
            f"{hint}expected a word error rate of at most {limit:.3f}, got {counts}{first}",
            _advice_on_text(clip),
            details,
        )


def _advice_on_text(clip: Clip) -> str:
    """Return the advice to correct the text of a user's recording; "" for other clips.

    It does not name the text file of a private recording.
    """
    if not clip.is_own:
        return ""
    file = text_file(clip.path)
    is_private = clip.name == private_name(clip.sha256)
    text = "the text beside it" if is_private or file is None else file.name
    return f"; correct {text} if that is not what is said"


def judge_corpus(
    case: Case, corpus: Corpus, transcribed: Score | None, provenance: Provenance
) -> None:
    """Raise WrongTranscriptError if the pooled word error rate of a corpus is too high.

    The embedded model is not judged, as it knows no human voices.
    """
    if case.size in MAX_WER or transcribed is None or transcribed.wer <= MAX_WER_OF_REAL_SIZES:
        return
    raise WrongTranscriptError(
        f"{case.label} on {corpus.name}: expected a word error rate of at most "
        f"{MAX_WER_OF_REAL_SIZES:.3f}, pooled over {len(corpus.clips)} clips; got "
        f"{transcribed.wer:.3f} over {transcribed.reference_words} words: "
        f"{transcribed.substitutions} wrong, {transcribed.deletions} missing, "
        f"{transcribed.insertions} added; correct its texts where they are not what is said, or "
        f"name the language with --language if it is not {LANGUAGES[corpus.language]}\n"
        f"  computed by {computed_by(provenance)}"
    )


def computed_by(provenance: Provenance) -> str:
    """Return the versions, device and type that computed a transcript, the library's first."""
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions.items())
    return f"{versions} {place_of(provenance)}"


def place_of(provenance: Provenance) -> str:
    """Return the device and the type that computed a transcript."""
    where = provenance.device if provenance.device_confirmed else f"{provenance.device} (unknown)"
    return f"on the {where} in {provenance.dtype}"


def knows_voice(case: Case, clip: Clip) -> bool:
    """Tell whether a case's model was trained for the voice of a clip."""
    return case.size != "micro" or not clip.human


def why_not_in(case: Case, language: str) -> str:
    """Return why a case's model cannot transcribe a language; "" if it can.

    Distilled models were trained on English only, even if their vocabulary has other languages.
    Source: the model cards of distil-whisper.
    """
    if language == ENGLISH:
        return ""
    name = LANGUAGES[language]
    if case.size.endswith(".en") or case.size.startswith("distil-"):
        return f"{case.size} knows English alone, and no {name}"
    if language == YOUNGEST and DIMENSIONS[case.size].vocabulary < MOST_TOKENS:
        return f"{case.size} does not know {name}, which came with large-v3"
    return ""


def score_of(
    clip: Clip, text: str, language: str = ENGLISH, segments: Sequence[Segment] = ()
) -> Score | None:
    """Return the score of a clip's transcript; None if the clip has no reference text.

    If the times of the sentences are known, the times of `segments` are scored, too. If the clip is
    silent, each word of the transcript counts as a word in silence.
    """
    if clip.reference is None:
        return None
    found = score(clip.reference, text, language)
    if clip.sentences:
        times = timing(clip.sentences, segments, language)
        return replace(
            found,
            time_error=times.error,
            boundaries=times.boundaries,
            words_in_silence=times.words_in_silence,
        )
    if not found.reference_words:
        return replace(found, words_in_silence=found.insertions)
    return found


def max_wer(case: Case, clip: Clip, settings: DecodeSettings) -> float:
    """Return the highest word error rate that counts as a right transcript of the clip.

    It is higher if the library cuts audio every 30 s, even in the middle of a word: such a library
    may lose sentences that run across a cut, or write parts of them twice.
    """
    limit = MAX_WER.get(case.size, MAX_WER_OF_REAL_SIZES)
    cut_words = share_of_cut_words(clip) if is_cut(case, settings) else 0.0
    if cut_words:
        limit += cut_words + MAX_EXTRA_WER_OF_CUTS
    return limit


def is_cut(case: Case, settings: DecodeSettings) -> bool:
    """Tell whether a case's library cuts audio every 30 s with these settings."""
    match adapter_class(case.adapter).traits.cuts:
        case "always":
            return True
        case "in batches":
            return settings.batch_size > 1 and not settings.vad
        case "never":
            return False


def share_of_cut_words(clip: Clip) -> float:
    """Return the share of a clip's words that are in sentences across a cut."""
    words = sum(len(sentence.text.split()) for sentence in clip.sentences)
    cut = sum(
        len(sentence.text.split())
        for sentence in clip.sentences
        if sentence.start // WINDOW_SECONDS != sentence.end // WINDOW_SECONDS
    )
    return cut / words if words else 0.0
