"""Fenced code blocks in chat text, found in linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^[ \t]{0,3}```(?P<label>[^\n`]*)$", re.MULTILINE)
_LANGUAGE = re.compile(r"[a-z][a-z0-9+#-]{0,15}")
_ALIASES = {
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "ts": "typescript",
    "sh": "bash",
    "shell": "bash",
    "c++": "cpp",
    "rs": "rust",
    "golang": "go",
    "yml": "yaml",
    "rb": "ruby",
    "cs": "c#",
}
_NOT_CODE = frozenset({"text", "txt", "plain", "plaintext", "markdown", "md"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """A fenced block: `[start, end)` with its fences, `[body_start, body_end)` without them and the last newline."""

    language: str
    """Lower case, aliases resolved; empty if none is named."""
    start: int
    body_start: int
    body_end: int
    end: int


def fences(text: str) -> tuple[Fence, ...]:
    """Return the closed fenced blocks of `text` in order."""
    found: list[Fence] = []
    opening: re.Match[str] | None = None
    for match in _FENCE.finditer(text):
        if opening is None:
            opening = match
        elif not match["label"].strip():
            body_start = opening.end() + 1
            found.append(
                Fence(
                    language=_language(opening["label"]),
                    start=opening.start(),
                    body_start=body_start,
                    body_end=max(body_start, match.start() - 1),
                    end=match.end(),
                )
            )
            opening = None
    return tuple(found)


def domain(text: str) -> str:
    """Return `code:<language>` of the last block that names one, else `text`."""
    languages = [fence.language for fence in fences(text) if fence.language]
    return f"code:{languages[-1]}" if languages else "text"


def _language(label: str) -> str:
    name = (label.split() or [""])[0].lower()
    name = _ALIASES.get(name, name)
    return name if _LANGUAGE.fullmatch(name) and name not in _NOT_CODE else ""
