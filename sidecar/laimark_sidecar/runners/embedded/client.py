"""The sidecar's side of the embedded server: a `Runner` over HTTP with the standard library alone."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec

from laimark_sidecar.config.address import host_and_port
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.base_file import readable
from laimark_sidecar.runners.runner import Activity, Capabilities, Rendering, Reply, Served, TokenLogprob

_HINT = "start it with: laimark-sidecar serve"
T = TypeVar("T")


class _State(msgspec.Struct):
    base: BaseIdentity
    path: str
    context: int
    names: dict[str, str]
    busy: bool
    idle_s: float
    served: int
    pid: int


class _Rendered(msgspec.Struct):
    text: str
    tokens: tuple[int, ...]


class _Entry(msgspec.Struct):
    token: str
    logprob: float


class _Scored(_Entry):
    top_logprobs: list[_Entry]


class _Logprobs(msgspec.Struct):
    content: list[_Scored]


class _Turn(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Turn
    finish_reason: str
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]


class _ErrorBody(msgspec.Struct):
    message: str


class _Failure(msgspec.Struct):
    error: _ErrorBody


class EmbeddedRunner:
    """Talks to `laimark-sidecar serve`. One connection a call; may be used from several threads.

    Args:
        url: of the server, for example `http://127.0.0.1:11440`.
        token: of the administrative calls.
        timeout_s: longest silence of the server in one call; registering may take ten times as long.

    Raises:
        ConfigError: the URL is not an http one.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 30) -> None:
        try:
            self._host, self._port = host_and_port(url)
        except ValueError as error:
            raise ConfigError(f"URL of the embedded runner must be http://host:port, got {url!r}") from error
        self._url = url
        self._token = token
        self._timeout_s = timeout_s

    def capabilities(self) -> Capabilities:
        self._state()
        return Capabilities(
            adapters=True,
            logprobs=True,
            hot_register=True,
            switch_per_request=True,
            renders=True,
            records=True,
        )

    def base(self) -> BaseIdentity:
        return self._state().base

    def served(self) -> Served:
        state = self._state()
        return Served(path=readable(Path(state.path)), context=state.context)

    def names(self) -> dict[str, str]:
        return self._state().names

    def pid(self) -> int:
        """Return the process id of the server."""
        return self._state().pid

    def register(self, version: str, adapter: Path) -> None:
        try:
            body = {"path": str(adapter.absolute()), "sha256": sha256_file(adapter)}
        except OSError as error:
            raise RunnerError(f"adapter {adapter} cannot be read: {error.strerror}") from error
        # The server probes the adapter in a child and waits for the answers that are queued before it.
        self._call("PUT", f"/laimark/adapters/{quote(version)}", body, timeout_s=10 * self._timeout_s)

    def require_movable(self, name: str) -> None:
        state = self._state()
        if name == state.base.name or state.names.get(name) == name:
            raise RunnerError(
                f"{name} is the base or a version, which never moves", hint="choose another name"
            )

    def point(self, name: str, version: str) -> None:
        self._call("PUT", f"/laimark/names/{quote(name)}", {"version": version})

    def withdraw(self, name: str) -> None:
        state = self._state()
        if name not in state.names:
            return
        moving = name != state.base.name and state.names[name] != name
        kind = "names" if moving else "adapters"
        self._call("DELETE", f"/laimark/{kind}/{quote(name)}")

    def activity(self) -> Activity:
        state = self._state()
        return Activity(busy=state.busy, idle_s=state.idle_s, served=state.served)

    def generate(
        self, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0
    ) -> Reply:
        body: dict[str, Any] = {
            "model": model,
            "messages": _turns(messages),
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        if logprobs:
            body |= {"logprobs": True, "top_logprobs": logprobs}
        choice = self._read(self._call("POST", "/v1/chat/completions", body), _Completion).choices[0]
        content = choice.logprobs.content if choice.logprobs else []
        return Reply(
            text=choice.message.content,
            finish=choice.finish_reason,
            tokens=tuple(
                TokenLogprob(
                    token=scored.token,
                    logprob=scored.logprob,
                    top=tuple((other.token, other.logprob) for other in scored.top_logprobs),
                )
                for scored in content
            ),
        )

    def render(self, messages: Sequence[Message]) -> Rendering:
        found = self._read(self._call("POST", "/laimark/render", {"messages": _turns(messages)}), _Rendered)
        return Rendering(text=found.text, tokens=found.tokens)

    def unload(self) -> None:
        """Nothing happens: its memory is the server's as long as that runs."""
        self._state()

    def _state(self) -> _State:
        return self._read(self._call("GET", "/laimark/state"), _State)

    def _call(self, method: str, path: str, body: object = None, *, timeout_s: float | None = None) -> bytes:
        """Return the body of a 2xx answer; anything else is a RunnerError with the server's own message."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s or self._timeout_s)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "User-Agent": "laimark-sidecar",
            "X-Laimark-Record": "off",
        }
        try:
            connection.request(method, path, b"" if body is None else msgspec.json.encode(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RunnerError(
                f"the embedded runner at {self._url} does not answer: {error}", hint=_HINT
            ) from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise RunnerError(
                f"the embedded runner at {self._url} refused: {_reason(response.status, content)}"
            )
        return content

    def _read(self, content: bytes, kind: type[T]) -> T:
        try:
            return decode_json(content, kind)
        except MalformedError as error:
            raise RunnerError(
                f"{self._url} does not answer like an embedded runner: {error}",
                hint=f"is something else there? {_HINT}",
            ) from error


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _reason(status: int, content: bytes) -> str:
    try:
        return f"{decode_json(content, _Failure).error.message} (HTTP {status})"
    except MalformedError:
        return f"HTTP {status}"
