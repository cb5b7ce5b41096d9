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
    r"(?:ja )?(?:das )?(?:stimmt|passt|funktioniert|ist (?:richtig|korrekt))(?: so| jetzt| genau)*|genau(?: so)?|richtig|"
    r"jetzt (?:funktioniert|geht|läuft|klappt|passt|stimmt) (?:es|das|alles)|(?:genau )?so nehme ich (?:das|es)",
    r"c'est (?:ça|bon|exact|correct|juste|exactement ça)|ça (?:marche|fonctionne)(?: maintenant)?|exact(?:ement)?|c'est exactement ce que je voulais",
    r"(?:eso |ahora (?:ya )?)?(?:es correcto|está bien|funciona)|correcto|exacto|(?:es )?(?:exactamente|justo) lo que (?:quería|necesitaba)|así es",
    r"(?:è )?(?:esatto|giusto|corretto)|(?:adesso |ora )?funziona(?: adesso| ora)?",
    r"(?:(?:isso )?está )?(?:certo|correto)|isso mesmo|(?:agora )?funciona(?: agora)?",
    r"(?:dat )?klopt|precies|(?:het |dat |nu )?werkt(?: het)?(?: nu)?",
    r"zgadza się|dokładnie|(?:teraz |to )?działa(?: teraz)?",
    r"(?:это )?(?:верно|правильно)|именно|(?:теперь )?(?:всё )?работает",
    r"对|对的|正确|没错|(?:现在)?(?:可以|好)了|成功了|正解(?:です)?|その通り(?:です)?|動きました|うまくいきました",
)
_YES = r"yes|yep|yeah|yup|ja|oui|sí|si"
_NOD = r"sim|sì|tak|да|はい|是的|ah|oh|haha+"
_PRAISE = (
    r"(?:many )?thanks?(?: a lot| so much| you(?: so much| very much)?)?|thx|ty|(?:i )?love it|you(?:'re| are) great|super gemacht|good job|well done|"
    r"(?:(?:that|this|it)(?:'s| is| looks) (?:really |very |so )?)?"
    r"(?:great|perfect|awesome|nice|cool|excellent|amazing|wonderful|brilliant|good|fantastic)(?: work| job| answer)?|"
    r"danke(?: schön| sehr)?|(?:vielen|besten|herzlichen) dank|super|toll|prima|merci(?: beaucoup)?|parfait|génial|(?:muchas )?gracias|perfecto|genial|"
    r"grazie(?: mille)?|perfetto|(?:muito )?obrigad[oa]|perfeito|(?:heel erg |hartelijk )?(?:bedankt|dank (?:je|u)(?: wel)?)|"
    r"dziękuję(?: bardzo)?|(?:wielkie )?dzięki|świetnie|спасибо(?: большое)?|отлично|谢谢(?:你)?|非常感谢|太好了|"
    r"ありがとう(?:ございます|ございました)?|素晴らしい"
)
_ACCEPT = re.compile("|".join(f"(?:{pattern})" for pattern in _ACCEPTS), re.IGNORECASE)
_YES_ONLY = re.compile(_YES, re.IGNORECASE)
_NOD_ONLY = re.compile(_NOD, re.IGNORECASE)
_POLITE = re.compile(_PRAISE, re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])\s*|\n+")
_CLAUSES = re.compile(r"[,;\uff0c\u3001]| [-\u2013\u2014] | (?:and|und|et|y) ")
_CONTRAST = re.compile(
    r"\b(?:but|however|except|although|though|only|almost|nearly|wrong|errors?|fail(?:s|ed)?|not|instead|no|fix|"
    r"\w+n't|aber|jedoch|nur|nicht|mais|sauf|presque|pas|pero|salvo|casi|ma|non|mas|não|maar|niet|ale|nie|но|не)\b",
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
    if len(sentence) > 120 or sentence.rstrip().endswith(("?", "\uff1f")):
        return frozenset()
    clauses = [clause.strip(" \t.!:)\n\u00a1\u3002\uff01") for clause in _CLAUSES.split(sentence.strip())]
    kinds = [_clause_kind(clause) for clause in clauses if clause]
    return frozenset(kinds) if kinds and "" not in kinds else frozenset()


def _clause_kind(clause: str) -> str:
    if _ACCEPT.fullmatch(clause):
        return "accept"
    if _YES_ONLY.fullmatch(clause):
        return "yes"
    if _NOD_ONLY.fullmatch(clause):
        return "nod"
    return "praise" if _POLITE.fullmatch(clause) else ""
