"""What a user's turn says about the answer before it: deterministic rules, precision first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import fuzz

from laimark_sidecar.experience.approval import approves, praises
from laimark_sidecar.experience.clarification import clarifies
from laimark_sidecar.experience.correction import corrected_span
from laimark_sidecar.experience.fences import fences
from laimark_sidecar.experience.replacement import names_a_form, replacement_span

Kind = Literal["correction", "correction_bare", "accept", "praise", "rephrase", "clarification", "neutral"]
REPHRASE_RATIO = 80.0
_REPHRASE_MIN_CHARS = 15
_REPHRASE_MAX_CHARS = 4000
_OPENING_CHARS = 200
_LONG_ANSWER_CHARS = 300

_END = r"(?=\s*(?:[,.;:!\-\u2013\u2014\n\u3002\uff0c\uff01\u3001]|$))"
_IS = r"(?:\s+(?:is|was)|'?s)"
_NO = r"(?:no|nope|nah|nein|nee|non|não|nie|нет|いいえ)"
_REJECTIONS = (
    rf"{_NO}{_END}",
    rf"no (?=(?:that|this|it){_IS}? ?(?:wrong|not|isn|should|doesn)|it should|the (?:correct|right|next))",
    rf"(?:that|this|it|your answer){_IS}\s+(?:just |still |completely |also |simply )?"
    r"(?:wrong\b|incorrect|false\b|not (?:right|correct|quite|true|it\b|what))",
    r"(?:that|this|it)\s+(?:isn|wasn)'?t\s+(?:right|correct|quite|true|it\b|what)",
    r"i (?:don'?t|do not) think (?:that|this|it)(?:'s| is) (?:right|correct)",
    r"(?:that|this|it)\s+(?:still )?(?:does not|doesn'?t|did not|didn'?t) work",
    rf"(?:still |also )?(?:wrong|incorrect|false){_END}",
    rf"not (?:quite|right|correct|exactly|what i (?:want|wanted|asked for|meant)){_END}",
    rf"falsch{_END}|(?:das|es) (?:ist|war) (?:leider |immer noch )?(?:falsch|nicht (?:richtig|korrekt))|"
    r"(?:das )?stimmt (?:so |leider ){0,2}nicht|das is falsch",
    rf"faux{_END}|c'est (?:faux|incorrect|pas (?:ça|bon|correct|juste))|"
    r"ce n'est pas (?:ça|bon|correct|juste)",
    rf"(?:incorrecto|falso){_END}|(?:eso |esto )?está (?:mal|incorrecto)|(?:eso |esto )?no es (?:correcto|así)\b",
    rf"(?:doesn'?t|does not|didn'?t) work{_END}|(?:it )?still (?:broken|fails)\b|you got (?:it|that) wrong",
    rf"(?:das |es )?(?:funktioniert|geht) (?:leider |immer noch )?nicht{_END}|das ist (?:doch )?(?:quatsch|unsinn)",
    rf"(?:ça|cela) ne (?:marche|fonctionne) (?:toujours )?pas{_END}|n'importe quoi\s*!",
    rf"(?:mal|sigue sin funcionar|(?:todavía |aún |eso )?no funciona){_END}",
    rf"(?:(?:no, )?è )?(?:sbagliato|errato|scorretto){_END}|non è (?:giusto|corretto|esatto){_END}|"
    rf"(?:ancora )?non funziona(?: ancora)?{_END}",
    rf"(?:(?:isso )?está )?(?:errado|incorreto){_END}|(?:isso )?não está (?:certo|correto){_END}|"
    rf"(?:ainda )?não funciona{_END}",
    rf"fout{_END}|(?:dat|dit|het) (?:klopt niet|is (?:niet (?:juist|goed|correct)|fout)){_END}|"
    rf"(?:het |dat )?werkt (?:nog (?:steeds )?)?niet{_END}",
    rf"(?:to )?(?:jest )?(?:źle|nieprawda|niepoprawnie|błędnie){_END}|(?:to )?(?:nadal )?nie działa{_END}|"
    rf"to nie jest (?:poprawne|prawda|dobrze){_END}",
    rf"(?:это )?(?:неправильно|неверно){_END}|(?:это )?(?:всё (?:ещё|равно) )?не работает{_END}|это не так{_END}",
    rf"(?:这(?:是)?|答案)?(?:不对|不是|错了|不正确|(?:还是)?不行){_END}",
    rf"(?:それは|まだ)?(?:違います|違う|間違いです|間違っています|動きません|うまくいきません){_END}",
)
_QUIZ = re.compile(
    r"\b(?:question|frage|pregunta|domanda|pergunta|vraag|pytanie|вопрос)\s*[\d:#]|问题|第.题|問題|第.問",
    re.IGNORECASE,
)
_REJECTS = re.compile("|".join(_REJECTIONS), re.IGNORECASE)
_PLAIN_NO = re.compile(rf"{_NO}{_END}", re.IGNORECASE)
_SOFTENED = re.compile(
    r"(?:(?:unfortunately|sorry|hm+|well|leider|i'm afraid|désolée?|tut mir leid)[, ]+(?:(?:that|but|mais|aber) )?(?=that|this|it|das|es|c'est)|¡)",
    re.IGNORECASE,
)
_NO_BUT_FINE = re.compile(
    r"\w+\W+(?:thanks|thank you|(?:that|it|this)(?:'s| is| was) (?:\w+ )?(?:fine|ok|okay|all|it|good|great|right|"
    r"correct|perfect|enough)\b|i'?m (?:good|fine|ok)|all good|nothing|problem|worries|merci|danke|gracias|"
    r"bedankt|dank (?:je|u)|grazie|obrigad[oa]|dzięk|спасибо|結構|大丈夫|never ?mind|you(?:'re| are| were) right|wait|i was wrong|my mistake|ignore|das (?:stimmt|passt)\b(?! nicht))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A user's turn, read as a reaction to the answer before it."""

    kind: Kind
    content: str = ""
    """The corrected content, white space kept (`correction` only)."""
    content_span: tuple[int, int] = (0, 0)
    """Where `content` stands in the turn: `[start, end)`."""


