"""Does a turn take the answer as it is, or is it merely polite? Politeness teaches nothing."""

from __future__ import annotations

import re

_MAX_SENTENCES = 4
_IT = r"(?:(?:yes |yep |yeah |ok |okay |ah |oh )*(?:that|this|it)(?: one)?(?: now)?)"
_ACCEPTS = (
    rf"{_IT}(?:'s| is| was| looks| seems)(?: (?:exactly|absolutely|perfectly|now|all|totally|indeed))*"
    r" (?:right|correct|what i (?:wanted|needed|meant|asked for|want|need)|good to go)",
    rf"{_IT} (?:works|worked|does it|did it|did the trick|fixed it|fixes it|solved it|passes)"
    r"(?: now| perfectly| great| fine| well| for me)*",
    r"works(?: now| perfectly| great| fine| for me| like a charm)*",
    r"i(?:'ll| will) (?:take|use|keep|go with) (?:it|this|that)(?: one)?",
    r"accepted|i accept(?: (?:it|this|that))?|lgtm|looks good to me|correct|exactly(?: right)?",
    r"(?:ja )?(?:das )?(?:stimmt|passt|funktioniert|ist (?:richtig|korrekt))(?: so| jetzt| genau)*|genau(?: so)?|richtig",
    r"c'est (?:ça|bon|exact|correct|juste|exactement ça)|ça (?:marche|fonctionne)|exact(?:ement)?",
    r"(?:eso )?(?:es correcto|está bien|funciona)|correcto|exacto|así es",
)
_YES = r"yes|yep|yeah|yup|ja|oui|sí|si"
_PRAISE = (
    r"(?:many )?thanks?(?: a lot| so much| you(?: so much| very much)?)?|thx|ty|love it|good job|well done|"
    r"(?:(?:that|this|it)(?:'s| is| looks) (?:really |very |so )?)?"
    r"(?:great|perfect|awesome|nice|cool|excellent|amazing|wonderful|brilliant|good|fantastic)(?: work| job| answer)?|"
    r"danke(?: schön| sehr)?|super|toll|prima|merci(?: beaucoup)?|parfait|génial|(?:muchas )?gracias|perfecto|genial"
)
_ACCEPT = re.compile("|".join(f"(?:{pattern})" for pattern in _ACCEPTS), re.IGNORECASE)
_YES_ONLY = re.compile(_YES, re.IGNORECASE)
_POLITE = re.compile(_PRAISE, re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSES = re.compile(r"[,;]| [-\u2013\u2014] | (?:and|und|et|y) ")
_CONTRAST = re.compile(
    r"\b(?:but|however|except|although|though|only|almost|nearly|wrong|errors?|fail(?:s|ed)?|not|instead|no|fix|"
    r"\w+n't|aber|jedoch|nur|nicht|mais|sauf|presque|pas|pero|salvo|casi)\b",
    re.IGNORECASE,
)


def approves(turn: str) -> bool:
    """Whether the user says that the answer is right or is taken, without a "but" anywhere.

    What follows may be a new request ("That works. Now add a test."); a lone "yes" must stand alone.
    """
    kinds, rest = _leading(turn)
    if "accept" in kinds:
        return _CONTRAST.search(rest) is None
    return "yes" in kinds and not rest


def praises(turn: str) -> bool:
    """Whether the turn is thanks or praise and nothing else."""
    kinds, rest = _leading(turn)
    return "praise" in kinds and not rest


def _leading(turn: str) -> tuple[frozenset[str], str]:
    """Return the kinds of the sentences at the beginning that are approval or praise, and the rest of the turn."""
    kinds: set[str] = set()
    rest = turn.strip()
    for _ in range(_MAX_SENTENCES):
        parts = _SENTENCES.split(rest, maxsplit=1)
        found = _sentence_kinds(parts[0])
        if not found:
            break
        kinds |= found
        rest = parts[1].strip() if len(parts) > 1 else ""
    return frozenset(kinds), rest


def _sentence_kinds(sentence: str) -> frozenset[str]:
    if len(sentence) > 120 or sentence.rstrip().endswith("?"):
        return frozenset()
    clauses = [clause.strip(" \t.!:)\n") for clause in _CLAUSES.split(sentence.strip())]
    kinds = [_clause_kind(clause) for clause in clauses if clause]
    return frozenset(kinds) if kinds and "" not in kinds else frozenset()


def _clause_kind(clause: str) -> str:
    if _ACCEPT.fullmatch(clause):
        return "accept"
    if _YES_ONLY.fullmatch(clause):
        return "yes"
    return "praise" if _POLITE.fullmatch(clause) else ""
