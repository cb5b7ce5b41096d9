"""Conversations as OpenAI's files for fine-tuning hold them, one a line: `{"messages": [...]}`, in a file or a folder.

The last assistant message is the answer. Optional beside it: `model`, `created` (a time; the file's else), and `rating`
or `feedback`: true, 1, "accept", "good", "up" or false, -1, "reject", "bad", "down". Any other rating is refused,
because a scale cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.sources import line_files
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.times import seconds
from laimark_sidecar.sources.told_exchange import told_exchange, told_feedback
from laimark_sidecar.sources.told_messages import messages_of

_RATINGS: tuple[tuple[Literal["accept", "reject"], tuple[object, ...]], ...] = (
    ("accept", (True, "accept", "good", "up")),
    ("reject", (False, -1, "reject", "bad", "down")),
)


class OpenAIJsonlSource:
    """Reads `path`: a file, or all `*.jsonl` below a folder."""

    name = "openai-jsonl"

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        return line_files.read(self._path, parse, cursor, clock=self._clock, max_lines=max_lines)

    def watch(self) -> tuple[Path, ...]:
        return (self._path,)


def parse(line: bytes, _name: str, changed_s: float) -> Iterator[Exchange | Feedback]:
    """Return the exchange of a line, and what its rating says of it.

    Raises:
        DataError: it is no conversation with an answer, or its rating is not known.
    """
    told = decode_json(line, dict[str, Any])
    messages = messages_of(told.get("messages"))
    last = max((at for at, one in enumerate(messages) if one.role == "assistant"), default=0)
    if not any(one.role == "user" for one in messages[:last]):
        raise DataError("there is no answer to a user in `messages`")
    try:
        time_s = seconds(told["created"]) if told.get("created") is not None else changed_s
    except ValueError as error:
        raise DataError(f"created: {error}") from error
    model = told.get("model")
    exchange = told_exchange(
        source=OpenAIJsonlSource.name,
        time_s=time_s,
        model=model if isinstance(model, str) else "",
        messages=messages[:last],
        answer=messages[last],
    )
    kind = _kind(told.get("rating", told.get("feedback")))
    yield exchange
    if kind is not None:
        yield told_feedback(exchange, kind)


def _kind(rating: object) -> Literal["accept", "reject"] | None:
    if rating is None or (rating == 0 and rating is not False):
        return None
    for kind, values in _RATINGS:
        if rating in values:
            return kind
    raise DataError("the rating is none of true, false, 1, 0, -1, accept, reject, good, bad, up, down")
