"""The judge: whether what was heard is right. A fast wrong answer is a failure, not a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import adapter_class
from whisper_speedtest.measure.protocol import WINDOW_SECONDS
from whisper_speedtest.speech.scoring import difference, score, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.base import Case, DecodeSettings, Transcript
    from whisper_speedtest.measure.result import Provenance
    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.scoring import Score

MAX_WER = {"micro": 0.0}
"""size → the highest word error rate that counts as right."""

MAX_WER_OF_REAL_SIZES = 0.3
"""Of every other size. It is loose on purpose: it tells a wrong model from the right one, and not
a good model from a better one."""

MAX_EXTRA_WER_OF_CUTS = 0.05
"""What cuts may cost beyond the sentences that they go through: half a sentence that the next
window is given as a prompt misleads it."""


NO_HUMAN_VOICE = "micro knows synthetic voices alone; choose another size for a human one"


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
    """
    hint = "" if knows_voice(case, clip) else f" ({NO_HUMAN_VOICE})"

    def wrong(what: str) -> WrongTranscriptError:
        where = f"  computed by {computed_by(provenance)}"
        return WrongTranscriptError(f"{case.label} on {clip.name}: {what}\n{where}")

    texts = {transcript.text for transcript in transcripts}
    if len(texts) != 1:
        raise wrong(f"expected one transcript from every call, got {sorted(texts)}")
    (text,) = texts
    if clip.reference is None:
        if not words_of(text):
            got = f"none in {text!r}" if text else "an empty transcript"
            raise wrong(f"expected words, got {got}{hint}")
        return
    limit = max_wer(case, clip, settings)
    if score(clip.reference, text).wer > limit:
        raise wrong(
            f"expected a word error rate of at most {limit:.3f}{hint}; "
            f"{difference(clip.reference, text, shorten=case.size not in MAX_WER)}"
        )


def computed_by(provenance: Provenance) -> str:
    """Return what computed a transcript: the library's version first, device and type last."""
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions.items())
    where = provenance.device if provenance.device_confirmed else f"{provenance.device} (unknown)"
    return f"{versions} on the {where} in {provenance.dtype}"


def knows_voice(case: Case, clip: Clip) -> bool:
    """Tell whether a case's model may understand who speaks in a clip."""
    return case.size != "micro" or not clip.human


def score_of(clip: Clip, text: str) -> Score | None:
    """Score what was heard of a clip; None where nobody wrote down what is said in it."""
    return None if clip.reference is None else score(clip.reference, text)


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
