"""A short right answer in place of a short wrong one: "No, it's Canberra." after "Sydney".

Only what plainly replaces the whole answer counts: a name for a name, a number for a number in the same unit, a line
for a line much like it. Anything else after a "no" may be a wish, a rule or a new request.
"""

from __future__ import annotations

import re

from rapidfuzz import fuzz

_MAX_CHARS = 240
_NAME_WORDS = 3
_CASELESS_CHARS = 12
_ALIKE = 50.0
_NEARLY_THE_SAME = 75.0

_NO = (
    r"no+|nope|nah|nein|nee|non|não|nie|нет|wrong|incorrect|not (?:quite|right)|almost|nearly|close|that'?s wrong|"
    r"falsch|fast(?: richtig)?|nicht ganz|faux|presque|pas tout à fait|casi|incorrecto|mal|quasi|sbagliato|errato|"
    r"quase|errado|bijna|fout|prawie|źle|почти|неверно|неправильно"
)
_NO_CJK = r"不对|错了|不是|差一点|いいえ|違います|違う|惜しい|間違いです"
_IS = (
    r"it'?s|it is|it was|that'?s|(?:it |that )?should be|(?:the )?(?:correct|right)(?: one| answer)?(?: is)?|"
    r"es (?:ist|war|heißt)|das (?:ist|war)|(?:richtig|korrekt)(?: (?:ist|wäre|heißt es))?|c'est|c'était|es|era|è|é|"
    r"het (?:is|was)|to|это|правильно"
)
_TURN = re.compile(
    rf"\s*(?:hm+[, ]+)?[\u00a1]?(?P<no>{_NO})(?P<stop>[,:;.!\u2013\u2014-]+ *| +[!\u2013\u2014-]+ +)"
    rf"(?:(?P<is>{_IS})(?:: *| +))?(?P<content>\S[^\n]*)\s*",
    re.IGNORECASE,
)
_TURN_CJK = re.compile(
    rf"\s*(?:{_NO_CJK})[,.!\uff0c\u3002\uff01\u3001 ]+(?:(?:应该)?是(?P<zh>[^\s\uff0c\u3002]+)|(?P<ja>\S+?)です)[.!\u3002\uff01]?\s*"
)
_PLAIN_SHOULD = re.compile(
    r"\s*(?:it |that |this )?should be(?:: *| +)(?P<content>\S[^\n]*)\s*", re.IGNORECASE
)
_NUMBER = re.compile(r"[-+]?[$€£]?\d[\d.,:/]*(?P<unit> ?(?:%|°?[^\W\d_]{1,10})?)")
_WORD = re.compile(r"[^\W\d_][\w'.-]*")
_SMALL = frozenset(
    [
        "of",
        "the",
        "de",
        "la",
        "le",
        "du",
        "da",
        "do",
        "dos",
        "di",
        "del",
        "van",
        "von",
        "der",
        "den",
        "and",
        "und",
        "et",
        "y",
        "e",
        "i",
    ]
)
_NO_NAME = frozenset(
    [
        "i",
        "i'm",
        "i'd",
        "you",
        "we",
        "he",
        "she",
        "they",
        "it",
        "ich",
        "du",
        "sie",
        "wir",
        "er",
        "es",
        "je",
        "tu",
        "yo",
        "yes",
        "no",
        "ok",
        "okay",
        "ja",
        "nein",
        "oui",
        "non",
        "sí",
        "hi",
        "hello",
        "hey",
        "sure",
        "done",
        "sorry",
        "please",
        "bitte",
        "thanks",
        "danke",
        "merci",
        "stop",
        "again",
        "wait",
        "try",
        "use",
        "make",
        "add",
        "just",
        "not",
        "what",
        "why",
        "how",
        "here",
        "there",
        "this",
        "that",
        "wrong",
        "falsch",
        "faux",
        "mal",
        "right",
        "richtig",
        "correct",
        "shorter",
        "longer",
        "better",
        "more",
        "less",
    ]
)
_PAIRS = {"`": "`", '"': '"', "\u201c": "\u201d", "\u201e": "\u201c\u201d", "«": "»", "「": "」"}
_CODE = re.compile(r"[=(){}\[\]<>$|;/\\*]|::")
_CASELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")
_KATAKANA = re.compile(r"[\u30a0-\u30ff]+")
_CLAUSE = re.compile(r"[你我他她这那吗不错再请要用]|[文语語]$|して|ださい|なし|直し")
_FORM = re.compile(
    r"(?:json|ya?ml|xml|csv|html|markdown|latex|sql|python|java|javascript|typescript|rust|go|bash|c\+\+|c#|"
    r"english|german|french|spanish|italian|dutch|polish|russian|chinese|japanese|portuguese|deutsch|englisch|"
    r"französisch|spanisch|italienisch|anglais|français|allemand|inglés|español|alemán|inglese|italiano|engels|"
    r"nederlands|plain text|uppercase|lowercase|bullet points|prose|a (?:list|table|haiku|poem))[.!]?",
    re.IGNORECASE,
)


