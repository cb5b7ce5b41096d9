"""Writes what was said to the conversation log. Recording never breaks a chat: a full disk is a log line."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from laimark_sidecar.clock import Clock
from laimark_sidecar.journal.exchange import Exchange, Feedback, Finish, Message, exchange_id
from laimark_sidecar.journal.find import find_exchange
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)

SOURCE = "embedded"
_WARN_EVERY_S = 60.0
LONGEST_TEXT_BYTES = 64 << 10
"""Of the text of feedback: more is no edit of an answer."""


class Journal(Protocol):
    """Where records go; `JournalWriter` is one."""

    def append(self, record: Exchange | Feedback) -> None:
        """Store a record; raises OSError when it cannot."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The half of an exchange that is known when the request comes in."""

    id: str
    time_s: float
    client: str
    model: str
    messages: tuple[Message, ...]
    options: dict[str, float | int | str | bool | None]
    prompt_tokens: int


class Recorder:
    """Appends exchanges and feedback, fail-open.

    It writes on the calling thread: a line is with the operating system before the client sees the end of its answer,
    so killing the server loses nothing that was shown.
    """

    def __init__(
        self, journal: Journal | None, *, clock: Clock, base_sha256: str, folder: Path | None = None
    ) -> None:
        self._journal = journal
        self._folder = folder
        self._searching = threading.Lock()
        self._clock = clock
        self._base_sha256 = base_sha256
        self._warned_s = float("-inf")

    @property
    def on(self) -> bool:
        """Whether anything is recorded at all."""
        return self._journal is not None

    def new_id(self, messages: tuple[Message, ...], time_s: float) -> str:
        """Return the id of an exchange that is about to happen.

        A stream tells its id before its answer exists, so a random number stands in the hash where the answer would.
        """
        return exchange_id(time_s=time_s, source=SOURCE, messages=messages, answer=secrets.token_hex(16))

    def exchange(
        self, asked: Asked, *, version: str, answer: str, finish: Finish, answer_tokens: int
    ) -> bool:
        """Record a finished exchange; returns whether it was stored."""
        return self._append(
            Exchange(
                id=asked.id,
                time_s=asked.time_s,
                source=SOURCE,
                client=asked.client,
                model=asked.model,
                base_sha256=self._base_sha256,
                adapter_version=version,
                messages=asked.messages,
                answer=answer,
                finish=finish,
                prompt_tokens=asked.prompt_tokens,
                answer_tokens=answer_tokens,
                options=asked.options,
            )
        )

    def feedback(self, *, about: str, kind: Literal["accept", "reject", "edit"], text: str) -> bool:
        """Record what a user did with an answer; returns whether it was stored.

        Args:
            about: exchange id.
            kind: what the user did.
            text: the edited answer.
        """
        time_s = self._clock.now_s()
        identity = hashlib.sha256(
            f"{time_s:.3f}\0{about}\0{kind}\0{text}".encode("utf-8", "surrogatepass")
        ).hexdigest()
        return self._append(
            Feedback(id=identity[:32], time_s=time_s, source=SOURCE, exchange_id=about, kind=kind, text=text)
        )

    def holds(self, exchange_id: str) -> bool:
        """Whether an exchange is in the journal. Reads it: not for the event loop; one search at a time."""
        with self._searching:
            return self._folder is not None and find_exchange(self._folder, exchange_id) is not None

    def close(self) -> None:
        """Close the journal; an error of the disk is logged."""
        if self._journal is not None:
            try:
                self._journal.close()
            except OSError as error:
                log.warning("closing the journal failed: %s", error, extra=action("embedded.record.failed"))

    def _append(self, record: Exchange | Feedback) -> bool:
        if self._journal is None:
            return False
        try:
            self._journal.append(record)
        except OSError as error:
            now_s = self._clock.monotonic_s()
            # Once a minute: a full disk must not fill the log as well.
            if now_s - self._warned_s >= _WARN_EVERY_S:
                self._warned_s = now_s
                log.warning("conversation not recorded: %s", error, extra=action("embedded.record.failed"))
            return False
        return True
