"""Who wrote which characters of a target."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from laimark_sidecar.experience.sameness import typed_words, words
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Provenance, Span

PASTED_LINES = 40
"""Nobody types more lines than this into a chat: such content was written elsewhere."""

PASTED_CHARS = 4000
"""Nor more characters."""

_QUOTED_PAGE_LINES = 5
_COPIED_CHARS = 20
"""A shorter text may well be typed although it stands in a document too: a name, a number."""
_LISTING = re.compile(r"\s*\d+\s*[:|\t]|\s*\d{1,5} {2,}\S|[+-]\S|@@ |>>> |\.\.\. |\$ |> ")
_ATTRIBUTED = re.compile(
    r"\b(?:he|she|they|boss|colleague|teacher|docs?|documentation|article|page|wikipedia|chatgpt|claude|gemini|stack ?overflow)"
    r"\b[^.!?\n]{0,20}\b(?:wrote|writes|said|says|claims?|answered|told me)\b",
    re.IGNORECASE,
)
_MAX_TOKENS = 2000
_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")
_LINK = re.compile(r"https?://\S")


def whole(target: str, provenance: Provenance) -> tuple[Span, ...]:
    """Return one learned span over all of `target`."""
    return (Span(start=0, end=len(target), provenance=provenance, learn=True),)


def edited(original: str, target: str, *, own: bool = False) -> tuple[Span, ...]:
    """Return the spans of an answer that the user edited: what holds words that `original` lacks was typed.

    All is learned; of `own` output (a version's, not the base's) only what was typed, or a model drifts into itself.
    Words are compared, or lines where there are too many words: difflib's worst case is quadratic.
    """
    before, after = _TOKENS.findall(original), _TOKENS.findall(target)
    if len(before) > _MAX_TOKENS or len(after) > _MAX_TOKENS:
        before, after = original.splitlines(keepends=True), target.splitlines(keepends=True)
    if len(before) > _MAX_TOKENS or len(after) > _MAX_TOKENS:
        return (
            (Span(start=0, end=len(target), provenance="model", learn=False),)
            if own
            else whole(target, "typed")
        )
    typed = typed_words(original, target)
    pieces: list[tuple[int, Provenance]] = []
    for tag, _, _, start, end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        piece = "".join(after[start:end])
        mine = tag != "equal" and not typed.isdisjoint(words(piece))
        pieces.append((len(piece), "typed" if mine else "model"))
    return tuple(replace(span, learn=not own or span.provenance == "typed") for span in _joined(pieces))


def provenance(content: str, turn: str, history: Sequence[Message]) -> Provenance:
    """Return who wrote the corrected `content` of the user's `turn`: the user, a tool, or somebody elsewhere.

    Elsewhere is what nobody types: a page, a listing with line numbers, diff marks or prompts, what another is said to
    have written, and what already stands in a document of `history` (a system prompt, or a long paste of the user).
    """
    text = content.strip()
    if any(message.role == "tool" and text in message.content for message in history):
        return "tool"
    lines = text.count("\n") + 1
    quotes = sum(line.startswith(">") for line in turn.splitlines())
    page = lines > _QUOTED_PAGE_LINES and (_LINK.search(turn) is not None or 2 * quotes > lines)
    long = lines > PASTED_LINES or len(text) > PASTED_CHARS
    elsewhere = _listed(text) or _ATTRIBUTED.search(turn.partition(content)[0]) is not None
    return "pasted" if long or page or elsewhere or _copied(text, history) else "typed"


def _listed(text: str) -> bool:
    """Whether most of several lines begin as those of a listing, a diff or a terminal do."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) > 1 and 2 * sum(_LISTING.match(line) is not None for line in lines) > len(lines)


def _copied(text: str, history: Sequence[Message]) -> bool:
    documents = (
        message.content
        for message in history
        if message.role == "system"
        or (
            message.role == "user"
            and (message.content.count("\n") >= PASTED_LINES or len(message.content) > PASTED_CHARS)
        )
    )
    return len(text) >= _COPIED_CHARS and any(text in document for document in documents)


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