def replacement_span(turn: str, answer: str) -> tuple[int, int] | None:
    """Return `[start, end)` of the short right answer that `turn` puts in the place of `answer`, or None."""
    wrong = answer.strip().strip("*`").removesuffix(".").strip()
    if len(turn) > _MAX_CHARS or len(wrong) > _MAX_CHARS or not wrong or "\n" in wrong or "?" in turn:
        return None
    if (found := _TURN_CJK.fullmatch(turn)) is not None:
        group = "zh" if found["zh"] else "ja"
        return found.span(group) if _replaces_caseless(found[group], wrong) else None
    rejects = _TURN.fullmatch(turn)
    match = rejects or _PLAIN_SHOULD.fullmatch(turn)
    if match is None:
        return None
    start, end = match.start("content"), len(turn.rstrip())
    quoted = _quoted(turn, start, end)
    if quoted is not None:
        content = turn[slice(*quoted)]
        return (
            quoted
            if fuzz.ratio(content.casefold(), wrong.casefold()) >= _ALIKE and content != wrong
            else None
        )
    end -= 1 if turn[end - 1] in ".!" else 0
    return (start, end) if _replaces(turn[start:end], wrong, rejects) else None


def _replaces(content: str, wrong: str, rejects: re.Match[str] | None) -> bool:
    """Whether a line, number or name stands in for one of its kind, after a rejection unless it is a line much like it."""
    if _nearly_the_same_line(content, wrong):
        return True
    if rejects is None or (rejects["is"] or "").casefold().endswith("should be"):
        return False
    # After a full stop any word begins with a capital.
    sure = bool(rejects["is"]) or rejects["stop"].strip() in (",", ":")
    return _same_number(content, wrong) or (sure and _names(content, wrong))


def names_a_form(content: str, answer: str) -> bool:
    """Whether `content` says in which form or language to answer ("JSON") instead of being the answer."""
    return _FORM.fullmatch(content.strip()) is not None and _FORM.fullmatch(answer.strip()) is None


def _quoted(turn: str, start: int, end: int) -> tuple[int, int] | None:
    while end > start and turn[end - 1] in ".!":
        end -= 1
    closing = _PAIRS.get(turn[start])
    inner = turn[start + 1 : end - 1]
    if closing is None or end - start < 3 or turn[end - 1] not in closing or not inner.strip():
        return None
    if any(mark in inner for mark in closing):
        return None
    return start + 1 + len(inner) - len(inner.lstrip()), end - 1 - len(inner) + len(inner.rstrip())


def _nearly_the_same_line(content: str, wrong: str) -> bool:
    both_code = _CODE.search(content) is not None and _CODE.search(wrong) is not None
    return (
        both_code
        and content[0] not in _PAIRS
        and fuzz.ratio(content, wrong) >= _NEARLY_THE_SAME
        and content != wrong
    )


def _same_number(content: str, wrong: str) -> bool:
    new, old = _NUMBER.fullmatch(content), _NUMBER.fullmatch(wrong)
    return new is not None and old is not None and new["unit"] == old["unit"] and content != wrong


def _names(content: str, wrong: str) -> bool:
    shouts = content.isupper() and len(content) > 1
    return _is_name(content) and _is_name(wrong) and content != wrong and (not shouts or wrong.isupper())


def _is_name(text: str) -> bool:
    words = text.split(" ")
    if len(words) > _NAME_WORDS or any(_WORD.fullmatch(word) is None for word in words):
        return False
    if any(word.casefold() in _NO_NAME for word in words):
        return False
    return words[0][0].isupper() and all(word[0].isupper() or word in _SMALL for word in words)


def _replaces_caseless(content: str, wrong: str) -> bool:
    if content.isdigit() and wrong.isdigit():
        return content != wrong
    for text in (content, wrong):
        if len(text) > _CASELESS_CHARS or _CASELESS.fullmatch(text) is None or _CLAUSE.search(text):
            return False
    alike = (_KATAKANA.fullmatch(content) is None) == (_KATAKANA.fullmatch(wrong) is None)
    return alike and content != wrong
