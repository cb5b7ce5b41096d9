"""Answers a request: queue it, pass the events on, record the exchange once, whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.engine import Ticket
from laimark_sidecar.runners.embedded.generation import Delta, Done, Event, Finish
from laimark_sidecar.runners.embedded.recorder import Asked, Recorder
from laimark_sidecar.runners.embedded.responses import END_OF_STREAM, Envelope
from laimark_sidecar.runners.embedded.sampling import Sampling
from laimark_sidecar.runners.embedded.service import Service
from laimark_sidecar.runners.runner import TokenLogprob


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that passed all checks."""

    asked: Asked
    envelope: Envelope
    prompt: list[int]
    sampling: Sampling
    stream: bool
    include_usage: bool
    record: bool


class _Answer:
    """One answer in the making, on the asyncio side."""

    def __init__(self, service: Service, order: Order) -> None:
        self._recorder: Recorder | None = service.recorder if order.record else None
        self._service = service
        self._asked = order.asked
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self.texts: list[str] = []
        self.logprobs: list[TokenLogprob] | None = None if order.sampling.logprobs is None else []
        self._count = 0
        self.ticket: Ticket = service.engine.submit(
            order.asked.model, order.prompt, order.sampling, self._on_event
        )

    async def next(self) -> Event:
        event = await self._events.get()
        if isinstance(event, Delta):
            self._count += 1
            self.texts.append(event.text)
            if self.logprobs is not None and event.logprob is not None:
                self.logprobs.append(event.logprob)
        return event

    def end(self, finish: Finish, answer_tokens: int | None = None) -> None:
        """Cancel what may still run, and record the exchange unless that was done."""
        self.ticket.cancel()
        recorder, self._recorder = self._recorder, None
        asked = self._asked
        # Asked again at the end: consent that was withdrawn meanwhile holds.
        if recorder is not None and self._service.permits(asked.model, asked.client, since_s=asked.time_s):
            count = self._count if answer_tokens is None else answer_tokens
            recorder.exchange(
                asked,
                version=self.ticket.version,
                answer="".join(self.texts),
                finish=finish,
                answer_tokens=count,
            )

    def _on_event(self, event: Event) -> None:
        # Called on the engine's thread. The loop is closed when the server ends before its last answer: nobody listens.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)


class _EventStream(StreamingResponse):
    """Ends its generator as soon as the client is gone, not when the garbage collector gets to it."""

    def __init__(self, events: AsyncIterator[bytes], answer: _Answer) -> None:
        headers = {"cache-control": "no-cache", "x-laimark-version": answer.ticket.version}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.end("aborted")


async def respond(request: Request, service: Service, order: Order) -> Response:
    """Return the response to an order: whole, or a stream of events.

    Raises:
        ApiError: 404 unknown model, 500 the model failed, 503 the server is stopping.
    """
    answer = _Answer(service, order)
    if order.stream:
        return _EventStream(_stream(answer, order), answer)
    try:
        return await _whole(request, answer, order)
    finally:
        answer.end("aborted")


async def _stream(answer: _Answer, order: Order) -> AsyncIterator[bytes]:
    envelope = order.envelope
    if opening := envelope.opening():
        yield opening
    while isinstance(event := await answer.next(), Delta):
        if event.text or event.logprob is not None:
            yield envelope.delta(event.text, event.logprob)
    # Recorded before the client sees the end: what was shown is never lost.
    answer.end(event.finish, event.answer_tokens)
    if event.finish == "error":
        yield b"data: " + ApiError(500, event.error, kind="server_error").body() + b"\n\n"
    else:
        yield envelope.closing(_shown(event.finish))
        if order.include_usage:
            yield envelope.usage(order.asked.prompt_tokens, event.answer_tokens)
    yield END_OF_STREAM


async def _whole(request: Request, answer: _Answer, order: Order) -> Response:
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_cancel_when_gone(request, answer.ticket))
        done = await _collect(answer)
        watch.cancel()
    answer.end(done.finish, done.answer_tokens)
    if done.finish == "error":
        raise ApiError(500, done.error, kind="server_error", code="generation_failed")
    body = order.envelope.whole(
        text="".join(answer.texts),
        finish=_shown(done.finish),
        prompt_tokens=order.asked.prompt_tokens,
        answer_tokens=done.answer_tokens,
        logprobs=answer.logprobs,
    )
    return Response(body, media_type="application/json", headers={"x-laimark-version": answer.ticket.version})


async def _collect(answer: _Answer) -> Done:
    while isinstance(event := await answer.next(), Delta):
        pass
    return event


async def _cancel_when_gone(request: Request, ticket: Ticket) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    ticket.cancel()


def _shown(finish: Finish) -> str:
    # OpenAI knows no "aborted"; an answer that a stopping server cut is, for its client, one that was cut.
    return "length" if finish == "aborted" else finish
