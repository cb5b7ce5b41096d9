"""Who wrote which characters of a target."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Provenance, Span

PASTED_LINES = 40
"""Nobody types more lines than this into a chat: such content was written elsewhere."""

_QUOTED_PAGE_LINES = 5
_MAX_TOKENS = 2000
_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")
_LINK = re.compile(r"https?://\S")


def whole(target: str, provenance: Provenance) -> tuple[Span, ...]:
    """Return one learned span over all of `target`."""
    return (Span(start=0, end=len(target), provenance=provenance, learn=True),)


def edited(original: str, target: str) -> tuple[Span, ...]:
    """Return the spans of an answer that the user edited: what differs from `original` was typed, all is learned.

    Words are compared, or lines where there are too many words: difflib's worst case is quadratic.
    """
    before, after = _TOKENS.findall(original), _TOKENS.findall(target)
    if len(before) > _MAX_TOKENS or len(after) > _MAX_TOKENS:
        before, after = original.splitlines(keepends=True), target.splitlines(keepends=True)
    if len(before) > _MAX_TOKENS or len(after) > _MAX_TOKENS:
        return whole(target, "typed")
    pieces: list[tuple[int, Provenance]] = []
    for tag, _, _, start, end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        length = sum(map(len, after[start:end]))
        pieces.append((length, "model" if tag == "equal" else "typed"))
    return _joined(pieces)


def provenance(content: str, turn: str, history: Sequence[Message]) -> Provenance:
    """Return who wrote the corrected `content` of the user's `turn`: the user, a tool, or somebody elsewhere."""
    text = content.strip()
    if any(message.role == "tool" and text in message.content for message in history):
        return "tool"
    lines = text.count("\n") + 1
    quotes = sum(line.startswith(">") for line in turn.splitlines())
    page = lines > _QUOTED_PAGE_LINES and (_LINK.search(turn) is not None or 2 * quotes > lines)
    return "pasted" if lines > PASTED_LINES or page else "typed"


def _joined(pieces: Iterable[tuple[int, Provenance]]) -> tuple[Span, ...]:
    spans: list[Span] = []
    position = 0
    for length, writer in pieces:
        start, position = position, position + length
        if length == 0:
            continue
        if spans and spans[-1].provenance == writer:
            start = spans.pop().start
        spans.append(Span(start=start, end=position, provenance=writer, learn=True))
    return tuple(spans)
