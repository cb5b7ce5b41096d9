"""Where Ollama listens, as Ollama's own programs find it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from laimark_sidecar.config.address import is_host
from laimark_sidecar.errors import ConfigError

DEFAULT_PORT = 11434
VARIABLE = "OLLAMA_HOST"
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, never bound


def ollama_url(configured: str, environment: Mapping[str, str]) -> str:
    """Return the configured URL, else OLLAMA_HOST, else Ollama's own default.

    OLLAMA_HOST is also what the server listens on: every address of the machine there means this machine here. Without
    a port it is Ollama's, but 80 or 443 where a scheme is written.

    Source: Ollama 0.33 `envconfig/config.go` (`Host`).

    Raises:
        ConfigError: OLLAMA_HOST has no usable host or port.
    """
    if configured:
        return configured.rstrip("/")
    text = environment.get(VARIABLE, "").strip().strip("\"'").rstrip("/")
    written = "://" in text
    if text.count(":") > 1 and not written and "[" not in text:
        text = f"[{text}]"
    try:
        parts = urlsplit(text if written else f"http://{text}")
        usual = {"http": 80, "https": 443}.get(parts.scheme, DEFAULT_PORT) if written else DEFAULT_PORT
        port = parts.port or usual
    except ValueError as error:
        raise ConfigError(f"{VARIABLE} is {text!r}: {error}", hint="expected host:port") from error
    host = parts.hostname or "127.0.0.1"
    if not is_host(host):
        raise ConfigError(f"{VARIABLE} is {text!r}: {host!r} is no host", hint="expected host:port")
    host = "127.0.0.1" if host in _EVERYWHERE else host
    return f"{parts.scheme}://[{host}]:{port}" if ":" in host else f"{parts.scheme}://{host}:{port}"


def elsewhere(url: str) -> str:
    """Return what to warn of where an Ollama is not on this machine for certain; empty where it is."""
    host = urlsplit(url).hostname or ""
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        here = host == "localhost"
    return (
        ""
        if here
        else f"Ollama at {url} is on another machine: prompts and adapters are sent to it, unencrypted"
    )
