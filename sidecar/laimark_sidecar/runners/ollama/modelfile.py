"""Modelfiles for those who build a name with `ollama create` themselves; a name so built is known as ours.

Ollama's format knows no escapes: what cannot be written exactly is refused, never changed.

Source: Ollama 0.33 `parser/parser.go` (`ParseFile`, `quote`, `unquote`).
"""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Literal

from laimark_sidecar.errors import DataError
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.runners.ollama.api import Shown
from laimark_sidecar.runners.ollama.marker import Marker, render
from laimark_sidecar.runners.ollama.shown import Value, parameters

_QUOTES = '"""'
_KEPT = frozenset("\n\r\t")
_HINT = "let the sidecar register it through Ollama's interface, which takes any text"


def template_text(kind: Literal["adapter", "merged"]) -> str:
    """Return the shipped template.

    Raises:
        OSError: the installation lacks it.
    """
    return (modelfiles() / f"{kind}.Modelfile").read_text(encoding="utf-8")


def adapter_modelfile(template: str, *, marker: Marker, base: str, adapter: Path) -> str:
    """Return a Modelfile that puts `adapter` on the pristine `base`, whose settings it inherits.

    Args:
        template: of `template_text("adapter")`.
        marker: what makes the name known as ours.
        base: a local name; Ollama pulls one that is not local from the network.
        adapter: GGUF file.

    Raises:
        DataError: a value cannot be written into a Modelfile.
    """
    return Template(template).substitute(
        version=_line(marker.version),
        base=_line(base),
        adapter=_line(str(adapter)),
        license=quoted(render(marker)),
    )


def merged_modelfile(template: str, *, marker: Marker, merged: Path, base: Shown) -> str:
    """Return a Modelfile for a merged GGUF, with the base's settings, which a bare file would lose.

    Args:
        template: of `template_text("merged")`.
        marker: what makes the name known as ours.
        merged: GGUF file.
        base: what Ollama shows of the base.

    Raises:
        DataError: a value cannot be written into a Modelfile.
    """
    return Template(template).substitute(
        version=_line(marker.version),
        merged=_line(str(merged)),
        settings="".join(f"{line}\n" for line in _settings(base)),
        license=quoted(render(marker)),
    )


def quoted(text: str) -> str:
    """Return a text as one Modelfile value, which Ollama reads as exactly this text.

    Raises:
        DataError: no way of writing it reads back alike: a line in it ends with three quotes, or it holds a character
            that Ollama leaves out, such as a no-break space.
    """
    lost = next((char for char in text if not char.isprintable() and char not in _KEPT), "")
    if lost:
        raise DataError(f"a Modelfile cannot hold the character U+{ord(lost):04X}", hint=_HINT)
    value = f"{_QUOTES}{text}{_QUOTES}"
    # The value ends at the first line end at which it could.
    if any(_is_closed(value[:place]) for place, char in enumerate(value) if char in "\r\n"):
        raise DataError("a Modelfile cannot hold a line that ends with three quotes", hint=_HINT)
    return value


def _is_closed(value: str) -> bool:
    value = value.rstrip()
    return len(value) >= 2 * len(_QUOTES) and value.endswith(_QUOTES)


def _settings(base: Shown) -> list[str]:
    texts = (("TEMPLATE", base.template), ("SYSTEM", base.system))
    plain = (("RENDERER", base.renderer), ("PARSER", base.parser))
    lines = [f"{command} {quoted(text)}" for command, text in texts if text]
    lines += [f"{command} {_line(text)}" for command, text in plain if text]
    for name, value in sorted(parameters(base.parameters).items()):
        values = value if isinstance(value, list) else [value]
        lines += [f"PARAMETER {_line(name)} {_parameter(one)}" for one in values]
    lines += [f"MESSAGE {_line(turn.role)} {quoted(turn.content)}" for turn in base.messages or ()]
    if base.license:
        # Old licences hold form feeds, which Ollama would leave out too.
        kept = "".join(char for char in base.license if char.isprintable() or char in _KEPT)
        lines.append(f"LICENSE {quoted(kept)}")
    return lines


def _parameter(value: Value) -> str:
    if isinstance(value, str):
        return quoted(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _line(text: str) -> str:
    """Return a name or path as one value; it must not end its line, or a second instruction could follow."""
    if not text or text != text.strip() or text.startswith('"') or not text.isprintable():
        raise DataError(f"{text!r} cannot be written into a Modelfile: it must be one plain line", hint=_HINT)
    return text
