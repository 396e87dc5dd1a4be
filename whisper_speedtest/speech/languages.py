"""The languages that Whisper knows, and those of them in which letters are counted, not words."""

from __future__ import annotations

from difflib import get_close_matches

ENGLISH = "en"
"""The language of the project's own clips."""

# Source: openai/whisper, whisper/tokenizer.py, LANGUAGES.
LANGUAGES = {
    "en": "English", "zh": "Chinese", "de": "German", "es": "Spanish", "ru": "Russian",
    "ko": "Korean", "fr": "French", "ja": "Japanese", "pt": "Portuguese", "tr": "Turkish",
    "pl": "Polish", "ca": "Catalan", "nl": "Dutch", "ar": "Arabic", "sv": "Swedish",
    "it": "Italian", "id": "Indonesian", "hi": "Hindi", "fi": "Finnish", "vi": "Vietnamese",
    "he": "Hebrew", "uk": "Ukrainian", "el": "Greek", "ms": "Malay", "cs": "Czech",
    "ro": "Romanian", "da": "Danish", "hu": "Hungarian", "ta": "Tamil", "no": "Norwegian",
    "th": "Thai", "ur": "Urdu", "hr": "Croatian", "bg": "Bulgarian", "lt": "Lithuanian",
    "la": "Latin", "mi": "Maori", "ml": "Malayalam", "cy": "Welsh", "sk": "Slovak",
    "te": "Telugu", "fa": "Persian", "lv": "Latvian", "bn": "Bengali", "sr": "Serbian",
    "az": "Azerbaijani", "sl": "Slovenian", "kn": "Kannada", "et": "Estonian",
    "mk": "Macedonian", "br": "Breton", "eu": "Basque", "is": "Icelandic", "hy": "Armenian",
    "ne": "Nepali", "mn": "Mongolian", "bs": "Bosnian", "kk": "Kazakh", "sq": "Albanian",
    "sw": "Swahili", "gl": "Galician", "mr": "Marathi", "pa": "Punjabi", "si": "Sinhala",
    "km": "Khmer", "sn": "Shona", "yo": "Yoruba", "so": "Somali", "af": "Afrikaans",
    "oc": "Occitan", "ka": "Georgian", "be": "Belarusian", "tg": "Tajik", "sd": "Sindhi",
    "gu": "Gujarati", "am": "Amharic", "yi": "Yiddish", "lo": "Lao", "uz": "Uzbek",
    "fo": "Faroese", "ht": "Haitian Creole", "ps": "Pashto", "tk": "Turkmen", "nn": "Nynorsk",
    "mt": "Maltese", "sa": "Sanskrit", "lb": "Luxembourgish", "my": "Myanmar", "bo": "Tibetan",
    "tl": "Tagalog", "mg": "Malagasy", "as": "Assamese", "tt": "Tatar", "haw": "Hawaiian",
    "ln": "Lingala", "ha": "Hausa", "ba": "Bashkir", "jw": "Javanese", "su": "Sundanese",
    "yue": "Cantonese",
}  # fmt: skip
"""code → name in English, in the order of their tokens."""

YOUNGEST = "yue"
"""The language that came with large-v3. Smaller sizes and older ones know the other 99."""

# Source: openai/whisper, whisper/tokenizer.py, split_to_word_tokens.
WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that write no spaces between words, so that letters are counted in place of words."""


def parse_language(text: str) -> str:
    """Return the code of a language, which may be given in capitals.

    Raises:
        ValueError: There is no such language; the message says which may be meant, and lists those
            that there are.
    """
    code = text.strip().lower()
    if code not in LANGUAGES:
        near = " or ".join(f"{each} ({LANGUAGES[each]})" for each in _meant(code))
        meant = f"; did you mean {near}?" if near else ""
        raise ValueError(
            f"expected the code of a language that Whisper knows, one of {', '.join(LANGUAGES)}; "
            f"got {text!r}{meant}"
        )
    return code


def _meant(text: str) -> list[str]:
    """Return the codes of the languages that a text in small letters may mean, the likeliest first.

    A language of exactly this name in English is the only one. Otherwise there may be the one with
    whose code the text begins (`de-at`, or `deutsch`, as many codes come from what a language calls
    itself), and the one whose name in English is most similar.
    """
    names = {name.lower(): code for code, name in LANGUAGES.items()}
    if text in names:
        return [names[text]]
    by_code = sorted((code for code in LANGUAGES if text.startswith(code)), key=len)[-1:]
    by_name = [names[name] for name in get_close_matches(text, names, n=1)]
    return list(dict.fromkeys(by_code + by_name))
