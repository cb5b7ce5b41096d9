"""LM Studio's chats: `~/.lmstudio/conversations/**/*.conversation.json`.

Its documentation says that the structure may change; this is that of 0.3: each message has `versions`, of which
`currentlySelected` is shown; an answer is a `multiStep` version whose `contentBlock` steps hold text, those in the style
`thinking` what the model thought.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, Role
from laimark_sidecar.sources import chat_files
from laimark_sidecar.sources.linear_chat import Place, Version, exchanges
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.times import seconds

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}


class LmStudioSource:
    """Reads the conversations below `path`."""

    name = "lm-studio"

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        return chat_files.read(
            self._path, ".conversation.json", parse, cursor, clock=self._clock, max_lines=max_lines
        )

    def watch(self) -> tuple[Path, ...]:
        return (self._path,)


def parse(content: bytes, since_s: float) -> Iterator[Exchange]:
    """Return what was said after `since_s` in one conversation.

    Raises:
        DataError: it has another structure than the one that is known here.
    """
    held = decode_json(content, dict[str, Any])
    messages = held.get("messages")
    if not isinstance(messages, list):
        raise DataError("no list `messages`: LM Studio's structure may have changed")
    try:
        began_s = seconds(held.get("createdAt"))
    except ValueError as error:
        raise DataError(f"createdAt: {error}") from error
    places: list[Place] = []
    system = held.get("systemPrompt")
    if isinstance(system, str) and system:
        places.append(Place(role="system", versions=(Version(text=system, time_s=began_s),), chosen=0))
    for message in messages:
        # A message without a time of its own was said after the one before it.
        before_s = places[-1].versions[places[-1].chosen].time_s if places else began_s
        places.append(_place(message, before_s))
    yield from exchanges(places, source=LmStudioSource.name, since_s=since_s)


def _place(message: object, before_s: float) -> Place:
    held: dict[str, Any] = message if isinstance(message, dict) else {}
    versions, chosen = held.get("versions"), held.get("currentlySelected")
    if not isinstance(versions, list) or not isinstance(chosen, int) or not 0 <= chosen < len(versions):
        raise DataError("a message has no selected version: LM Studio's structure may have changed")
    roles = {_ROLES.get(str(one.get("role"))) if isinstance(one, dict) else None for one in versions}
    role = roles.pop()
    if roles or role is None:
        raise DataError("a message has no role that is known here: LM Studio's structure may have changed")
    return Place(role=role, versions=tuple(_version(one, before_s) for one in versions), chosen=chosen)


def _version(version: dict[str, Any], before_s: float) -> Version:
    steps = version.get("steps")
    blocks = [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else [version]
    written = [one for one in blocks if one is version or one.get("type") == "contentBlock"]
    said = [one for one in written if not _is_thinking(one)]
    texts = [text for one in said for text in _texts(one)]
    return Version(
        text="".join(texts),
        parts=max(1, sum(bool(text.strip()) for text in texts)),
        thinking="".join(text for one in written if _is_thinking(one) for text in _texts(one)),
        time_s=next((time_s for one in blocks if (time_s := _time_s(one))), before_s),
        model=_model(version, blocks),
        attachments=tuple(digest for one in written for digest in _attachments(one)),
    )


def _is_thinking(block: dict[str, Any]) -> bool:
    style = block.get("style")
    return isinstance(style, dict) and style.get("type") == "thinking"


def _parts(block: dict[str, Any]) -> list[dict[str, Any]]:
    content = block.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _texts(block: dict[str, Any]) -> list[str]:
    # Structural parts are the marks around thinking, which the model never meant as text.
    found = [part for part in _parts(block) if part.get("type") == "text" and not part.get("isStructural")]
    return [part["text"] for part in found if isinstance(part.get("text"), str)]


def _attachments(block: dict[str, Any]) -> list[str]:
    others = [part for part in _parts(block) if part.get("type") != "text"]
    return [hashlib.sha256(repr(part).encode("utf-8", "surrogatepass")).hexdigest() for part in others]


def _time_s(block: dict[str, Any]) -> float:
    """Return the time in a step's identifier (`1725468000123-0.42`); 0 where it has none."""
    begun, dash, _ = str(block.get("stepIdentifier")).partition("-")
    try:
        return seconds(int(begun)) if dash else 0.0
    except ValueError:
        return 0.0


def _model(version: dict[str, Any], blocks: list[dict[str, Any]]) -> str:
    for block in blocks:
        made = block.get("genInfo")
        name = (
            made.get("identifier") or made.get("indexedModelIdentifier") if isinstance(made, dict) else None
        )
        if isinstance(name, str):
            return name
    sender = version.get("senderInfo")
    name = sender.get("senderName") if isinstance(sender, dict) else None
    return name if isinstance(name, str) else ""
