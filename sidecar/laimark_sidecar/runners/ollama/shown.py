"""What `/api/show` says about a name, read from its text forms."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from laimark_sidecar.decoding import MalformedError, decode_json

Value = str | int | float | bool

_SPLIT = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The files behind a name."""

    models: tuple[str, ...]
    """Paths of the model's GGUF and then of its projectors, as the server sees them."""
    adapters: tuple[str, ...]


def layers(modelfile: str) -> Layers:
    """Return the files that a shown Modelfile begins with.

    Only its beginning is read: a template or system prompt may hold lines that look like instructions.
    """
    models, adapters = [], []
    for line in modelfile.splitlines():
        command, _, value = line.strip().partition(" ")
        if command == "FROM":
            models.append(value.strip().strip('"'))
        elif command == "ADAPTER":
            adapters.append(value.strip().strip('"'))
        elif command and not command.startswith("#"):
            break
    return Layers(models=tuple(models), adapters=tuple(adapters))


def parameters(text: str) -> Mapping[str, Value | list[Value]]:
    """Return the shown parameters as `/api/create` takes them: `stop` and whatever stands twice as lists.

    Each line is a name, spaces, and a value as Go prints it (`%#v`): a quoted string, a number, true or false.
    """
    found: dict[str, list[Value]] = {}
    for line in text.splitlines():
        name, *rest = _SPLIT.split(line.strip(), maxsplit=1)
        if rest:
            found.setdefault(name, []).append(_value(rest[0]))
    return {
        name: values if len(values) > 1 or name == "stop" else values[0] for name, values in found.items()
    }


def _value(text: str) -> Value:
    if text.startswith('"'):
        # Go escapes what is not printable as Python does; JSON knows no \\x1b.
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return text
        return value if isinstance(value, str) else text
    try:
        found = decode_json(text, object)
    except MalformedError:
        return text
    if isinstance(found, float) and found.is_integer():
        return int(found)  # whole numbers from a million on are printed with an exponent
    return found if isinstance(found, bool | int | float) else text
