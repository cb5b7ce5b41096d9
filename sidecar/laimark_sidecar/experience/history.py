"""The answers in a request's history, each with what the user did next and what is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from laimark_sidecar.experience.sameness import normal, only_framed, same, typed_words
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
        """The complete answer that this is, however the client keeps it; None if cut off, edited, or never seen."""
        equal = [one for one in self.known if one.answer and same(one.answer, self.answer)]
        # Two logs may have seen one answer: the one that knows which version wrote it is right.
        return next((one for one in equal if one.version), equal[0] if equal else None)

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
                and not same(one.answer, self.answer)
                and abs(one.time_s - chosen.time_s) <= KEPT_WITHIN_S
            ),
            None,
        )

    @property
    def original(self) -> Answered | None:
        """The answer that the user edited into this one; None unless that is beyond doubt.

        Where an unfit answer is remembered too, this may be that one, so nothing is said. Nor where no word was typed,
        or words only stand around the whole answer: programs do that by themselves.
        """
        if self.recorded is not None or not self.known or not all(one.answer for one in self.known):
            return None
        here = normal(self.answer)
        nearest = max(self.known, key=lambda one: fuzz.ratio(normal(one.answer), here))
        near = fuzz.ratio(normal(nearest.answer), here) >= 100 * _EDIT_RATIO
        typed = near and typed_words(nearest.answer, self.answer)
        return (
            nearest if typed and not any(only_framed(one.answer, self.answer) for one in self.known) else None
        )


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
        if after.parts > 1 or after.attachments:
            continue  # nobody knows which of it the user typed
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
