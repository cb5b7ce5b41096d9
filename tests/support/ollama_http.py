"""The HTTP side of the Ollama stand-in: its own interface, the OpenAI one for chats, and faults on demand."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.support.ollama_engine import ApiError

from laimark_sidecar.errors import LaimarkError

if TYPE_CHECKING:
    from tests.support.ollama_stand_in import Ollama

JSON, NDJSON, EVENTS = "application/json; charset=utf-8", "application/x-ndjson", "text/event-stream"
CALLS = ("version", "tags", "ps", "show", "create", "copy", "delete")
DISK_FULL = "write manifest: no space left on device"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens once to a request to `path`: the next one, or the one after `skip` others."""

    path: str
    what: Literal["500", "lost", "lost-after", "stall", "stall-after", "torn", "oom"]
    """`500`: refused, nothing done. `lost`: hangs up before acting. `lost-after`: acts, then hangs up. `stall`: falls
    silent before acting, and never acts. `stall-after`: acts, then falls silent. `torn`: a copy breaks off half-way
    through the manifest, as a crash leaves it. `oom`: what would be loaded is too large."""
    skip: int = 0


class Faults:
    """The faults that wait for their request, and the requests that stall."""

    def __init__(self) -> None:
        self._waiting: dict[str, Fault] = {}
        self._released = threading.Event()

    def add(self, fault: Fault) -> None:
        self._waiting[fault.path] = fault

    def take(self, path: str) -> str:
        fault = self._waiting.pop(path, None)
        if fault is None:
            return ""
        if fault.skip:
            self._waiting[path] = replace(fault, skip=fault.skip - 1)
            return ""
        return fault.what

    def stall(self) -> None:
        self._released.wait()

    def release(self) -> None:
        released, self._released = self._released, threading.Event()
        released.set()