def classify(turn: str, answer: str, *, prompt: str = "") -> Turn:
    """Return what `turn` says about `answer`, which was given to `prompt`.

    A plain "no" or "yes" after an answer that ends by asking something answers that question: it is neutral. So is
    "the right answer is X" after an answer that asks something at all, unless the turn begins by rejecting it.
    """
    plain = turn.replace("\u2019", "'")  # of the same length: spans hold in both
    rejected = _rejects(plain)
    asked = answer.rstrip().endswith(("?", "\uff1f"))
    span = corrected_span(plain, negated=rejected) or (None if asked else replacement_span(plain, answer))
    if span is not None:
        content = turn[span[0] : span[1]]
        if content.strip() == answer.strip() or (not rejected and _examines(answer, prompt)):
            return Turn(kind="neutral")
        if not _is_fragment(content, answer) and not names_a_form(content, answer):
            return Turn(kind="correction", content=content, content_span=span)
        rejected = True
    return Turn(kind=_kind(plain, rejected=rejected, asked=asked, prompt=prompt))


def _kind(turn: str, *, rejected: bool, asked: bool, prompt: str) -> Kind:
    if rejected:
        return "neutral" if asked and _PLAIN_NO.match(turn.lstrip()) else "correction_bare"
    if approves(turn):
        return "neutral" if asked else "accept"
    if praises(turn):
        return "praise"
    if _asks_again(turn, prompt):
        return "rephrase"
    return "clarification" if clarifies(turn) else "neutral"


def _examines(answer: str, prompt: str) -> bool:
    """Whether the model asked the user something: what he calls the right answer is his answer then."""
    asks = "?" in answer or "\uff1f" in answer
    return asks or _QUIZ.search(answer[:_OPENING_CHARS]) is not None or "quiz" in prompt.casefold()


def _is_fragment(content: str, answer: str) -> bool:
    """Whether a few words would stand in for a long answer: they correct a detail of it, not all of it."""
    return len(answer) > _LONG_ANSWER_CHARS and len(content) * 10 < len(answer)


def _rejects(turn: str) -> bool:
    opening = turn.lstrip()[:_OPENING_CHARS]
    softened = _SOFTENED.match(opening)
    opening = opening[softened.end() :] if softened else opening
    return _REJECTS.match(opening) is not None and _NO_BUT_FINE.match(opening) is None


def _asks_again(turn: str, prompt: str) -> bool:
    """Whether nearly the same is asked: only the words may differ, neither the code nor the numbers."""
    sizes = (len(turn), len(prompt))
    if min(sizes) < _REPHRASE_MIN_CHARS or max(sizes) > _REPHRASE_MAX_CHARS or _given(turn) != _given(prompt):
        return False
    return fuzz.ratio(turn.casefold(), prompt.casefold()) > REPHRASE_RATIO


def _given(text: str) -> tuple[str, ...]:
    blocks = tuple(text[fence.body_start : fence.body_end].strip() for fence in fences(text))
    return blocks + tuple(re.findall(r"\d+", text))
