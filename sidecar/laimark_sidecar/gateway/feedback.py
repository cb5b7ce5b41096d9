"""`POST /laimark/feedback`: what a user did with an answer, told by a client under an id that it was given."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.gateway.clients import client_of
from laimark_sidecar.gateway.exchanges import SOURCE, Permits
from laimark_sidecar.gateway.observing import Head, Told
from laimark_sidecar.journal.exchange import Exchange, Feedback

_EXCHANGE_ID = re.compile(r"(?:chatcmpl-|cmpl-)?([0-9a-f]{32})")
"""Of an exchange of the gateway, or of the embedded runner, which tells it behind OpenAI's prefixes."""
_REMEMBERED = 4096
LONGEST_TEXT_BYTES = 64 << 10
_HARD_TO_GUESS = re.compile(r"[A-Za-z0-9]{16,}")
"""Ids of answers that other programs could not guess; Ollama's (`chatcmpl-123`) they can."""


class _Request(msgspec.Struct):
    id: str
    kind: Literal["accept", "reject", "edit"]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Feedback as a client gave it."""

    id: str
    """An exchange's (`X-Laimark-Exchange`, `buffer`), or the server's for its answer (`chatcmpl-...`, `msg_...`)."""
    kind: Literal["accept", "reject", "edit"]
    text: str

    @classmethod
    def read(cls, body: bytes) -> Given | Told:
        """Return the feedback, or the refusal of what is none. Text is not repeated."""
        try:
            request = decode_json(body, _Request)
        except MalformedError as error:
            return _refused(f"the request body is not acceptable: {error}")
        if not request.id or len(request.id) > 200:
            return _refused(
                "id must be the id of an exchange, or of an answer that passed through this gateway"
            )
        if request.kind == "edit" and not request.text:
            return _refused("feedback of kind 'edit' needs the edited answer in text")
        if len(request.text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT_BYTES:
            return _refused(
                f"text has more than {LONGEST_TEXT_BYTES} bytes, which is no edit of an answer", status=413
            )
        return cls(id=request.id, kind=request.kind, text=request.text)

    def record(self, exchange_id: str, time_s: float) -> Feedback:
        """Return it as the journal keeps it."""
        identity = hashlib.sha256(
            f"{time_s:.3f}\0{exchange_id}\0{self.kind}\0{self.text}".encode("utf-8", "surrogatepass")
        ).hexdigest()
        return Feedback(
            id=identity[:32],
            time_s=time_s,
            source=SOURCE,
            exchange_id=exchange_id,
            kind=self.kind,
            text=self.text,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The exchange that feedback is about."""

    exchange_id: str
    model: str
    """Empty where the exchange is older than what is remembered."""

    def permitted(self, permits: Permits, head: Head, *, time_s: float) -> bool:
        """Whether the user's consent covers feedback that comes with this request.

        Of a forgotten exchange the model is not known, but it was recorded, so it was permitted then.
        """
        if not self.model:
            return permits.on
        return permits(model=self.model, client=client_of(head), head=head, since_s=time_s)


class Recent:
    """The newest exchanges, by their own ids and by those that servers gave their answers."""

    def __init__(self, *, most: int = _REMEMBERED) -> None:
        self._most = most
        self._known: dict[str, About | None] = {}

    def add(self, exchange: Exchange, answer_id: str) -> None:
        """Remember one; the oldest is forgotten for it."""
        about = About(exchange_id=exchange.id, model=exchange.model)
        self._keep(exchange.id, about)
        if _HARD_TO_GUESS.search(answer_id) and len(answer_id) <= 200:
            # A server that gives an id twice means neither answer by it.
            self._keep(answer_id, None if answer_id in self._known else about)
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def _keep(self, name: str, about: About | None) -> None:
        self._known.pop(name, None)
        self._known[name] = about

    def find(self, name: str) -> About | None:
        """Return the exchange of that name, if it is among the newest."""
        own = exchange_id_in(name)
        return self._known.get(name) or (self._known.get(own) if own else None)


def exchange_id_in(name: str) -> str:
    """Return the id of an exchange that a name would be, which may be older than what is remembered; else empty."""
    own = _EXCHANGE_ID.fullmatch(name)
    return own[1] if own else ""


def unknown(name: str) -> Told:
    """Return the refusal of feedback on what nobody recorded."""
    return _refused(
        f"no exchange {name!r:.80} was recorded here: nothing is learned from feedback on it", status=404
    )


def _refused(message: str, *, status: int = 400) -> Told:
    code = {400: "invalid_body", 404: "not_found", 413: "too_large"}[status]
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Told(status=status, body=msgspec.json.encode({"error": error}))
