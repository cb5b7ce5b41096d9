"""Where in a user's turn the right content stands, if it stands there beyond doubt.

Precision first: a turn that quotes an error, an output or the wrong line must never become a target. A correction
that is missed costs one lesson, a wrong one poisons.
"""

from __future__ import annotations

import re

from laimark_sidecar.experience.fences import Fence, fences

_LEAD_CHARS = 400
_NAME_WORDS = 3
_CASELESS_CHARS = 12
_ASKED = re.compile(r"什么|怎|哪|吗|何|誰|どう|どの|ますか")
_NOUN = (
    r"(?:answer|result|value|word|term|line|version|name|spelling|number|translation|date|form|command|code|query|"
    r"formula|solution|sentence|title|format|expression|function|statement|import|type)"
)
# "it should be:", "the correct answer is", "the next line is": what follows is content. `firm` ones need no colon.
_FIRM = (
    rf"(?:the )?(?:correct|right|proper) {_NOUN} (?:is|was|would be)",
    r"(?:die |das |der )?(?:richtige|korrekte) \w{2,20} (?:ist|lautet|heißt|wäre)",
    r"(?:richtig|korrekt) (?:ist|wäre|heißt)(?: es)?",
    r"la (?:bonne (?:réponse|orthographe)|réponse correcte|bonne version) est",
    r"la (?:respuesta|versión|línea|forma|palabra) correcta es|lo correcto es",
    r"la (?:risposta|parola|forma|versione|riga) (?:giusta|corretta|esatta) è|quella (?:giusta|corretta) è",
    r"a (?:resposta|forma|palavra|versão|linha) (?:correta|certa) é|o (?:correto|certo) é",
    r"(?:het |de )(?:juiste|correcte) \w{2,20} is",
    r"(?:poprawna|prawidłowa|właściwa) \w{2,20} to",
    r"правильн(?:ый ответ|ая форма|ое слово)(?: это)?(?:\s*[\u2014\u2013-])?",  # noqa: RUF001 - Russian
)
# Written without blanks: content may follow at once.
_FIRM_CJK = r"正确的?(?:答案|写法|说法|形式)(?:是|为)|正(?:しく|解|しい(?:答え|形|語|言葉))は"
_LOOSE = (
    rf"(?:it|that|this|the (?:\w+ )?{_NOUN}|you|your (?:\w+ )?{_NOUN}) (?:should|must|ought to|needs to|has to)"
    r" (?:be|have been|read|say|look like(?: this)?)",
    rf"the (?:next|actual|real|expected|missing|first|last|previous|following) (?:\w+ )?{_NOUN} (?:is|was|should be)",
    r"correction|corrected|(?:the )?(?:correct|corrected|right|fixed) (?:version|one|answer|line)(?: is)?",
    r"(?:es|das|die \w{2,20}|der \w{2,20}) (?:muss|müsste|sollte) (?:so )?(?:heißen|sein|lauten)|"
    r"die nächste zeile (?:ist|lautet)",
    r"(?:ça|cela|il|elle) (?:devrait|doit) (?:être|dire)|la ligne suivante est|ce devrait être(?: plutôt)?|correction|il faut (?:écrire|dire)",
    r"(?:debería|debe|tiene que) (?:ser|decir)|la siguiente línea es|corrección",
    r"dovrebbe (?:essere|dire)|deve essere|la prossima riga è|a próxima linha é|de volgende regel is|następna linia to|следующая строка|deveria ser|deve ser|(?:het|dat) moet zijn|powinno być|должно быть|правильно",
    r"应该?[是为]|正确的是",
)
_FILLER = (
    r"(?:(?:actually|well|hm+|sorry|but|i think|thanks|thank you|i believe|eigentlich|en fait|en realidad|"
    r"almost|not quite|close|fast|presque|[\u00a1]?casi|quasi|quase|bijna|prawie|почти|差一点|惜しい)[, !.\uff01\u3002\uff0c]+)*"
)
_MARKER = re.compile(
    rf"(?P<firm>{'|'.join(_FIRM)})(?=\W)|(?P<loose>{'|'.join(_LOOSE)})(?=\s*[:\uff1a`\"“«„「『])"
    rf"|(?P<cjk>{_FIRM_CJK})",
    re.IGNORECASE,
)
_STARTS_WITH_MARKER = re.compile(rf"{_FILLER}(?:{'|'.join(_FIRM + _LOOSE)})\W", re.IGNORECASE)
_TROUBLE = re.compile(
    r"\b(?:errors?|fail(?:s|ed|ing)?|traceback|exception|outputs?|gets?|got|gives?|gave|prints?|printed|throws?|"
    r"raises?|crash\w*|returns?|produces?|says|said|wrote|you|your|still|why|how|log|not|wrong|instead of|\w+n't|"
    r"fehler|ausgabe|erreur|sortie|salida)\b",
    re.IGNORECASE,
)
_SHOULD = re.compile(r"\b(?:you|your [\w ]{0,30}) (?:should|must|ought to|needs? to)\b", re.IGNORECASE)
_TRACE = re.compile(r"^Traceback \(most recent call last\)|^\w*(?:Error|Exception): ", re.MULTILINE)
_BARE_LEAD = re.compile(r"(?:no|nope|nein|non|nee|não|nie|нет)\s*[,.:]?\s*", re.IGNORECASE)
_QUOTES = {"`": "`", '"': '"', "“": "”", "„": "“”", "«": "»", "「": "」", "『": "』"}
_VAGUE = re.compile(
    r"(?:not|n't|in|on|at|with|without|as|like|about|for|above|below|obviously|clearly|different|wrong|missing|more|less|"
    r"what|that|because|to|very|much|too|still|actually|probably|maybe|just|only|something|nicht|pas|no|"
    r"(?:short|long|fast|slow|simpl|clean|great|small|larg|bigg|high|low|brief|bett|clear|easi|friendli|old|new)er)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[\u3002\uff01\uff1f]|\n")
