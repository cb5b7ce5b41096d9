"""Whether two texts are one answer as two programs keep it, or somebody typed words into it.

Clients rewrite what they show: line ends, composed letters, quotes, entities, marks of Markdown, footnotes.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from functools import lru_cache

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", None),
    }
)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_LINE_MARK = re.compile(r"^[ \t]*(?:(?:[-*+\u2022>]|#{1,6}|\d{1,3}[.)])[ \t]+)+", re.MULTILINE)
# Whole runs only, begun nowhere but at their first mark: `a**b` stays, and a long run is read in one pass.
_EMPHASIS = re.compile(r"(?<![\w*_`~])[*_`~]++(?=\S)|(?<=[^\s*_`~])[*_`~]++(?!\w)")
_FOOTNOTE = re.compile(r"\s*\[\^?\d{1,3}\](?!\()")
_WORD = re.compile(r"\w+")


@lru_cache(maxsize=256)
def normal(text: str) -> str:
    """Return a text without what programs change about it by themselves; its words and their order stay."""
    plain = unicodedata.normalize("NFKC", html.unescape(text)).translate(_PLAIN)
    unmarked = _EMPHASIS.sub("", _LINE_MARK.sub("", _TAG.sub("", plain)))
    return " ".join(unmarked.split())


def same(answer: str, kept: str) -> bool:
    """Whether `kept` is `answer`, however a program keeps it.

    Numbers of footnotes are left out only where the answer has none: in code, `[1]` is an index or a list.
    """
    if answer.strip() == kept.strip():
        return True
    here, there = normal(answer), normal(kept)
    return here == there or (_FOOTNOTE.search(here) is None and here == _FOOTNOTE.sub("", there))


def words(text: str) -> list[str]:
    """Return the words of a text in order, without numbers of footnotes wherever they stand."""
    return _WORD.findall(_FOOTNOTE.sub("", normal(text)))


def typed_words(original: str, text: str) -> frozenset[str]:
    """Return the words that stand in `text` more often than in `original`: moving and leaving out adds none."""
    return frozenset(Counter(words(text)) - Counter(words(original)))


def only_framed(original: str, text: str) -> bool:
    """Whether all words of `original` stand in `text` in one piece: a greeting, a signature or a note was added."""
    inner, outer = words(original), words(text)
    return f" {' '.join(inner)} " in f" {' '.join(outer)} "
