"""One exchange that two logs have seen: the runner's side of it knows who answered, the program's what the user did.

On the way a program adds a system prompt, retrieved documents or the end of a trimmed text, so the two need not share
a prefix. They share what was answered, the user's last words, and the time.
"""

from __future__ import annotations

import hashlib

from laimark_sidecar.experience.tree import Answers, canonical
from laimark_sidecar.journal.exchange import Exchange, beside_text
from laimark_sidecar.replay.answered import Answered

TWIN_WITHIN_S = 600.0
"""Programs write an exchange down when it begins or ends, and one may take minutes."""
AT_THE_RUNNER = frozenset({"gateway", "embedded"})
"""Sources that see what the runner was sent and know which version answered: their account is the better one."""


def pair_of(exchange: Exchange) -> str:
    """Return the hash of the user's last words and the answer, 32 hex digits; empty where nothing was answered."""
    answer = canonical("assistant", exchange.answer)
    asked = next((message for message in reversed(exchange.messages) if message.role == "user"), None)
    if asked is None or not answer:
        return ""
    digest = hashlib.sha256(
        f"{canonical('user', asked.content)}\0{answer}\0".encode("utf-8", "surrogatepass")
    )
    digest.update(beside_text(asked))
    return digest.hexdigest()[:32]


def twin_of(exchange: Exchange, answers: Answers) -> Answered | None:
    """Return the account that the runner's side gives of an exchange read elsewhere; None if there is none so far.

    The nearest in time, if there are several. An exchange of the runner's side has no twin: it is the one that counts.
    """
    if exchange.source in AT_THE_RUNNER:
        return None
    pair = pair_of(exchange)
    if not pair:
        return None
    found = answers.twins(pair, around_s=exchange.time_s, within_s=TWIN_WITHIN_S)
    seen = (one for one in found if one.source in AT_THE_RUNNER)
    return min(seen, key=lambda one: abs(one.time_s - exchange.time_s), default=None)