_CONTRASTS = re.compile(r"->|\u2192|, (?:not|nicht|non|no|pas|não|niet|nie|не)\b", re.IGNORECASE)
_SAYS_CORRECTION = re.compile(r"corre[ck]", re.IGNORECASE)
_FULL_STOP = re.compile(r"(?<=\w)[.\u3002]$")
_GOES_ON = re.compile(r" +[^\W\d_]")
_COPULA = re.compile(r"(?:です|だ)[よね]?$")


def corrected_span(turn: str, *, negated: bool) -> tuple[int, int] | None:
    """Return `[start, end)` of the corrected content in `turn`, or None if there is none beyond doubt.

    Args:
        turn: what the user wrote after an answer.
        negated: whether it begins by rejecting the answer; without that, only a turn that begins with words such
            as "the correct answer is" counts.
    """
    if not negated and not _STARTS_WITH_MARKER.match(turn.lstrip()):
        return None
    blocks = fences(turn)
    if blocks:
        return _fenced(turn, blocks, negated=negated)
    return (_quoted_alone(turn) if negated else None) or _marked(turn, negated=negated)


def _fenced(turn: str, blocks: tuple[Fence, ...], *, negated: bool) -> tuple[int, int] | None:
    block = blocks[0]
    lead, tail = turn[: block.start].strip(), turn[block.end :]
    body = turn[block.body_start : block.body_end]
    if len(blocks) > 1 or len(lead) > _LEAD_CHARS or not body.strip() or _TRACE.search(body) or "?" in tail:
        return None
    sentence = _last_sentence(lead)
    announced = _announces(sentence) or (negated and _BARE_LEAD.fullmatch(lead) is not None)
    if not announced or _TROUBLE.search(_SHOULD.sub("", sentence)) or _TROUBLE.search(tail):
        return None
    return block.body_start, block.body_end


def _announces(sentence: str) -> bool:
    """Whether the words before a block say that it is the right content: a marker stands at their very end."""
    text = sentence.rstrip().rstrip(":\uff1a") + ":"
    return any(not text[match.end() :].strip(" :") for match in _MARKER.finditer(text))


def _last_sentence(lead: str) -> str:
    body = lead.rstrip()
    ends = [match.end() for match in _SENTENCE_END.finditer(body)]
    return body[ends[-1] :] if ends else body


