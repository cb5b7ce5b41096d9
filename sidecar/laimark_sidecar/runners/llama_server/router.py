"""The router's HTTP, with the standard library alone: what it lists, and how a request of it fails."""

from __future__ import annotations

import http.client
import itertools
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from laimark_sidecar.errors import ConfigError, RunnerError

HINT = "see its log with `laimark-sidecar runner status`; restart it: laimark-sidecar runner stop, then start"
T = TypeVar("T")


class Status(msgspec.Struct, frozen=True):
    """How the process of a name is doing."""

    value: str
    """`unloaded`, `loading`, `loaded` or `sleeping`."""
    args: tuple[str, ...] = ()
    """What its process is started with."""
    failed: bool = False


class Model(msgspec.Struct, frozen=True):
    """A section as the router lists it."""

    id: str
    status: Status
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether it has a process, be it one that is still loading."""
        return self.status.value != "unloaded"

    @property
    def model(self) -> Path | None:
        """GGUF of the base that it is started with."""
        path = self._value("--model")
        return Path(path) if path else None

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together; 0 where it is not told."""
        tokens = self._value("--ctx-size")
        return int(tokens) if tokens.isdecimal() else 0

    def _value(self, flag: str) -> str:
        pairs = itertools.pairwise(self.status.args)
        return next((value for name, value in pairs if name == flag), "")


class _Models(msgspec.Struct):
    data: tuple[Model, ...]


class _ErrorBody(msgspec.Struct):
    message: str


class _Failure(msgspec.Struct):
    error: _ErrorBody


class RefusedError(RunnerError):
    """The router answered, with an error.

    Args:
        status: of HTTP.
        message: what was asked, and the router's own words.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message, hint=HINT if status >= 500 else "")
        self.status = status


class Router:
    """One llama-server in router mode. One connection a call; may be used from several threads.

    Args:
        url: for example `http://127.0.0.1:11440`.
        timeout_s: longest silence of the server in one call.

    Raises:
        ConfigError: the URL is not an http one.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigError(f"URL of llama-server must be http://host:port, got {url!r}")
        self.url = url
        self._host = parts.hostname
        self._port = parts.port or 80
        self._timeout_s = timeout_s

    def models(self, *, reload: bool = False) -> tuple[Model, ...]:
        """Return every section; with `reload` the preset file is read again first.

        Reading it again blocks while processes end whose sections were changed or removed.

        Raises:
            RunnerError: no router answers, or the preset file is malformed.
        """
        content = self.call("GET", "/models?reload=1" if reload else "/models")
        return self.read(content, _Models).data

    def get(self, path: str, model: str) -> bytes:
        """Ask the process of a name that has one; never starts one.

        Raises:
            RefusedError: it has none.
            RunnerError: no router answers.
        """
        return self.call("GET", f"{path}?model={quote(model, safe='')}&autoload=false")

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """Return the body of a 2xx answer.

        Raises:
            RefusedError: the answer is an error; carries the server's own words.
            RunnerError: there is no answer, as from a router that is down or wedged.
        """
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        headers = {"Content-Type": "application/json", "User-Agent": "laimark-sidecar"}
        try:
            connection.request(method, path, None if body is None else msgspec.json.encode(body), headers)
            response = connection.getresponse()
            content = response.read()
        except ConnectionRefusedError as error:
            raise RunnerError(
                f"no llama-server at {self.url}", hint="start it with: laimark-sidecar runner start"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise RunnerError(f"llama-server at {self.url} does not answer: {error}", hint=HINT) from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise RefusedError(
                response.status, f"llama-server at {self.url} refused: {_reason(response.status, content)}"
            )
        return content

    def read(self, content: bytes, kind: type[T]) -> T:
        """Return an answer's JSON as `kind`; raises RunnerError where it is something else."""
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise RunnerError(
                f"{self.url} does not answer like llama-server in router mode: {error}",
                hint="is something else there, or a llama-server from before router mode (December 2025)?",
            ) from error


def listed(models: tuple[Model, ...], name: str) -> Model | None:
    """Return the section that answers to `name`, by its own name or an alias."""
    return next((model for model in models if name == model.id or name in model.aliases), None)


def _reason(status: int, content: bytes) -> str:
    try:
        message: Any = msgspec.json.decode(content, type=_Failure).error.message
    except msgspec.DecodeError:
        return f"HTTP {status}"
    return f"{message} (HTTP {status})"
