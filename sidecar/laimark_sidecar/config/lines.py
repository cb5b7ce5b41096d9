"""Finds the line of a section or key in TOML text, for error messages; `tomllib` keeps no positions."""

from __future__ import annotations

import re

_HEADER = re.compile(r"""\s*\[\[?\s*["']?([^\]"'.\s]+)""")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*[=.]\s*["']?([A-Za-z0-9_-]*)""")


def line_of(text: str, section: str, key: str = "") -> int:
    """Return the number (from 1) of the line that names the section or key, else of the nearest thing above it.

    A best guess: text inside a multi-line string may mislead it. It never fails; at worst it returns 1.
    """
    current, best = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            current = header[1]
            if current == section:
                best = number
                if not key:
                    return number
        elif name := _KEY.match(line):
            dotted = current == "" and name[1] == section
            if dotted and (not key or name[2] == key):
                return number
            if key and current == section and name[1] == key:
                return number
    return best
