"""The calls that clients make: chat and plain completions, and the list of models."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from laimark_sidecar.journal.consent import RECORD_HEADER, declines
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.embedded import requests
from laimark_sidecar.runners.embedded.answering import Order, respond
from laimark_sidecar.runners.embedded.guard import is_administrator, read_body
from laimark_sidecar.runners.embedded.recorder import Asked
from laimark_sidecar.runners.embedded.requests import ChatRequest, CompletionRequest
from laimark_sidecar.runners.embedded.responses import Envelope, Shape
from laimark_sidecar.runners.embedded.service import Service

_ID_PREFIX: dict[Shape, str] = {"chat": "chatcmpl-", "completion": "cmpl-"}


async def chat(request: Request) -> Response:
    """`POST /v1/chat/completions`."""
    service: Service = request.app.state.service
    parsed = requests.parse(await read_body(request), ChatRequest)
    messages = requests.messages(parsed)
    service.engine.resolve(parsed.model)
    own = is_administrator(request.headers, service.settings.token)
    prompt = await run_in_threadpool(service.chat_tokens, messages, reference=own)
    return await respond(request, service, _order(request, parsed, messages, prompt, "chat"))


async def completion(request: Request) -> Response:
    """`POST /v1/completions`."""
    service: Service = request.app.state.service
    parsed = requests.parse(await read_body(request), CompletionRequest)
    text = requests.prompt(parsed)
    service.engine.resolve(parsed.model)
    prompt = await run_in_threadpool(service.text_tokens, text)
    messages = (Message(role="user", content=text),)
    return await respond(request, service, _order(request, parsed, messages, prompt, "completion"))


async def models(request: Request) -> Response:
    """`GET /v1/models`."""
    service: Service = request.app.state.service
    names = service.engine.names()
    entries = [{"id": name, "object": "model", "created": 0, "owned_by": "laimark"} for name in names]
    return Response(msgspec.json.encode({"object": "list", "data": entries}), media_type="application/json")


async def health(_request: Request) -> Response:
    """`GET /health`: answers as soon as the base is loaded and its adapters are served."""
    return Response(b'{"status":"ok"}', media_type="application/json")


def exchange_id_of(completion_id: str) -> str:
    """Return the exchange id in the id that a client was given."""
    for prefix in _ID_PREFIX.values():
        completion_id = completion_id.removeprefix(prefix)
    return completion_id


def _order(
    request: Request,
    parsed: ChatRequest | CompletionRequest,
    messages: tuple[Message, ...],
    prompt: list[int],
    shape: Shape,
) -> Order:
    service: Service = request.app.state.service
    now_s = service.clock.now_s()
    exchange_id = service.recorder.new_id(messages, now_s)
    options = requests.options(parsed)
    if shape == "completion":
        # A bare prompt is not a conversation; whoever learns from the log must be able to tell.
        options["endpoint"] = "completions"
    asked = Asked(
        id=exchange_id,
        time_s=now_s,
        client=client_of(request),
        model=parsed.model,
        messages=messages,
        options=options,
        prompt_tokens=len(prompt),
    )
    return Order(
        asked=asked,
        envelope=Envelope(
            id=_ID_PREFIX[shape] + exchange_id, created_s=int(now_s), model=parsed.model, shape=shape
        ),
        prompt=prompt,
        sampling=requests.sampling(parsed, room=service.engine.context - len(prompt)),
        stream=bool(parsed.stream),
        include_usage=bool(parsed.stream_options and parsed.stream_options.include_usage),
        record=_wants_recording(request, service, parsed.model),
    )


def client_of(request: Request) -> str:
    """Return the first word of the User-Agent, empty where there is none."""
    return next(iter(request.headers.get("user-agent", "").split()), "")[:100]


def _wants_recording(request: Request, service: Service, model: str) -> bool:
    declined = declines(request.headers.getlist(RECORD_HEADER))
    # The sidecar's own questions (post-conditions) are not conversations.
    if declined or is_administrator(request.headers, service.settings.token):
        return False
    return service.permits(model, client_of(request), since_s=service.clock.now_s())
