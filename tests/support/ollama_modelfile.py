"""Reads a Modelfile as Ollama does, for the stand-in: one character after the other, with the same quirks.

Source: Ollama 0.33 `parser/parser.go` (`ParseFile`): a value ends at the first line end at which its quotes are closed,
spaces never end it, and characters that do not print are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COMMANDS = frozenset(
    ("from", "license", "template", "system", "adapter", "renderer", "parser", "parameter", "message")
)


@dataclass(frozen=True)
class Command:
    name: str
    """In lower case; of a parameter, its own name."""
    value: str


def unquote(text: str) -> str | None:
    """Return the value; None while its quotes are open."""
    for quotes in ('"""', '"'):
        if text.startswith(quotes):
            closed = len(text) >= 2 * len(quotes) and text.endswith(quotes)
            return text[len(quotes) : -len(quotes)] if closed else None
    return text


def parse(text: str) -> list[Command]:
    """Return the instructions in order; raises ValueError where Ollama refuses the file."""
    found = []
    rest = text
    while rest := rest.lstrip(" \t\r\n"):
        if rest.startswith("#"):
            rest = rest[_line_end(rest) :]
            continue
        name, rest = _word(rest)
        if name.lower() not in COMMANDS:
            raise ValueError(f"{name!r} is no command")
        name = name.lower()
        if name == "parameter":
            name, rest = _word(rest)
        role = ""
        if name == "message":
            role, rest = _word(rest)
        value, rest = _value(rest)
        found.append(Command(name, f"{role}: {value}" if role else value))
    if not any(command.name == "from" for command in found):
        raise ValueError("no FROM line")
    return found


def create_fields(commands: list[Command]) -> dict[str, Any]:
    """Return the body that `ollama create` sends, files by their paths instead of digests."""
    fields: dict[str, Any] = {"parameters": {}, "messages": [], "license": []}
    for name, value in ((command.name, command.value) for command in commands):
        if name in ("from", "adapter", "template", "system", "renderer", "parser"):
            fields[name] = value
        elif name == "license":
            fields["license"].append(value)
        elif name == "message":
            role, _, content = value.partition(": ")
            fields["messages"].append({"role": role, "content": content})
        elif name == "stop":
            fields["parameters"].setdefault("stop", []).append(value)
        else:
            fields["parameters"][name] = float(value)
    return fields


def _word(text: str) -> tuple[str, str]:
    end = next((place for place, char in enumerate(text) if not (char.isalnum() or char == "_")), len(text))
    if end == len(text) or text[end] not in " \t":
        raise ValueError(f"{text[:end]!r} has no value")
    return text[:end], text[end:].lstrip(" \t")


def _value(text: str) -> tuple[str, str]:
    kept = ""
    for place, char in enumerate(text):
        if char in "\r\n" and (value := unquote(kept.strip())) is not None:
            return value, text[place:]
        if char.isprintable() or char in "\r\n\t":
            kept += char
    value = unquote(kept.strip())
    if value is None:
        raise ValueError(f"quotes are open: {kept}")
    return value, ""


def _line_end(text: str) -> int:
    return next((place for place, char in enumerate(text) if char in "\r\n"), len(text))
