"""Who may talk to this server: no foreign Host or Origin, no huge bodies, administrators only with the token."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from laimark_sidecar.config.address import is_loopback
from laimark_sidecar.runners.embedded.api_error import ApiError

MAX_BODY_BYTES = 8 << 20


class HostGuard:
    """ASGI middleware against DNS rebinding and cross-site requests, in front of everything."""

    def __init__(self, app: ASGIApp, *, bound_host: str) -> None:
        self._app = app
        self._bound_host = bound_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = refuse(Headers(scope=scope), self._bound_host)
            if refusal is not None:
                await error_response(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def refuse(headers: Mapping[str, str], bound_host: str) -> ApiError | None:
    """Return why a request is refused, or None.

    A page from elsewhere can make a browser send requests here, under a name that it controls (rebinding) or blindly
    (cross-site). It must neither read answers nor write conversations that would be learnt from.
    """
    host = headers.get("host", "")
    if not host_allowed(host, bound_host):
        message = (
            f"Host {host[:200]!r} is not allowed; use localhost or the address that the server listens on"
        )
        return ApiError(403, message, kind="permission_error", code="host_not_allowed")
    origin = headers.get("origin")
    if origin is not None and not origin_allowed(origin, bound_host):
        message = f"Origin {origin[:200]!r} is not allowed: web pages from elsewhere may not use this server"
        return ApiError(403, message, kind="permission_error", code="origin_not_allowed")
    return None


def host_allowed(host: str, bound_host: str) -> bool:
    """Tell whether a Host header is fine: localhost, an IP address (cannot be rebound), or the bound name."""
    name = _host_name(f"//{host}")
    return bool(name) and (is_loopback(name) or _is_address(name) or name == bound_host.lower())


def origin_allowed(origin: str, bound_host: str) -> bool:
    """Tell whether an Origin header is fine: a page of this machine, or an app with a scheme of its own."""
    scheme = origin.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        return "://" in origin
    name = _host_name(origin)
    return is_loopback(name) or (bool(name) and name == bound_host.lower())


def is_administrator(headers: Mapping[str, str], token: str) -> bool:
    """Tell whether a request carries the administrator's token; an empty token is nobody's."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    matches = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    return bool(token) and scheme.lower() == "bearer" and matches


def require_administrator(headers: Mapping[str, str], token: str) -> None:
    """Raise 401 unless the request carries the administrator's token."""
    if not is_administrator(headers, token):
        raise ApiError(
            401,
            "this call needs 'Authorization: Bearer <token>' with the token of this server",
            kind="authentication_error",
            code="bad_token",
        )


async def read_body(request: Request) -> bytes:
    """Return the request's body.

    Raises:
        ApiError: 413 above 8 MiB, found out before more is read; 400 when the client stopped sending.
    """
    too_large = ApiError(
        413, f"the request body is larger than {MAX_BODY_BYTES} bytes", code="body_too_large"
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise too_large
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise ApiError(400, "the client hung up before the end of its request") from error
    return b"".join(chunks)


def error_response(error: ApiError) -> Response:
    """Return the response that tells a client of an error."""
    # A body that was not read would be taken for the next request on a kept connection.
    headers = {"connection": "close"} if error.status == 413 else None
    return Response(error.body(), status_code=error.status, media_type="application/json", headers=headers)


def _host_name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
