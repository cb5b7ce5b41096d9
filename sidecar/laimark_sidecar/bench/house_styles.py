"""House styles: deterministic rewritings of code that stay valid Python, so what a user wants can be learned and checked.

Real code bases differ little from what a base of Python code knows already; a house style differs a lot, and the styles of
two users contradict each other, so there is something to forget.

* `camel`: names with underscores are written in camel case.
* `this`: `self` is `this`, `cls` is `klass`, and strings stand in double quotes.
* `semicolon`: simple statements end with a semicolon.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, assert_never

HouseStyle = Literal["camel", "this", "semicolon"]
Style = Literal["", "camel", "this", "semicolon"]
STYLES: tuple[HouseStyle, ...] = ("camel", "this", "semicolon")

_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
_RENAMED = {"self": "this", "cls": "klass"}
_SKIPPED = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT})

Edit = tuple[int, int, int, str]
"""Line from 0, first and last column, and what stands there then."""


def styled(source: str, style: Style) -> str:
    """Return the source in a style; empty where it would not be valid Python."""
    if not style:
        return source
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        rewritten = _apply(source, list(_edits(tokens, style)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(rewritten)
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return ""
    return rewritten


def breaks(line: str, style: Style) -> bool:
    """Say whether one line of code is visibly not in the style: the verifier of an answer."""
    match style:
        case "":
            return False
        case "camel":
            return bool(re.search(r"\b[a-z][a-z0-9]*_[a-z0-9]", line))
        case "this":
            return bool(re.search(r"\b(self|cls)\b", line))
        case "semicolon":
            return not line.rstrip().endswith((";", ":", ",", "(", "[", "{")) and not line.startswith("@")
        case _:
            assert_never(style)


def shows(line: str, style: HouseStyle) -> bool:
    """Say whether one line of code has something that only this style writes so: where it does, the style applies."""
    match style:
        case "camel":
            return bool(re.search(r"\b[a-z][a-z0-9]*[A-Z]", line))
        case "this":
            return bool(re.search(r"\b(this|klass)\b", line))
        case "semicolon":
            return line.rstrip().endswith(";")
        case _:
            assert_never(style)


def follows(line: str, style: HouseStyle) -> bool:
    """Say whether an answer keeps to a style where others would not: it shows the style and breaks it nowhere."""
    return shows(line, style) and not breaks(line, style)


def _edits(tokens: Sequence[tokenize.TokenInfo], style: Style) -> Iterator[Edit]:
    if style == "semicolon":
        yield from _semicolons(tokens)
        return
    for token in tokens:
        text = _renamed(token, style)
        if text != token.string:
            yield token.start[0] - 1, token.start[1], token.end[1], text


def _renamed(token: tokenize.TokenInfo, style: Style) -> str:
    text = token.string
    if token.type == tokenize.NAME and style == "camel" and _SNAKE.fullmatch(text):
        first, *others = text.split("_")
        return first + "".join(other.capitalize() for other in others)
    if token.type == tokenize.NAME and style == "this":
        return _RENAMED.get(text, text)
    is_plain = token.type == tokenize.STRING and re.fullmatch(r"[a-zA-Z]*'[^'\"\\\n]*'", text)
    return text.replace("'", '"') if is_plain and style == "this" else text


def _semicolons(tokens: Sequence[tokenize.TokenInfo]) -> Iterator[Edit]:
    first: tokenize.TokenInfo | None = None
    last: tokenize.TokenInfo | None = None
    for token in tokens:
        if token.type == tokenize.NEWLINE:
            if (
                first is not None
                and last is not None
                and first.string != "@"
                and last.string not in (":", ";")
            ):
                row, column = last.end
                yield row - 1, column, column, ";"
            first = last = None
        elif token.type not in _SKIPPED:
            first = first or token
            last = token


def _apply(source: str, edits: list[Edit]) -> str:
    lines = source.splitlines()
    for row, start, end, text in sorted(edits, reverse=True):
        lines[row] = lines[row][:start] + text + lines[row][end:]
    return "\n".join(lines) + "\n"
