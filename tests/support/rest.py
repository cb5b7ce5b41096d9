"""A small HTTP client for tests: raw sockets through `http.client`, nothing hidden."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def error(self) -> str:
        """Return OpenAI's error message; fails where the body has another shape."""
        error = self.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert "Traceback" not in error["message"]
        return str(error["message"])

    def events(self) -> list[Any]:
        """Return the parsed server-sent events without the final `[DONE]`, which must be there."""
        lines = [line.removeprefix(b"data: ") for line in self.body.split(b"\n\n") if line]
        assert lines[-1] == b"[DONE]"
        return [json.loads(line) for line in lines[:-1]]

    def streamed_text(self) -> str:
        choices = [choice for event in self.events() for choice in event["choices"]]
        return "".join(choice["delta"].get("content", "") for choice in choices)


def call(
    url: str,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request; `body` is sent as it is when bytes, as JSON otherwise."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=50)
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, content, dict(headers or {}))
        response = connection.getresponse()
        answer = response.read()
        return Answer(
            status=response.status, headers={k.lower(): v for k, v in response.getheaders()}, body=answer
        )
    finally:
        connection.close()


def chat(
    url: str, model: str, text: str, headers: Mapping[str, str] | None = None, **fields: object
) -> Answer:
    """Ask one question, greedily unless `fields` say otherwise."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 12,
    }
    return call(url, "POST", "/v1/chat/completions", body | fields, headers)


def open_stream(
    url: str, model: str, text: str, **fields: object
) -> tuple[http.client.HTTPConnection, Iterator[bytes]]:
    """Start a stream and return the connection (close it to hang up) and the lines as they come."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=50)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "stream": True,
    } | fields
    connection.request("POST", "/v1/chat/completions", json.dumps(body).encode())
    response = connection.getresponse()
    assert response.status == 200, response.read()
    return connection, iter(response)
