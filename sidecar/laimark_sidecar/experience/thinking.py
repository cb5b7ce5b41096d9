"""What a model thinks is not what it answers: it is never a target, and clients do not send it back."""

from __future__ import annotations

_TAGS = (("<think>", "</think>"), ("<thinking>", "</thinking>"))


def strip_thinking(text: str) -> str:
    """Return `text` without thinking at its beginning; thinking that never ends leaves nothing.

    Only leading blocks: later ones are somebody writing about thinking. Some templates open the block in the
    prompt, so a text may also begin inside it.
    """
    for opening, closing in _TAGS:
        body = text.lstrip()
        if body.startswith(opening):
            return body.partition(closing)[2].lstrip("\n")
        head, found, tail = text.partition(closing)
        if found and opening not in head and "```" not in head and "`" + closing not in text:
            return tail.lstrip("\n")
    return text
