"""Ollama's HTTP interface as far as the sidecar needs it, typed. Every call blocks at most the connection's timeout.

Source: Ollama 0.33 `docs/api.md`, `api/types.go`, `server/routes.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.ollama.connection import Connection, OllamaRefusedError, T
from laimark_sidecar.runners.ollama.waiting import PATIENCE_S, waiting

SLOW = 20
"""Loading a model, or reading a whole one, may keep the server silent so many times longer."""

_GREEDY = {"temperature": 0, "repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""Ollama makes repeated tokens less likely by default (`api/types.go`, `DefaultOptions`): 1.1 changes greedy answers."""


class Tag(msgspec.Struct):
    """One local name."""

    name: str
    digest: str = ""


class Loaded(msgspec.Struct):
    """One name in memory. `expires_at` moves on with every answer; `context_length` is 0 before 0.9."""

    name: str
    expires_at: str = ""
    context_length: int = 0


class Turn(msgspec.Struct):
    """One message: of an answer, or one that a name begins every conversation with."""

    role: str = ""
    content: str = ""


class Shown(msgspec.Struct):
    """What `/api/show` says of a name."""

    modelfile: str = ""
    license: str = ""
    template: str = ""
    system: str = ""
    parameters: str = ""
    renderer: str = ""
    parser: str = ""
    messages: list[Turn] | None = None


class Top(msgspec.Struct):
    """One alternative for a token."""

    token: str
    logprob: float


class Scored(Top):
    """One generated token."""

    top_logprobs: list[Top] = []


class Chat(msgspec.Struct):
    """An answer."""

    message: Turn
    done_reason: str = ""
    prompt_eval_count: int = 0
    logprobs: list[Scored] = []


class Continuation(msgspec.Struct):
    """What follows a prompt."""

    response: str = ""
    done_reason: str = ""
    logprobs: list[Scored] = []


class _Version(msgspec.Struct):
    version: str


class _Tags(msgspec.Struct):
    models: list[Tag] | None = None


class _Ps(msgspec.Struct):
    models: list[Loaded] | None = None


class _Debug(msgspec.Struct):
    rendered_template: str


class _Rendered(msgspec.Struct):
    info: _Debug | None = msgspec.field(name="_debug_info", default=None)


