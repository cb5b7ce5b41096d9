"""What can be the address of a server, decided before anything is sent there: no host is looked up here."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_NAME = re.compile(r"[\w.-]+")


def is_host(text: str) -> bool:
    """Say whether a text is an IP address (without brackets), or a name that DNS can be asked for.

    A name has labels of 1 to 63 bytes once it is written in ASCII (RFC 1035, RFC 3490).
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _NAME.fullmatch(text) is not None and _is_encodable(text)
    return True


def is_loopback(host: str) -> bool:
    """Say whether what listens there is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower()
        return name == "localhost" or name.endswith(".localhost")


def host_and_port(url: str) -> tuple[str, int]:
    """Return where an `http://host:port` leads; without a port it is 80.

    Raises:
        ValueError: it is another kind of URL, or none.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not is_host(parts.hostname or ""):
        raise ValueError(f"expected http://host:port, got {url!r}")
    return parts.hostname or "", parts.port or 80


def is_url(text: str) -> bool:
    """Say whether a text is an `http://host:port`."""
    try:
        host_and_port(text)
    except ValueError:
        return False
    return True


def _is_encodable(name: str) -> bool:
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