def _quoted_alone(turn: str) -> tuple[int, int] | None:
    """Find the content of `No, "this".`: a rejection and one quotation, nothing else."""
    lead = _BARE_LEAD.match(turn)
    return _quotation(turn, lead.end(), alone=True) if lead else None


def _marked(turn: str, *, negated: bool) -> tuple[int, int] | None:
    """Take what a marker announces.

    Without a rejection the same words may begin a request ("It should be: a haiku about rain"), so only a quotation
    that ends the turn, what follows "the right answer is:", whole lines below, or a few words that begin as a name or
    a number do count.
    """
    match = _MARKER.search(turn, 0, _LEAD_CHARS)
    if match is None or "?" in turn or "\uff1f" in turn:
        return None
    start = match.end()
    while start < len(turn) and turn[start] in " \t":
        start += 1
    colon = turn[start : start + 1] in (":", "\uff1a")
    if colon:
        start += 1
        while start < len(turn) and turn[start] in " \t":
            start += 1
    quotation = _quotation(turn, start, alone=not negated)
    if quotation is not None:
        # "You should say "no" when asked" tells how to behave, not what the answer is.
        return None if _GOES_ON.match(turn, quotation[1] + 1) else quotation
    firm = match["firm"] or match["cjk"]
    if colon:
        said = negated or firm or turn[start : start + 1] == "\n" or _SAYS_CORRECTION.match(match[0])
        return _rest(turn, start) if said else None
    found = _sentence(turn, start) if firm else None
    return found if found is not None and _names(turn[slice(*found)]) else None


def _names(content: str) -> bool:
    """Whether unquoted words can only be content: a few that begin as a name or a number, or a short one without case.

    "The right answer is up to you" is a clause, in any language.
    """
    first = content[0]
    if first.isdigit() or first.isupper():
        return len(content.split()) <= _NAME_WORDS
    caseless = first.isalpha() and first.lower() == first.upper()
    return caseless and len(content) <= _CASELESS_CHARS and _ASKED.search(content) is None


def _quotation(turn: str, start: int, *, alone: bool) -> tuple[int, int] | None:
    closing = _QUOTES.get(turn[start : start + 1])
    if closing is None:
        return None
    end = min((at for mark in closing if (at := turn.find(mark, start + 1)) >= 0), default=-1)
    after = turn[end + 1 :].removesuffix("\u3002").removesuffix("です").strip(" \t\n.!\u3002\uff01")
    if end < 0 or not turn[start + 1 : end].strip() or "\n" in turn[start:end] or (alone and after):
        return None
    inner = turn[start + 1 : end]
    if turn[end] != "»":  # French puts blanks inside its quotation marks; elsewhere they are content
        return start + 1, end
    return end - len(inner.lstrip()), start + 1 + len(inner.rstrip())


def _rest(turn: str, start: int) -> tuple[int, int] | None:
    """Take what follows a colon: the rest of a last line, or everything after a line end."""
    line_end = turn.find("\n", start)
    rest = turn[start:].strip()
    if line_end < 0 or not turn[line_end:].strip() or not turn[start:line_end].strip():
        begin = start if line_end < 0 or turn[start:line_end].strip() else line_end + 1
        end = len(turn.rstrip())
        stop = None if "\n" in rest or _SENTENCE_END.search(rest[:-1]) else _FULL_STOP.search(rest)
        end -= 1 if stop else 0
        return (
            (begin, end)
            if rest.strip('`"“”„«» ') and not _VAGUE.match(rest) and not _CONTRASTS.search(rest)
            else None
        )
    return None


def _sentence(turn: str, start: int) -> tuple[int, int] | None:
    """Take one plain sentence after "the right answer is", without its full stop."""
    match = _SENTENCE_END.search(turn, start)
    end = match.start() if match else len(turn.rstrip().rstrip(".!"))
    copula = _COPULA.search(turn[start:end])
    end = start + copula.start() if copula else end
    content = turn[start:end].strip()
    if (
        not content
        or _VAGUE.match(content)
        or len(content) > _LEAD_CHARS
        or re.search(r", |[\uff0c\u3001]", content)
    ):
        return None
    return start, start + len(turn[start:end].rstrip())
