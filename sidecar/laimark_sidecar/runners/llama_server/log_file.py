"""What llama-server says of a failure: the first lines of trouble in its log. At its default level it holds no prompt text."""

from __future__ import annotations

import re
from pathlib import Path

_STAMP = r"(?:\[\d+\] )?[\d.]+ "
_TROUBLE = re.compile(rf"^{_STAMP}E |\b(error|failed|insufficient|abort)", re.IGNORECASE)
_PREFIX = re.compile(rf"^{_STAMP}[A-Z]\s+")
_LINES = 3
_READ_BYTES = 256 << 10


def size_of(log: Path) -> int:
    """Return where the next line begins; 0 where there is no log."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def trouble_since(log: Path, byte: int) -> str:
    """Return the first lines since `byte` that tell of trouble, joined: the cause stands before its consequences.

    Empty where none does, or where there is no log.
    """
    try:
        with log.open("rb") as handle:
            handle.seek(byte)
            lines = handle.read(_READ_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found = dict.fromkeys(" ".join(_PREFIX.sub("", line).split()) for line in lines if _TROUBLE.search(line))
    return "; ".join(list(found)[:_LINES])
