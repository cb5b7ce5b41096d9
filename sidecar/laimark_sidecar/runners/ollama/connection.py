"""One HTTP call to Ollama with the standard library: no retries, no proxy, no key sent anywhere."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import TypeVar

import msgspec

from laimark_sidecar.config.address import host_and_port
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import ConfigError, RunnerError

_HINT = "start it with: ollama serve"
_BLOCK_BYTES = 1 << 20
T = TypeVar("T")


class _Failure(msgspec.Struct):
    error: str = ""


class OllamaRefusedError(RunnerError):
    """Ollama answered with an error; `reason` is its own text, `status` its HTTP status (200 in a stream)."""

    def __init__(self, url: str, what: str, status: int, reason: str) -> None:
        super().__init__(f"Ollama at {url} refused {what}: {reason} (HTTP {status})")
        self.status = status
        self.reason = reason


class Connection:
    """Where Ollama listens. A TCP connection a call; may be used from several threads.

    Args:
        url: for example `http://127.0.0.1:11434`.
        timeout_s: longest silence of the server in one call.

    Raises:
        ConfigError: the URL is not an http one.
    """

    def __init__(self, url: str, *, timeout_s: float = 30) -> None:
        try:
            self._host, self._port = host_and_port(url)
        except ValueError as error:
            raise ConfigError(f"URL of Ollama must be http://host:port, got {url!r}") from error
        self.url = url
        self.timeout_s = timeout_s

    def call(self, method: str, path: str, body: object = None, *, timeout_s: float | None = None) -> bytes:
        """Return the body of a successful answer.

        Args:
            method: of HTTP.
            path: with its slash.
            body: sent as JSON.
            timeout_s: longest silence, if not the usual one.

        Raises:
            RunnerError: nothing answers, or it falls silent or hangs up in the middle.
            OllamaRefusedError: the answer is an error, be it with the status 200.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        return self._exchange(method, path, content, headers, timeout_s)

    def upload(self, path: str, file: Path, *, timeout_s: float | None = None) -> bytes:
        """Send a file as the body of a POST, streamed: memory does not depend on its size.

        Args:
            path: with its slash.
            file: what to send.
            timeout_s: longest silence, if not the usual one.

        Raises:
            RunnerError: as for `call`, or the file cannot be read.
        """
        try:
            with file.open("rb", buffering=0) as handle:
                size_bytes = file.stat().st_size
                headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
                return self._exchange("POST", path, handle, headers, timeout_s)
        except OSError as error:
            raise RunnerError(f"{file} cannot be read: {error.strerror}") from error

    def _exchange(
        self, method: str, path: str, body: object, headers: dict[str, str], timeout_s: float | None
    ) -> bytes:
        connection = http.client.HTTPConnection(
            self._host, self._port, timeout=timeout_s or self.timeout_s, blocksize=_BLOCK_BYTES
        )
        try:
            connection.request(method, path, body, headers)  # type: ignore[arg-type]
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RunnerError(f"Ollama at {self.url} does not answer: {error}", hint=_HINT) from error
        finally:
            connection.close()
        reason = _reason(content)
        if not 200 <= response.status < 300 or reason:
            raise OllamaRefusedError(
                self.url, f"{method} {path}", response.status, reason or "no reason given"
            )
        return content

    def read(self, content: bytes, kind: type[T]) -> T:
        """Return an answer as `kind`; fields that it does not name are ignored.

        Raises:
            RunnerError: it has another shape.
        """
        try:
            return decode_json(content, kind)
        except MalformedError as error:
            raise RunnerError(
                f"{self.url} does not answer like Ollama: {error}", hint="is something else there?"
            ) from error


def _reason(content: bytes) -> str:
    """Return the error in an answer: also in the last line of a stream, which has the status 200."""
    last = content.strip().rsplit(b"\n", 1)[-1]
    try:
        return decode_json(last, _Failure).error
    except MalformedError:
        return ""
