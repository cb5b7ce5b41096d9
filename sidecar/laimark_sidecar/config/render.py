"""Writes a configuration as commented TOML: every key, what it means, what it may be."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from laimark_sidecar.config.keys import Key, Value
from laimark_sidecar.config.schema import SECTIONS, all_keys, section_doc

if TYPE_CHECKING:
    from tomlkit.items import Table

_HEAD = (
    "Configuration of laimark-sidecar. Every key is here with its default; a key that is removed has it too.",
    "LAIMARK_<SECTION>_<KEY> in the environment overrides it, for example LAIMARK_TRAINING_STEPS=100.",
)
_COLUMNS = 100


def render_default() -> str:
    """Return the file that `init` writes: loading it gives exactly the defaults."""
    import tomlkit

    document = tomlkit.document()
    for line in _HEAD:
        document.add(tomlkit.comment(line))
    for name, _ in SECTIONS:
        table = tomlkit.table()
        table.comment(section_doc(name))
        for key in all_keys():
            if key.section == name:
                _add(table, key, key.default)
        document.add(tomlkit.nl())
        document.add(name, table)
    return tomlkit.dumps(document)


def _add(table: Table, key: Key, value: Value) -> None:
    import tomlkit

    for line in textwrap.wrap(f"{key.doc}{_allowed(key)}", _COLUMNS):
        table.add(tomlkit.comment(line))
    table.add(key.name, value)


def _allowed(key: Key) -> str:
    if key.choices:
        return f" One of: {', '.join(key.choices)}." if len(key.choices) > 1 else ""
    if key.kind in ("int", "float") and (key.range.least, key.range.most) != (-math.inf, math.inf):
        return f" {str(key.range).capitalize()}."
    return ""
