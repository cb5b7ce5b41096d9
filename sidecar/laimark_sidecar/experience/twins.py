"""One exchange that two logs have seen: the runner's side of it knows who answered, the program's what the user did.

On the way a program adds a system prompt, retrieved documents or the end of a trimmed text, so the two need not share
a prefix. They share what was answered, the user's last words, and the time.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

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
    if asked.tool_calls or asked.attachments:
        digest.update(beside_text(asked))
    return digest.hexdigest()[:32]


def twin_of(exchange: Exchange, pair: str, answers: Answers) -> Answered | None:
    """Return the account that the runner's side gives of an exchange read elsewhere; None if there is none so far.

    The nearest in time, if there are several. An exchange of the runner's side has no twin: it is the one that counts.
    """
    if exchange.source in AT_THE_RUNNER:
        return None
    seen = (one for one in _about(exchange.time_s, pair, answers) if one.source in AT_THE_RUNNER)
    return min(seen, key=lambda one: abs(one.time_s - exchange.time_s), default=None)


def superseded_by(exchange: Exchange, pair: str, answers: Answers) -> tuple[Answered, ...]:
    """Return what other logs told, before the runner's side did, of an exchange that it now gives its account of.

    Not what another exchange of the runner's side is nearer to in time.
    """
    if exchange.source not in AT_THE_RUNNER:
        return ()
    found = _about(exchange.time_s, pair, answers)
    others = [one.time_s for one in found if one.source in AT_THE_RUNNER and one.exchange_id != exchange.id]
    return tuple(
        one
        for one in found
        if one.source not in AT_THE_RUNNER
        and all(abs(one.time_s - exchange.time_s) < abs(one.time_s - other_s) for other_s in others)
    )


def _about(time_s: float, pair: str, answers: Answers) -> tuple[Answered, ...]:
    if not pair:
        return ()
    return answers.twins([pair], since_s=time_s - TWIN_WITHIN_S, until_s=time_s + TWIN_WITHIN_S)


class Accounts:
    """Exchanges of any logs, to tell what else is an account of one of them."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, list[Exchange]] = defaultdict(list)

    def add(self, exchange: Exchange) -> None:
        pair = pair_of(exchange)
        if pair:
            self._seen[pair].append(exchange)

    @property
    def pairs(self) -> tuple[str, ...]:
        return tuple(self._seen)

    def hold_twin_of(self, exchange: Exchange) -> bool:
        """Whether another log told of one of them what this exchange is: a pair, about one time."""
        return bool(self._seen) and self._hold(pair_of(exchange), exchange.source, exchange.time_s)

    def hold_twin_of_answer(self, answered: Answered) -> bool:
        """Likewise of an exchange of which only the answer is remembered."""
        return self._hold(answered.pair, answered.source, answered.time_s)

    def _hold(self, pair: str, source: str, time_s: float) -> bool:
        return any(
            one.source != source and abs(one.time_s - time_s) <= TWIN_WITHIN_S
            for one in self._seen.get(pair, ())
        )
