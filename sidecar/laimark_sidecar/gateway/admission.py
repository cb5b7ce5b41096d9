"""Which requests are let in. What could be read in two ways, here and upstream, is refused, never repaired.

The parser (llhttp, strict) refuses what is no HTTP/1 at all: two lengths, a length beside chunks, folded lines, bare line
ends, spaces before a colon, a second Host. These are the requests that it takes and that cannot be passed on as meant.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import HttpVersion10, HttpVersion11, web

from laimark_sidecar.gateway.hosts import is_allowed

_WEBSOCKET = "websocket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a request is refused."""

    status: int
    message: str
    kind: str


def objection(request: web.BaseRequest, allowed_hosts: Collection[str]) -> Objection | None:
    """Return why a request is refused; None lets it in."""
    target, host = request.raw_path, request.headers.get("host", "")
    if request.version not in (HttpVersion10, HttpVersion11):
        return Objection(status=505, message="the gateway speaks HTTP/1.1 and HTTP/1.0", kind="bad_version")
    if not target.startswith("/") or "#" in target:
        return _bad("the gateway takes paths only, such as /v1/models")
    if not is_allowed(host, allowed_hosts):
        return Objection(status=403, message=_foreign(host), kind="forbidden_host")
    return _of_body(request) or _of_upgrade(request)


def _of_body(request: web.BaseRequest) -> Objection | None:
    codings = ",".join(request.headers.getall("transfer-encoding", ())).strip().lower()
    if codings and request.version < HttpVersion11:
        # Who only speaks 1.0 takes the chunks for the body (RFC 9112, section 6.1).
        return _bad("a request of HTTP/1.0 has no Transfer-Encoding")
    if codings not in ("", "chunked"):
        # The name of the coding belongs to this connection, so what is coded would arrive without it.
        return Objection(
            status=501, message="the gateway takes no Transfer-Encoding but chunked", kind="unsupported"
        )
    return None


def _of_upgrade(request: web.BaseRequest) -> Objection | None:
    # Any other Upgrade is an offer that a server may leave alone (Java's client makes one with every request).
    if request.headers.get("upgrade", "").strip().lower() == _WEBSOCKET:
        return Objection(
            status=501, message="the gateway passes no WebSockets on: no runner has any", kind="unsupported"
        )
    return None


def _bad(message: str) -> Objection:
    return Objection(status=400, message=message, kind="bad_request")


def _foreign(host: str) -> str:
    return (
        f"the gateway may not be called by the name {host[:100]!r}: use localhost or an address, or add the name to "
        "gateway.allowed_hosts in config.toml"
    )
