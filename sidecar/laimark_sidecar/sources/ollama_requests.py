"""Ollama's request logs (`OLLAMA_DEBUG_LOG_REQUESTS=1`): bodies of requests, never an answer.

The answer of one turn stands in the request of the next, as the last thing that the assistant said; so each body tells
the exchange before it, and the last answer of a conversation is lost. A folder `ollama-request-logs-*` is made in the
temporary folder at each start of the server, in it `<time>-<n>_<route>_body.json` (server/inference_request_log.go of
Ollama 0.33). Only folders of this user are read: anybody may make one in the temporary folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from laimark_sidecar.clock import Clock, SystemClock
from laimark_sidecar.decoding import decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.journal.reader import Fault
from laimark_sidecar.sources import watermark
from laimark_sidecar.sources.changed_files import changed, open_file
from laimark_sidecar.sources.source import SourceBatch
from laimark_sidecar.sources.told_exchange import told_exchange
from laimark_sidecar.sources.told_messages import messages_of
from laimark_sidecar.sources.watermark import Watermark, Watermarks

PREFIX = "ollama-request-logs-"
SUFFIX = "_body.json"
MAX_BYTES = 64 << 20
SETTLED_S = 1.0
"""A body is written in one go, and within that time it is whole."""


class OllamaRequestsSource:
    """Reads the request logs in `path`: the temporary folder of the server, or one of the logs."""

    name = "ollama-requests"

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        marks = watermark.decode(cursor)
        folders = self._folders()
        held = {folder.name: marks.of(folder.name) for folder in folders}
        settled_s = self._clock.now_s() - SETTLED_S
        records: list[Exchange] = []
        faults: list[Fault] = []
        looked, more = 0, False
        for folder in folders:
            room = max_lines - looked
            listed = changed(folder, SUFFIX, held[folder.name], room + 1)
            whole = [one for one in listed if one.when_s <= settled_s]
            more = more or len(whole) > room
            for changed_s, name, path in whole[:room]:
                try:
                    records += parse(_content(path), changed_s)
                except (DataError, OSError) as error:
                    reason = str(error) if isinstance(error, DataError) else type(error).__name__
                    faults.append(Fault(segment=f"{folder.name}/{name}", offset=0, reason=reason[:200]))
                held[folder.name] = Watermark(time_s=changed_s, key=name)
                looked += 1
        cursor = Watermarks(tables=held).encode()
        return SourceBatch(records=tuple(records), faults=tuple(faults), cursor=cursor, more=more)

    def watch(self) -> tuple[Path, ...]:
        # Never the whole temporary folder, which every program writes to: a new log is found by the clock.
        return self._folders()

    def _folders(self) -> tuple[Path, ...]:
        here = [self._path] if self._path.name.startswith(PREFIX) else sorted(self._path.glob(f"{PREFIX}*"))
        return tuple(folder for folder in here if _is_ours(folder))


def parse(content: bytes, changed_s: float) -> Iterator[Exchange]:
    """Return the exchange whose answer a request shows; nothing for a first request, or one without a conversation.

    Raises:
        DataError: it is no request body.
    """
    told = decode_json(content, dict[str, Any])
    if "messages" not in told:
        return
    messages = messages_of(told["messages"])
    last = max((at for at, one in enumerate(messages) if one.role == "assistant"), default=0)
    if any(one.role == "user" for one in messages[:last]):
        model = told.get("model")
        yield told_exchange(
            source=OllamaRequestsSource.name,
            time_s=changed_s,
            model=model if isinstance(model, str) else "",
            messages=messages[:last],
            answer=messages[last],
        )


def _is_ours(folder: Path) -> bool:
    try:
        held = os.lstat(folder)
    except OSError:
        return False
    ours = not hasattr(os, "getuid") or held.st_uid == os.getuid()
    return stat.S_ISDIR(held.st_mode) and ours


def _content(path: Path) -> bytes:
    with open_file(path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"has more than {MAX_BYTES} bytes")
    return content
