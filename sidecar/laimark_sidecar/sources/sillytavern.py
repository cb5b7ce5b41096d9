"""SillyTavern's chats: `data/<user>/chats/<character>/*.jsonl`, a line a message, the first one about the chat.

Layout of SillyTavern 1.12 to 1.15 (public/script.js, `saveChat`, `swipe`): a message has `swipes`, the answers that were
generated in its place, `swipe_id` says which is shown. The character's card is not in the file, so the prompt that the
model saw is longer than what is told here; the gateway records it whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.sources import chat_files
from laimark_sidecar.sources.linear_chat import Place, Version, exchanges
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.times import seconds


class SillyTavernSource:
    """Reads the chats below `path`: a `chats` folder, or one of its parents."""

    name = "sillytavern"

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        return chat_files.read(self._path, ".jsonl", parse, cursor, clock=self._clock, max_lines=max_lines)

    def watch(self) -> tuple[Path, ...]:
        return (self._path,)


def parse(content: bytes, since_s: float) -> Iterator[Exchange]:
    """Return what was said after `since_s` in one chat file.

    Raises:
        DataError: a line is no message of SillyTavern.
    """
    places: list[Place] = []
    for number, line in enumerate(content.splitlines()):
        if not line.strip():
            continue
        try:
            message = decode_json(line, dict[str, Any])
        except MalformedError as error:
            raise DataError(f"line {number + 1}: {error}") from error
        if "mes" not in message:
            if number == 0 and ("chat_metadata" in message or "user_name" in message):
                continue
            raise DataError(f"line {number + 1} is no message of SillyTavern")
        if not message.get("is_system"):  # hidden from the model
            places.append(_place(message, number + 1))
    yield from exchanges(places, source=SillyTavernSource.name, since_s=since_s)


def _place(message: dict[str, Any], line: int) -> Place:
    swipes, chosen = message.get("swipes"), message.get("swipe_id")
    infos = message.get("swipe_info")
    texts = swipes if isinstance(swipes, list) and all(isinstance(one, str) for one in swipes) else []
    if not texts or not isinstance(chosen, int) or not 0 <= chosen < len(texts):
        texts, chosen = [_text(message)], 0
    texts = [_text(message) if number == chosen else text for number, text in enumerate(texts)]
    about = infos if isinstance(infos, list) and len(infos) == len(texts) else [message] * len(texts)
    return Place(
        role="user" if message.get("is_user") else "assistant",
        versions=tuple(_version(text, each, message, line) for text, each in zip(texts, about, strict=True)),
        chosen=chosen,
    )


def _version(text: str, about: object, message: dict[str, Any], line: int) -> Version:
    held: dict[str, Any] = about if isinstance(about, dict) else {}
    extra = held.get("extra")
    known: dict[str, Any] = extra if isinstance(extra, dict) else {}
    try:
        time_s = seconds(held.get("send_date") or message.get("send_date"))
    except ValueError as error:
        raise DataError(f"line {line}: send_date: {error}") from error
    thinking, model = known.get("reasoning"), known.get("model")
    return Version(
        text=text,
        time_s=time_s,
        thinking=thinking if isinstance(thinking, str) else "",
        model=model if isinstance(model, str) else "",
    )


def _text(message: dict[str, Any]) -> str:
    text = message.get("mes")
    return text if isinstance(text, str) else ""
