"""The judge: whether what was heard is right. A fast wrong answer is a failure, not a result."""

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
"""size → the highest word error rate that counts as right."""

MAX_WER_OF_REAL_SIZES = 0.3
"""Of every other size. It is loose on purpose: it tells a wrong model from the right one, and not
a good model from a better one."""

MOST_TOKENS = 51_866
"""The vocabulary of the models that know all languages."""

MAX_EXTRA_WER_OF_CUTS = 0.05
"""What cuts may cost beyond the sentences that they go through: half a sentence that the next
window is given as a prompt misleads it."""

_CHANGE = re.compile(r"^  ((?:word|letter) \d+: .+)$", re.MULTILINE)
"""A line of `difference` on words that differ."""

NO_HUMAN_VOICE = (
    "micro knows synthetic voices alone, so that this tells nothing of the library; choose another "
    "size for a human voice"
)


class WrongTranscriptError(AssertionError):
    """What was heard is not what was said; the message says in which words they differ."""


def judge(
    case: Case,
    clip: Clip,
    settings: DecodeSettings,
    transcripts: Sequence[Transcript],
    provenance: Provenance,
) -> None:
    """Raise WrongTranscriptError unless all transcripts of a clip are the same, and right.

    Of a recording whose words nobody wrote down, any words are right; of any other clip, a word
    error rate of at most `max_wer` is. The message says what computed it, on which device and in
    which type, since processors round differently; of the embedded model it shows both whole texts.
    Of a user's recording it thinks of both reasons: first of the model, and then of the text beside
    it. The first line, which is all that a summary has, names the device and the first wrong words
    of that model.
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
            _or_the_text(clip),
            details,
        )


def _or_the_text(clip: Clip) -> str:
    """Return the next step where the text beside a user's recording may not be what is said.

    The text of a private recording, which is named by its hash, is not named.
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
    """Raise WrongTranscriptError unless the pooled score of a corpus is that of the right model.

    The embedded model is not judged: a corpus is of human voices, of which it knows none.
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
    """Return what computed a transcript: the library's version first, device and type last."""
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions.items())
    return f"{versions} {place_of(provenance)}"


def place_of(provenance: Provenance) -> str:
    """Return where a transcript was computed, and in which type."""
    where = provenance.device if provenance.device_confirmed else f"{provenance.device} (unknown)"
    return f"on the {where} in {provenance.dtype}"


def knows_voice(case: Case, clip: Clip) -> bool:
    """Tell whether a case's model may understand who speaks in a clip."""
    return case.size != "micro" or not clip.human


def why_not_in(case: Case, language: str) -> str:
    """Return why a case's model cannot be asked for a language; "" if it can.

    Distilled models were taught English alone, also where their vocabulary has other languages.
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
    """Score what was heard of a clip; None where nobody wrote down what is said in it.

    Where it is known when each sentence is said, the segments of the transcript are held to that;
    where nothing is said, each word is one heard in silence.
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
    return found if found.reference_words else replace(found, words_in_silence=found.insertions)


def max_wer(case: Case, clip: Clip, settings: DecodeSettings) -> float:
    """Return the highest word error rate that counts as a right transcript of the clip.

    A library that cuts audio every 30 s, in the middle of a word if need be, may lose the sentences
    that run across a cut, or write parts of them twice. It is not failed for that.
    """
    limit = MAX_WER.get(case.size, MAX_WER_OF_REAL_SIZES)
    if is_cut(case, settings) and (share := share_of_cut_words(clip)):
        limit += share + MAX_EXTRA_WER_OF_CUTS
    return limit


def is_cut(case: Case, settings: DecodeSettings) -> bool:
    """Tell whether a case's library cuts audio every 30 s when it is told these settings."""
    match adapter_class(case.adapter).traits.cuts:
        case "always":
            return True
        case "in batches":
            return settings.batch_size > 1 and not settings.vad
        case "never":
            return False


def share_of_cut_words(clip: Clip) -> float:
    """Return the share of a clip's words that belong to sentences across a 30 s border."""
    words = sum(len(sentence.text.split()) for sentence in clip.sentences)
    cut = sum(
        len(sentence.text.split())
        for sentence in clip.sentences
        if sentence.start // WINDOW_SECONDS != sentence.end // WINDOW_SECONDS
    )
    return cut / words if words else 0.0
