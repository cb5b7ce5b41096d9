"""In which language somebody writes: by script, else by the commonest words. Good for counting, not for one short line."""

from __future__ import annotations

import re
from collections import Counter

_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
)
"""The first that occurs decides: Japanese has Chinese characters too."""
_COMMON = {
    "en": "the of and to is in that it you for what how are with this be can on not",
    "de": "der die das und ist nicht ich ein eine zu wie auf mit den für was von es wird",
    "fr": "le la les des est et une pour que dans qui pas sur avec je ce comment en vous",
    "es": "el los las es y una para que por con no cómo en del se qué un me como",
    "it": "il lo gli è e una per che di non come con del si cosa sono questo mi della",
    "pt": "o os as é e uma para que não com do da como em um se por isso qual",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_LETTERS = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str:
    """Return an ISO 639-1 code; empty where nothing speaks for a language more than for another."""
    for language, script in _SCRIPTS:
        if script.search(text):
            return language
    # A single letter is a variable more often than a word.
    words = [word.lower() for word in _LETTERS.findall(text) if len(word) > 1 or not word.isascii()]
    (first, most), (_, second) = Counter(
        {language: sum(word in common for word in words) for language, common in _WORDS.items()}
    ).most_common(2)
    return first if most > second else ""
