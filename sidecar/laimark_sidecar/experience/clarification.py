"""A turn that asks about the answer, or adds what the question lacked: it says nothing about right or wrong."""

from __future__ import annotations

import re

_MAX_CHARS = 200
_ASKS = re.compile(
    r"(?:(?:but|and|ok|okay|hm+|sorry|wait|aber|mais|pero|ma|mas|maar|ale|но)[, ]+)?(?:"
    r"why|how so|how come|really|are you (?:really )?sure|what do you mean|what does (?:that|this|it|the|`)|"
    r"(?:can|could|would) you (?:please )?(?:explain|elaborate|clarify|give me an example)|elaborate|explain (?:that|this)|"
    r"(?:i forgot|i should have) (?:to )?(?:say|mention|add|said|mentioned|tell)|"
    r"warum|wieso|weshalb|bist du (?:dir )?sicher|was (?:meinst|heißt|bedeutet)|(?:kannst|könntest) du .{0,30}(?:erklär|erläuter)|"
    r"ich habe vergessen zu (?:sagen|erwähnen)|"
    r"pourquoi|(?:tu es|vous êtes) sûr|qu'est-ce que (?:tu veux|vous voulez|ça veut) dire|(?:peux-tu|pouvez-vous) .{0,20}expliquer|"
    r"¿?por qué|¿?estás segur|¿?qué (?:quieres|significa)|¿?puedes .{0,20}explic|"
    r"perché|sei sicur|(?:cosa|che cosa) (?:vuoi|significa)|puoi .{0,20}spiegar|"
    r"por quê|tem certeza|o que (?:você quer|significa|isso)|pode .{0,20}explicar|"
    r"waarom|weet je (?:het )?zeker|wat (?:bedoel|betekent)|kun je .{0,30}(?:uitleggen|toelichten)|"
    r"dlaczego|jesteś pew|co (?:masz|miałeś) na myśli|co to znaczy|możesz .{0,20}(?:wyjaśn|wytłumacz)|"
    r"почему|ты уверен|что (?:ты имеешь|это значит|значит)|(?:можешь|можете) .{0,20}объясн"
    r")",
    re.IGNORECASE,
)
_CJK = re.compile(
    r"为什么|你确定|(?:你)?(?:是)?什么意思|能.{0,6}解释|请.{0,4}解释|なぜ|どうして|本当(?:です|に)|どういう(?:意味|こと)|"
    r"(?:もっと)?詳しく(?:説明|教え)"
)


def clarifies(turn: str) -> bool:
    """Whether a short turn begins by asking about the answer, or by adding what was left out of the question."""
    text = turn.strip()
    return len(text) <= _MAX_CHARS and (_ASKS.match(text) or _CJK.match(text)) is not None
