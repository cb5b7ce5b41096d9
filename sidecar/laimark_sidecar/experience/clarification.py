"""A turn that asks about the answer, or adds what the question lacked: it says nothing about right or wrong."""

from __future__ import annotations

import re

_MAX_CHARS = 200
_ASKS = re.compile(
    r"(?:(?:but|and|oh|ah|ach ja|ok|okay|hm+|sorry|wait|aber|mais|pero|ma|mas|maar|ale|но)[, ]+)?(?:"
    r"why|how so|how come|really|are you (?:really )?sure|what do you mean|what does (?:that|this|it|the|`)|"
    r"(?:can|could|would) you (?:please )?(?:explain|elaborate|clarify|give me an example)|elaborate|explain (?:that|this)|"
    r"(?:what )?i meant|(?:i forgot|i should have) (?:to )?(?:say|mention|add|said|mentioned|tell)|"
    r"warum|wieso|weshalb|bist du (?:dir )?sicher|was (?:genau )?(?:meinst|heißt das|bedeutet (?:das|dies))|ich meinte|(?:kannst|könntest) du .{0,30}(?:erklär|erläuter)|"
    r"ich habe vergessen zu (?:sagen|erwähnen)|"
    r"pourquoi|(?:tu es|vous êtes) sûr|je voulais dire|qu'entend(?:s-tu|ez-vous) par|qu'est-ce que (?:tu veux|vous voulez|ça veut) dire|(?:peux-tu|pouvez-vous) .{0,20}expliquer|"
    r"¿?por qué|¿?estás segur|quería decir|me refería a|¿?qué (?:quieres|significa)|¿?puedes .{0,20}explic|"
    r"perché|sei sicur|intendevo|volevo dire|(?:cosa|che cosa) (?:vuoi|significa)|puoi .{0,20}spiegar|"
    r"por quê|tem certeza|(?:eu )?quis dizer|o que (?:você quer|significa|isso)|pode .{0,20}explicar|"
    r"waarom|weet je (?:het )?zeker|ik bedoelde|wat (?:bedoel|betekent)|kun je .{0,30}(?:uitleggen|toelichten)|"
    r"dlaczego|jesteś pew|chodziło mi o|miał[ae]m na myśli|co (?:masz|miałeś) na myśli|co to znaczy|możesz .{0,20}(?:wyjaśn|wytłumacz)|"
    r"почему|ты уверен|я имела? в виду|что (?:ты имеешь|это значит|значит)|(?:можешь|можете) .{0,20}объясн"
    r")",
    re.IGNORECASE,
)
_CJK = re.compile(
    r"我的意思是|我是说|为什么|你确定|(?:你)?(?:是)?什么意思|能.{0,6}解释|请.{0,4}解释|なぜ|どうして|本当(?:です|に)|どういう(?:意味|こと)|"
    r"(?:もっと)?詳しく(?:説明|教え)|[^\s、。]{1,30}という意味(?:でした|です)"
)


def clarifies(turn: str) -> bool:
    """Whether a short turn begins by asking about the answer, or by adding what was left out of the question."""
    text = turn.strip()
    return len(text) <= _MAX_CHARS and (_ASKS.match(text) or _CJK.match(text)) is not None
