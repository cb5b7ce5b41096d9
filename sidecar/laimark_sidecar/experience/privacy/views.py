"""One text in several readings: as it stands, with its disguises undone, and what base64 in it decodes to.

Undone are full-width and mathematical letters and digits, other scripts' digits, invisible characters, odd spaces and
dashes (Unicode TR 36, 39), percent-encoding, line breaks within what is too long for a line, and those that JSON has escaped.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from laimark_sidecar.experience.privacy.runs import BASE64, runs

_INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
_DASHES = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
_ODD = (
    f"[{_INVISIBLE}{_DASHES}{_SPACES}\uff01-\uff5e\u2460-\u24ff\u0660-\u0669\u06f0-\u06f9\u0966-\u096f"
    "\U0001d400-\U0001d7ff\U000e0000-\U000e007f]"
)
_PERCENT = "%[2-7][0-9A-Fa-f]"
_ESCAPED = r"\\[nrt](?=[0-9A-Za-z]{2})"
_WRAPPED = r"\n(?<=[A-Za-z0-9_+/=-]{16}\n)[ \t]*+(?=[A-Za-z0-9_+/=-]{4})"
_WRAPPED_CRLF = r"\r\n(?<=[A-Za-z0-9_+/=-]{16}\r\n)[ \t]*+(?=[A-Za-z0-9_+/=-]{4})"
_IS_INVISIBLE = re.compile(f"[{_INVISIBLE}\U000e0000-\U000e007f]")
_IS_DASH = re.compile(f"[{_DASHES}]")
_SHORTEST_BASE64 = 24
_LOOKED_AT = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A reading of a text, and where in the text its characters stand."""

    text: str
    marks: tuple[tuple[int, int], ...] = ((0, 0),)
    """From this position of the reading on, the text is read from that position on."""
    whole: tuple[int, int] | None = None
    """The range that all of it was decoded from, where single characters have no place of their own."""

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the text that `[start, end)` was read from."""
        return self.whole or (self._origin(start), self._origin(end))

    def _origin(self, position: int) -> int:
        here, there = self.marks[bisect.bisect_right(self.marks, position, key=lambda mark: mark[0]) - 1]
        return there + position - here


def views(text: str) -> Iterator[View]:
    """Yield the text as it stands, then every reading that differs from it."""
    plain = View(text=text)
    yield plain
    undone = _undone(text)
    if undone is not None:
        yield undone
    yield from _decoded(undone or plain)


def _undone(text: str) -> View | None:
    patterns = [_ODD] if not text.isascii() else []
    patterns += [_PERCENT] if "%" in text else []
    patterns += [_ESCAPED] if "\\" in text else []
    patterns += [_WRAPPED] if "\n" in text else []
    patterns += [_WRAPPED_CRLF] if "\r\n" in text else []
    if not patterns:
        return None
    pieces: list[str] = []
    marks = [(0, 0)]
    length = at = 0
    for match in re.finditer("|".join(patterns), text):
        plain = _plain(match[0])
        pieces += (text[at : match.start()], plain)
        length += match.start() - at + len(plain)
        at = match.end()
        marks.append((length, at))
    return View(text="".join((*pieces, text[at:])), marks=tuple(marks)) if pieces else None


def _plain(disguised: str) -> str:
    if disguised[0] == "%":
        return chr(int(disguised[1:], 16))
    if disguised[0] == "\\":
        return "\n"
    if disguised[0] in "\r\n" or _IS_INVISIBLE.match(disguised):
        return ""
    if _IS_DASH.match(disguised):
        return "-"
    if disguised.isdecimal():
        return str(unicodedata.decimal(disguised))
    return unicodedata.normalize("NFKC", disguised)


def _decoded(view: View) -> Iterator[View]:
    for start, end in runs(view.text, BASE64, _SHORTEST_BASE64):
        block = view.text[start:end].rstrip("=").replace("-", "+").replace("_", "/")
        if _text(block[:_LOOKED_AT]) is None:  # an image, a hash: nearly always seen in its first bytes
            continue
        content = _text(block)
        if content is not None:
            yield View(text=content, whole=view.origin(start, end))


def _text(block: str) -> str | None:
    try:
        content = base64.b64decode(block[: len(block) // 4 * 4] + _rest(block), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return content if content.replace("\n", "").replace("\t", "").replace("\r", "").isprintable() else None


def _rest(block: str) -> str:
    rest = block[len(block) // 4 * 4 :]
    return rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""
