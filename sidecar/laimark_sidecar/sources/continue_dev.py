"""Continue's development data: `~/.continue/dev_data/<schema>/<event>.jsonl`, an event a line.

Schemas 0.1.0 and 0.2.0 (continuedev/continue, packages/config-yaml/src/schemas/data, 2025): chatInteraction and
chatFeedback hold `prompt` and `completion`, editOutcome and autocomplete `accepted` beside them. A chat's prompt is one
text, its messages under `<role>` lines; a text that holds such a line itself cannot be told from a message, so this log
is not one to trust blindly. A completion while typing is background.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, Role
from laimark_sidecar.sources import line_files
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.times import seconds
from laimark_sidecar.sources.told_exchange import told_exchange, told_feedback

_VERDICT = {
    "chatInteraction": "",
    "chatFeedback": "feedback",
    "editOutcome": "accepted",
    "autocomplete": "accepted",
}
"""The events that are read, each with the field that holds what the user did."""
_CHATS = ("chatInteraction", "chatFeedback")
_TURN = re.compile(r"(?:\A|\n\n)<(system|user|assistant|tool)>\n")
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


class ContinueSource:
    """Reads the events below `path`, a `dev_data` folder."""

    name = "continue"

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        return line_files.read(self._path, parse, cursor, clock=self._clock, max_lines=max_lines)

    def watch(self) -> tuple[Path, ...]:
        return (self._path,)


def parse(line: bytes, name: str, changed_s: float) -> Iterator[Exchange | Feedback]:
    """Return the exchange of an event, and what the user did with its answer; nothing for events of other kinds.

    Raises:
        DataError: the event is not laid out as Continue lays it out.
    """
    event = PurePath(name).stem
    if event not in _VERDICT:
        return
    told = decode_json(line, dict[str, Any])
    prompt, completion = told.get("prompt"), told.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise DataError(f"{event} has no `prompt` and `completion`")
    time = told.get("createdAt", told.get("timestamp"))
    try:
        time_s = seconds(time) if time is not None else changed_s
    except ValueError as error:
        raise DataError(f"createdAt: {error}") from error
    model = told.get("modelName", told.get("modelTitle"))
    exchange = told_exchange(
        source=ContinueSource.name,
        time_s=time_s,
        model=model if isinstance(model, str) else "",
        messages=_messages(prompt) if event in _CHATS else (Message(role="user", content=prompt),),
        answer=Message(role="assistant", content=completion),
        background=event == "autocomplete",
    )
    yield exchange
    verdict = told.get(_VERDICT[event])
    if isinstance(verdict, bool):
        yield told_feedback(exchange, "accept" if verdict else "reject")


def _messages(prompt: str) -> tuple[Message, ...]:
    turns = _TURN.split(prompt)
    if turns[0] or len(turns) < 3:
        raise DataError("the prompt is not written as messages: a template was applied to it")
    return tuple(
        Message(role=_ROLES[role], content=text.removesuffix("\n\n"))
        for role, text in zip(turns[1::2], turns[2::2], strict=True)
    )