class Handler(BaseHTTPRequestHandler):
    ollama: Ollama
    faults: Faults

    def do_HEAD(self) -> None:
        digest = self.path.rsplit("/", 1)[-1]
        self.send_response(200 if self.ollama.store.blob(digest).is_file() else 404)
        self.end_headers()

    def do_GET(self) -> None:
        self._respond()

    def do_DELETE(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        path = "/api/blobs" if self.path.startswith("/api/blobs/") else self.path
        fault = self.faults.take(path)
        if fault == "stall":
            self._stall(path)
        if fault in ("stall", "lost"):
            self.rfile.read(1)
        elif fault == "500":
            self._body()
            self._send(500, {"error": DISK_FULL})
        elif path == "/api/blobs":
            self._take_blob(fault)
        elif path.startswith("/stand-in/"):
            self._send(200, self._control(path, json.loads(self._body() or b"{}")))
        else:
            self._answer(path, json.loads(self._body() or b"{}"), fault)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _stall(self, path: str) -> None:
        self.ollama.events.append(f"stall {path}")
        self.faults.stall()

    def _control(self, path: str, body: Any) -> Any:
        if path == "/stand-in/fault":
            self.faults.add(Fault(**body))
        elif path == "/stand-in/release":
            self.faults.release()
        return self.ollama.events

    def _take_blob(self, fault: str) -> None:
        digest = self.path.rsplit("/", 1)[-1]
        if self.ollama.store.blob(digest).is_file():
            self._send(200, None)  # early, the body unread: the client sees a reset
            return
        content = self._body()
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            self._send(400, {"error": "digest mismatch"})
            return
        self.ollama.store.put(content)
        self.ollama.events.append("blob")
        if not self._cut_after("/api/blobs", fault):
            self._send(201, None)

    def _cut_after(self, path: str, fault: str) -> bool:
        """Say whether what was done stays unanswered; stalls first where it shall."""
        if fault == "stall-after":
            self._stall(path)
        return fault in ("stall-after", "lost-after", "torn")

    def _answer(self, path: str, body: Any, fault: str) -> None:
        if fault == "oom":
            self.ollama.out_of_memory = True
        status, parts = self._acted(path, body, torn=fault == "torn")
        if self._cut_after(path, fault):
            return
        openai = path == "/v1/chat/completions"
        streamed = status == 200 and body.get("stream", not openai)
        if openai:
            write = openai_stream if streamed else openai_whole
            self._send_parts(status, write(body["model"], parts), EVENTS if streamed else JSON)
        elif streamed and path in ("/api/chat", "/api/generate", "/api/create"):
            self._send_parts(200, (json.dumps(part).encode() + b"\n" for part in parts), NDJSON)
        else:
            self._send(status, _whole(list(parts)))

    def _acted(self, path: str, body: Any, *, torn: bool) -> tuple[int, Iterator[Any]]:
        """Return the status and the answer's parts; the first one is there, so that a refusal has its status."""
        try:
            parts = self._parts(path, body, torn)
            first = next(parts)
        except ApiError as error:
            in_a_stream = path == "/api/create" and body.get("stream", True) and error.status != 400
            return 200 if in_a_stream else error.status, iter([{"error": str(error)}])
        except LaimarkError as error:  # llama.cpp cannot load what was registered, or cannot go on
            return 500, iter([{"error": f"llama runner process has terminated: {error}"}])
        return 200, itertools.chain([first], parts)

    def _parts(self, path: str, body: Any, torn: bool) -> Iterator[Any]:
        call = path.removeprefix("/api/")
        if path == "/v1/chat/completions":
            yield from self.ollama.chat(_from_openai(body))
        elif call == "chat":
            yield from self.ollama.chat(body)
        elif call == "generate":
            yield from self.ollama.generate(body)
        elif call == "copy":
            yield self.ollama.copy(body, torn=torn)
        elif call in CALLS:
            yield self.ollama.call(call, body)
        else:
            raise ApiError(404, "404 page not found")

    def _send(self, status: int, answer: Any) -> None:
        self._send_parts(status, [] if answer is None else [json.dumps(answer).encode()])

    def _send_parts(self, status: int, parts: Iterable[bytes], kind: str = JSON) -> None:
        """Send as it comes; the end of the connection is the end of the answer."""
        with contextlib.suppress(ConnectionError):  # the client has hung up: so ends the answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            for part in parts:
                self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


def _whole(parts: list[Any]) -> Any:
    """Return the answer that was not to be streamed."""
    last = dict(parts[-1])
    if "message" in last:
        text = "".join(part["message"]["content"] for part in parts)
        last["message"] = {"role": "assistant", "content": text}
    elif "response" in last:
        last["response"] = "".join(part["response"] for part in parts)
    if "done_reason" in last:
        last["logprobs"] = [scored for part in parts for scored in part.get("logprobs", ())]
    return last


def _from_openai(body: Any) -> Any:
    """Return the question as `/api/chat` takes it (Ollama's `openai/openai.go`); fields it does not know are dropped."""
    options = {"temperature": body.get("temperature", 1.0), "top_p": body.get("top_p", 1.0)}
    options |= {"num_predict": body["max_tokens"]} if "max_tokens" in body else {}
    options |= {name: body[name] for name in ("seed", "stop") if name in body}
    return {"model": body["model"], "messages": body["messages"], "options": options}


def openai_stream(model: str, parts: Iterable[Any]) -> Iterator[bytes]:
    """Yield server-sent events."""
    for part in parts:
        finish = part.get("done_reason")
        delta = {"role": "assistant", "content": part["message"]["content"]}
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        event = {"object": "chat.completion.chunk", "model": model, "choices": [choice]}
        yield b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def openai_whole(model: str, parts: Iterable[Any]) -> Iterator[bytes]:
    """Yield one answer, or the error in OpenAI's shape."""
    answer = _whole(list(parts))
    if reason := answer.get("error"):
        yield json.dumps(
            {"error": {"message": reason, "type": "api_error", "param": None, "code": None}}
        ).encode()
        return
    choice = {"index": 0, "message": answer["message"], "finish_reason": answer["done_reason"]}
    yield json.dumps({"object": "chat.completion", "model": model, "choices": [choice]}).encode()


def serve(ollama: Ollama, port: int, told: Path) -> None:
    """Listen until killed.

    Args:
        ollama: answers.
        port: 0 chooses one.
        told: file that names the port once it listens, so that whoever started it knows where.
    """
    Handler.ollama, Handler.faults = ollama, Faults()
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        told.write_text(str(server.server_address[1]))
        server.serve_forever()
