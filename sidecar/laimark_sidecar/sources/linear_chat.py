"""A chat that is kept as a row of messages, each with the versions it has had, becomes exchanges. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from laimark_sidecar.journal.exchange import Exchange, Message, Role
from laimark_sidecar.sources.told_exchange import told_exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One wording of a message: an answer, and what it was generated again as."""

    text: str
    time_s: float
    thinking: str = ""
    model: str = ""
    attachments: tuple[str, ...] = ()
    parts: int = 1
    """Texts joined into `text`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One message of the row."""

    role: Role
    versions: tuple[Version, ...]
    chosen: int
    """The version that the rest of the chat follows."""


def exchanges(places: Sequence[Place], *, source: str, since_s: float) -> Iterator[Exchange]:
    """Return an exchange for every version of every answer that began after `since_s`; the chosen one last.

    The order lets the tree see the others first, as they were: passed over for the chosen one.
    """
    messages: list[Message] = []
    for place in places:
        kept = place.versions[place.chosen]
        others = [one for number, one in enumerate(place.versions) if number != place.chosen]
        if place.role == "assistant" and any(message.role == "user" for message in messages):
            for version in (*others, kept):
                if version.text.strip() and version.time_s > since_s:
                    yield _exchange(tuple(messages), version, source)
        messages.append(
            Message(role=place.role, content=kept.text, attachments=kept.attachments, parts=kept.parts)
        )


def _exchange(messages: tuple[Message, ...], version: Version, source: str) -> Exchange:
    return told_exchange(
        source=source,
        time_s=version.time_s,
        model=version.model,
        messages=messages,
        answer=Message(role="assistant", content=version.text),
        timed=True,
        thinking=version.thinking,
    )
