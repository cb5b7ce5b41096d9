"""By which names the gateway may be called.

Ollama refuses foreign Host headers on loopback, because a page in a browser reaches 127.0.0.1 under a name of its own by
DNS rebinding (ollama 0.33, server/routes.go, `allowedHostsMiddleware`). Upstream only sees the Host that we write, so we
must refuse what it would have refused.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

from laimark_sidecar.config.address import is_loopback
from laimark_sidecar.gateway.observing import Head

_SUFFIXES = (".localhost", ".local", ".internal")


def host_name(value: str) -> str:
    """Return the name in a Host header, without its port and brackets, in lower case."""
    text = value.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    name, colon, port = text.rpartition(":")
    return name if colon and ":" not in name and port.isdigit() else text


def is_allowed(value: str, extra: Collection[str] = ()) -> bool:
    """Whether a Host header names this machine: an address, `localhost`, a local name, its own name, or one of `extra`.

    An address is always allowed: rebinding needs a name. An empty one is what clients of HTTP/1.0 send.
    """
    name = host_name(value).removesuffix(".")
    if name in ("", "localhost") or name in extra or name.endswith(_SUFFIXES):
        return True
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == socket.gethostname().lower()
    return True


def is_own_origin(value: str, extra: Collection[str] = ()) -> bool:
    """Whether an Origin header is absent or a page of this machine. `null`, a sandboxed page's, is not.

    Narrower than `is_allowed`: a page of another address or of a `.local` name is another machine's. What is in `extra`
    may have any scheme: a browser extension has one of its own.
    """
    if not value:
        return True
    scheme, found, host = value.partition("://")
    name = host_name(host).removesuffix(".")
    if not found or not name:
        return False
    if name in extra:
        return True
    return scheme in ("http", "https") and is_loopback(name)


def is_foreign_page(head: Head, extra: Collection[str] = ()) -> bool:
    """Whether a page of another site makes this request, as its browser says: nobody typed what it holds."""
    origins = [value for name, value in head.headers if name == "origin"]
    if origins:
        return not all(is_own_origin(origin, extra) for origin in origins)
    return any(
        name == "sec-fetch-site" and value.strip().lower() == "cross-site" for name, value in head.headers
    )