class OllamaApi:
    """The calls. Each raises `RunnerError` when Ollama is not there and `OllamaRefusedError` when it says no.

    Args:
        connection: to it.
        patience_s: a call that may be slow and takes longer than this is told on the log.
    """

    def __init__(self, connection: Connection, *, patience_s: float = PATIENCE_S) -> None:
        self._connection = connection
        self._patience_s = patience_s

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._connection.url

    def version(self) -> str:
        """Return the server's version, for example `0.33.0`."""
        return self._get("/api/version", _Version).version

    def tags(self) -> list[Tag]:
        """Return the local names."""
        return self._get("/api/tags", _Tags).models or []

    def loaded(self) -> list[Loaded]:
        """Return the names in memory."""
        return self._get("/api/ps", _Ps).models or []

    def show(self, model: str) -> Shown:
        """Return what a local name is made of."""
        content = self._connection.call("POST", "/api/show", {"model": model})
        return self._connection.read(content, Shown)

    def put_blob(self, file: Path, *, sha256: str = "") -> str:
        """Store a file and return its digest, `sha256:...`. One that is there is not sent again.

        Args:
            file: what to store.
            sha256: of it, where that is known; hashing gigabytes is not repeated.
        """
        try:
            digest = f"sha256:{sha256 or sha256_file(file)}"
        except OSError as error:
            raise RunnerError(f"{file} cannot be read: {error.strerror}") from error
        # Asked first: a POST of a blob that is there is answered early and then reset.
        if self.has_blob(digest):
            return digest
        longest_s = SLOW * self._connection.timeout_s
        try:
            with self._waiting(f"take {file.name}", longest_s):
                self._connection.upload(f"/api/blobs/{digest}", file, timeout_s=longest_s)
        except RunnerError:
            # So is one that somebody else sent meanwhile; and a lost answer does not mean a lost blob.
            if not self.has_blob(digest):
                raise
        return digest

    def has_blob(self, digest: str) -> bool:
        """Say whether a blob is there."""
        try:
            self._connection.call("HEAD", f"/api/blobs/{digest}")
        except OllamaRefusedError as error:
            if error.status != 404:
                raise
            return False
        return True

    def create(self, model: str, fields: Mapping[str, Any]) -> None:
        """Create or replace a name; done when it returns. A `from` that is not local is pulled: look first.

        FROM a local name little is written, and a silence of the usual length means that it hangs; a whole model in
        `files` may be read to its end.
        """
        longest_s = (SLOW if "files" in fields else 1) * self._connection.timeout_s
        # Not streamed, because an error in a stream has the status 200.
        body = {"model": model, "stream": False, **fields}
        with self._waiting(f"create {model}", longest_s):
            self._connection.call("POST", "/api/create", body, timeout_s=longest_s)

    def copy(self, source: str, destination: str) -> None:
        """Give a name's manifest a second name, replacing what was there."""
        with self._waiting(f"copy {source} to {destination}", self._connection.timeout_s):
            self._connection.call("POST", "/api/copy", {"source": source, "destination": destination})

    def delete(self, model: str) -> None:
        """Delete a name; one that is not there is not an error."""
        try:
            self._connection.call("DELETE", "/api/delete", {"model": model})
        except OllamaRefusedError as error:
            if error.status != 404:
                raise

    def chat(self, model: str, messages: Sequence[Message], *, max_tokens: int, logprobs: int = 0) -> Chat:
        """Answer greedily, refusing a conversation that does not fit instead of cutting it."""
        body = self._asked(model, messages) | _greedily(max_tokens, logprobs)
        return self._connection.read(self._slowly("/api/chat", body), Chat)

    def rendered(self, model: str, messages: Sequence[Message]) -> str:
        """Return the exact prompt that `chat` would read. It loads the model."""
        body = self._asked(model, messages) | {"_debug_render_only": True, "options": {"num_predict": 1}}
        info = self._connection.read(self._slowly("/api/chat", body), _Rendered).info
        if info is None:
            raise RunnerError(f"Ollama at {self.url} is too old to tell its prompts", hint="update it")
        return info.rendered_template

    def continued(self, model: str, prompt: str, *, max_tokens: int, logprobs: int = 0) -> Continuation:
        """Continue a prompt greedily as it is, with nothing taken out of what follows."""
        body = {
            "model": model,
            "prompt": prompt,
            "raw": True,
            "think": False,
            "stream": False,
            "truncate": False,
        }
        content = self._slowly("/api/generate", body | _greedily(max_tokens, logprobs))
        return self._connection.read(content, Continuation)

    def unload(self, model: str) -> None:
        """Ask for a name to leave memory. It does so later: watch `loaded`."""
        self._connection.call("POST", "/api/generate", {"model": model, "prompt": "", "keep_alive": 0})

    def _asked(self, model: str, messages: Sequence[Message]) -> dict[str, Any]:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return {"model": model, "messages": turns, "stream": False, "truncate": False}

    def _slowly(self, path: str, body: dict[str, Any]) -> bytes:
        longest_s = SLOW * self._connection.timeout_s
        with self._waiting(f"answer as {body['model']}", longest_s):
            return self._connection.call("POST", path, body, timeout_s=longest_s)

    def _waiting(self, what: str, longest_s: float) -> AbstractContextManager[None]:
        return waiting(f"Ollama at {self.url}", what, longest_s=longest_s, patience_s=self._patience_s)

    def _get(self, path: str, kind: type[T]) -> T:
        return self._connection.read(self._connection.call("GET", path), kind)


def _greedily(max_tokens: int, logprobs: int) -> dict[str, Any]:
    body: dict[str, Any] = {"options": _GREEDY | {"num_predict": max_tokens}}
    return body | ({"logprobs": True, "top_logprobs": logprobs} if logprobs else {})
