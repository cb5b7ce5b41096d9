"""The gateway's seams: what the proxy tells of a request while it passes, and where it asks to send it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Ending = Literal["complete", "aborted", "failed"]
"""`complete`: the whole answer was passed on; `aborted`: the client hung up; `failed`: the upstream did, or never answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request or response without its body. Names of headers are in lower case, in the order of the wire."""

    headers: tuple[tuple[str, str], ...]
    method: str = ""
    """Of a request."""
    target: str = ""
    """Of a request: path and query, as the client wrote them."""
    status: int = 0
    """Of a response."""

    def header(self, name: str) -> str:
        """Return the first header of that name (lower case); empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")


class Observation(Protocol):
    """One request that is watched. Methods are called in the order of the wire, on the event loop: they must be quick.

    What they raise is logged and ends the observation; the request goes on (fail-open).
    """

    def asked(self, chunk: bytes) -> None:
        """Take a piece of the request's body."""
        ...

    def asked_whole(self) -> None:
        """Take the end of the request's body, before its last piece goes upstream; not called where there is no body."""
        ...

    def answering(self, head: Head) -> tuple[tuple[str, str], ...]:
        """Take the head of the answer; return the headers (`X-Laimark-...`) that are added for the client."""
        ...

    def answered(self, chunk: bytes) -> None:
        """Take a piece of the answer's body, after it was passed on."""
        ...

    def ended(self, how: Ending) -> None:
        """Take the end. Called exactly once, whatever happened."""
        ...


class Observer(Protocol):
    """Who watches what passes."""

    def begin(self, head: Head) -> Observation | None:
        """Return what watches this request; None where it is not to be watched."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a request goes."""

    upstream: str
    """Base URL, for example `http://127.0.0.1:11434`."""
    body: bytes | None = None
    """Sent instead of what the client sent; None leaves it as it is."""
    refusal: str = ""
    """Why it goes nowhere, told to the client (400); empty where it goes to `upstream`."""


class Routing(Protocol):
    """Which upstream answers a request."""

    def reads_body(self, head: Head) -> bool:
        """Whether `route` must see the body: it is held back then, up to a limit beyond which it passes unread."""
        ...

    def route(self, head: Head, body: bytes | None) -> Route:
        """Return where the request goes; `body` is None unless `reads_body` asked for it and it was small enough."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The gateway's own answer to a request below `/laimark/`, which never goes upstream."""

    status: int
    body: bytes
    """JSON."""


class Desk(Protocol):
    """Answers what is asked of the gateway itself."""

    async def tell(self, head: Head, body: bytes) -> Told:
        """Answer a request below `/laimark/`; an unknown one with 404."""
        ...
