"""llama-server's HTTP, with the standard library alone: one question, one answer, and how it fails."""

from __future__ import annotations

import http.client
from typing import Any, TypeVar

import msgspec

from laimark_sidecar.config.address import host_and_port
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import ConfigError, RunnerError

HINT = "see its log with `laimark-sidecar runner status`; restart it: laimark-sidecar runner stop, then start"
T = TypeVar("T")


class _ErrorBody(msgspec.Struct):
    message: str


class _Failure(msgspec.Struct):
    error: _ErrorBody


class RefusedError(RunnerError):
    """The server answered, with an error.

    Args:
        status: of HTTP.
        message: what was asked, and the server's own words.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message, hint=HINT if status >= 500 else "")
        self.status = status


class Connection:
    """One llama-server, in whichever mode. One connection a call; may be used from several threads.

    Args:
        url: for example `http://127.0.0.1:11440`.
        timeout_s: longest silence of the server in one call.

    Raises:
        ConfigError: the URL is not an http one.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        try:
            self._host, self._port = host_and_port(url)
        except ValueError as error:
            raise ConfigError(f"URL of llama-server must be http://host:port, got {url!r}") from error
        self.url = url
        self._timeout_s = timeout_s

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """Return the body of a 2xx answer.

        Raises:
            RefusedError: the answer is an error; carries the server's own words.
            RunnerError: there is no answer, as from a server that is down or wedged.
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
            return decode_json(content, kind)
        except MalformedError as error:
            raise RunnerError(
                f"{self.url} does not answer like llama-server: {error}",
                hint="is something else there, or a llama-server that is older than what is asked of it?",
            ) from error


def _reason(status: int, content: bytes) -> str:
    try:
        message: Any = decode_json(content, _Failure).error.message
    except MalformedError:
        return f"HTTP {status}"
    return f"{message} (HTTP {status})"
