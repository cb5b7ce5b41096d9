"""The answers in a request's history, each with what the user did next and what is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from laimark_sidecar.experience.signals import Turn, classify
from laimark_sidecar.experience.tree import Answers, canonical, chain
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.replay.answered import Answered

KEPT_WITHIN_S = 1800.0
"""Answers to one prompt further apart than this are not alternatives: the user asked again another day."""

_EDIT_RATIO = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An answer in the history, directly followed by a turn of the user."""

    index: int
    """Of the answer's message: the prompt is everything before it."""
    answer: str
    """As it stands in the history, without thinking."""
    turn: str
    reaction: Turn
    known: tuple[Answered, ...]
    """What was answered to the same prompt so far. An empty answer stands for one that is not fit to be learned."""

    @property
    def recorded(self) -> Answered | None:
        """The complete answer that this is; None if it was cut off, edited, or never seen."""
        same = [one for one in self.known if one.answer and one.answer.strip() == self.answer]
        # Two logs may have seen one answer: the one that knows which version wrote it is right.
        return next((one for one in same if one.version), same[0] if same else None)

    @property
    def rejected(self) -> Answered | None:
        """An answer to the same prompt, about the same time, that the user passed over for this one."""
        chosen = self.recorded
        if chosen is None:
            return None
        return next(
            (
                one
                for one in self.known
                if one.answer
                and one.answer.strip() != self.answer
                and abs(one.time_s - chosen.time_s) <= KEPT_WITHIN_S
            ),
            None,
        )

    @property
    def original(self) -> Answered | None:
        """The answer that the user edited into this one; None unless that is beyond doubt.

        Where an unfit answer is remembered too, this may be that one, so nothing is said.
        """
        if self.recorded is not None or not self.known or not all(one.answer for one in self.known):
            return None
        nearest = max(self.known, key=lambda one: fuzz.ratio(one.answer, self.answer))
        cut = nearest.answer.strip().startswith(self.answer)
        near = fuzz.ratio(nearest.answer, self.answer) >= 100 * _EDIT_RATIO
        return nearest if near and not cut else None


def steps(exchange: Exchange, answers: Answers, ids: Sequence[str] | None = None) -> tuple[Step, ...]:
    """Return every answer of the history that the user replied to, in order.

    `ids` is the `chain` of its messages, where it is known already.
    """
    messages = exchange.messages
    ids = chain(messages) if ids is None else ids
    found: list[Step] = []
    for index in range(1, len(messages) - 1):
        before, message, after = messages[index - 1 : index + 2]
        if message.role != "assistant" or after.role != "user" or before.role not in ("user", "tool"):
            continue
        answer = canonical("assistant", message.content)
        found.append(
            Step(
                index=index,
                answer=answer,
                turn=after.content,
                reaction=classify(after.content, answer, prompt=before.content),
                known=tuple(one for one in answers.answers(ids[index - 1]) if one.time_s <= exchange.time_s),
            )
        )
    return tuple(found)
