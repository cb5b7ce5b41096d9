"""Hindsight: after rejections without a content, the answer that comes out right belongs to the first prompt.

After Hindsight Experience Replay (Andrychowicz et al., arXiv 1707.01495): relabel with what was reached.
"""

from __future__ import annotations

import re

from laimark_sidecar.experience.history import Step

_OPENING_CHARS = 200
_REFERS_BACK = re.compile(
    r"\s*(?:(?:oh|ah|yes|okay|ok|sure)[,.! ]+)?(?:i(?:'m| am)? (?:\w+ )?(?:sorry|apologi[sz]e)|sorry|apologies|"
    r"my (?:mistake|apologies|bad)|you(?:'re| are) (?:\w+ )?(?:right|correct)|good catch|thank(?:s| you) for|"
    r"entschuldigung|tut mir leid|du hast recht|sie haben recht|désolé|pardon|vous avez raison|tu as raison|"
    r"lo siento|perdón|disculpa|tienes razón|let me (?:try|correct|fix)|here(?:'s| is) (?:the|a) "
    r"(?:corrected|fixed|updated|revised))",
    re.IGNORECASE,
)


def origin(history: tuple[Step, ...], number: int) -> Step:
    """Return the first step of the run of bare rejections that leads to step `number`; itself if there is none."""
    while (
        number > 0
        and history[number - 1].reaction.kind == "correction_bare"
        and history[number - 1].index == history[number].index - 2
    ):
        number -= 1
    return history[number]


def reads_alone(answer: str) -> bool:
    """Whether an answer makes sense without the turns before it: it does not begin by apologising for them."""
    return _REFERS_BACK.match(answer[:_OPENING_CHARS].replace("\u2019", "'")) is None
