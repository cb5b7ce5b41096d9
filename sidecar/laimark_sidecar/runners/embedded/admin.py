"""The sidecar's own calls, all with the token; and feedback, which is a client's."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from laimark_sidecar.runners.embedded import requests
from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.guard import read_body, require_administrator
from laimark_sidecar.runners.embedded.inference import exchange_id_of
from laimark_sidecar.runners.embedded.recorder import LONGEST_TEXT_BYTES
from laimark_sidecar.runners.embedded.requests import (
    AdapterRequest,
    FeedbackRequest,
    NameRequest,
    RenderRequest,
)
from laimark_sidecar.runners.embedded.service import Service

_EXCHANGE_ID = re.compile(r"[0-9a-f]{32}")


async def state(request: Request) -> Response:
    """`GET /laimark/state`: what is served, and whether anybody uses it."""
    service = _service(request)
    activity = service.engine.activity()
    return _json(
        {
            "base": service.identity,
            "path": str(service.settings.base_path.absolute()),
            "context": service.engine.context,
            "names": service.engine.names(),
            "busy": activity.busy,
            "idle_s": activity.idle_s,
            "served": activity.served,
            "pid": os.getpid(),
            "recording": service.recorder.on,
        }
    )


async def put_adapter(request: Request) -> Response:
    """`PUT /laimark/adapters/{name}`: probe, load and serve an adapter under an immutable name."""
    service = _service(request)
    body = requests.parse(await read_body(request), AdapterRequest)
    path = Path(body.path)
    if not path.is_absolute():
        raise ApiError(400, f"path must be absolute, got {body.path[:200]!r}", param="path")
    # Abandoned when the server stops: a probe may take minutes, stopping may not.
    await to_thread.run_sync(
        service.register, request.path_params["name"], path, body.sha256.lower(), abandon_on_cancel=True
    )
    return _json({"name": request.path_params["name"]})


async def delete_adapter(request: Request) -> Response:
    """`DELETE /laimark/adapters/{name}`: stop serving a version; one that is not there is fine."""
    service = _service(request)
    await to_thread.run_sync(service.withdraw, request.path_params["name"], abandon_on_cancel=True)
    return _json({"name": request.path_params["name"]})


async def put_name(request: Request) -> Response:
    """`PUT /laimark/names/{name}`: move a name to a version, or to the base with an empty one."""
    service = _service(request)
    body = requests.parse(await read_body(request), NameRequest)
    service.engine.point(request.path_params["name"], body.version)
    return _json({"name": request.path_params["name"], "version": body.version})


async def delete_name(request: Request) -> Response:
    """`DELETE /laimark/names/{name}`: stop serving a moving name; one that is not there is fine."""
    service = _service(request)
    service.engine.unpoint(request.path_params["name"])
    return _json({"name": request.path_params["name"]})


async def render(request: Request) -> Response:
    """`POST /laimark/render`: the prompt of a conversation, as text and tokens, without an answer."""
    service = _service(request)
    messages = requests.messages(requests.parse(await read_body(request), RenderRequest))
    rendering = await to_thread.run_sync(service.rendering, messages)
    return _json({"text": rendering.text, "tokens": rendering.tokens})


async def feedback(request: Request) -> Response:
    """`POST /laimark/feedback`: what the user did with an answer. Needs no token: it is the chat client's call."""
    service: Service = request.app.state.service
    body = requests.parse(await read_body(request), FeedbackRequest)
    about = exchange_id_of(body.id)
    if not _EXCHANGE_ID.fullmatch(about):
        raise ApiError(400, "id must be the id of a completion of this server", param="id")
    if body.kind == "edit" and not body.text:
        raise ApiError(400, "feedback of kind 'edit' needs the edited answer in text", param="text")
    if len(body.text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT_BYTES:
        raise ApiError(
            413, f"text has more than {LONGEST_TEXT_BYTES} bytes, which is no edit of an answer", param="text"
        )
    if service.recorder.on and not await to_thread.run_sync(service.recorder.holds, about):
        raise ApiError(404, f"no exchange {about} was recorded here", param="id", code="not_found")
    stored = service.recorder.feedback(about=about, kind=body.kind, text=body.text)
    if not stored and service.recorder.on:
        raise ApiError(503, "the feedback could not be stored", kind="server_error", code="not_recorded")
    return _json({"recorded": stored})


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    require_administrator(request.headers, service.settings.token)
    return service


def _json(content: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
