"""Log records carry a stable `action`; prompt text is never logged. Everything goes to stderr."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

LogFormat = Literal["text", "json"]


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        action = getattr(record, "action", "-")
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {action:24} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": record.created,
            "level": record.levelname.lower(),
            "action": getattr(record, "action", "-"),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def configure(*, level: int = logging.INFO, style: LogFormat = "text") -> None:
    """Send the project's records to stderr, in lines for people or in JSON for collectors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if style == "json" else _TextFormatter())
    root = logging.getLogger("laimark_sidecar")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False


def action(name: str) -> dict[str, str]:
    """Return the `extra` of a record: `log.info("...", extra=action("journal.rotate"))`."""
    return {"action": name}
