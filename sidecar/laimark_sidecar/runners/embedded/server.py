"""The ASGI application: routes, and errors in OpenAI's shape."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from laimark_sidecar.logs import action
from laimark_sidecar.runners.embedded import admin, inference
from laimark_sidecar.runners.embedded.api_error import ApiError, Kind
from laimark_sidecar.runners.embedded.guard import HostGuard, error_response
from laimark_sidecar.runners.embedded.service import Service

log = logging.getLogger(__name__)


def application(service: Service) -> Starlette:
    """Return the ASGI application of a service. It does not own the service: close that after the server."""
    app = Starlette(
        routes=[
            Route("/health", inference.health, methods=["GET"]),
            Route("/v1/models", inference.models, methods=["GET"]),
            Route("/v1/chat/completions", inference.chat, methods=["POST"]),
            Route("/v1/completions", inference.completion, methods=["POST"]),
            Route("/laimark/state", admin.state, methods=["GET"]),
            Route("/laimark/adapters/{name:path}", admin.put_adapter, methods=["PUT"]),
            Route("/laimark/adapters/{name:path}", admin.delete_adapter, methods=["DELETE"]),
            Route("/laimark/names/{name:path}", admin.put_name, methods=["PUT"]),
            Route("/laimark/names/{name:path}", admin.delete_name, methods=["DELETE"]),
            Route("/laimark/render", admin.render, methods=["POST"]),
            Route("/laimark/feedback", admin.feedback, methods=["POST"]),
        ],
        middleware=[Middleware(HostGuard, bound_host=service.settings.host)],
        exception_handlers={ApiError: _refused, HTTPException: _no_route, Exception: _bug},
    )
    app.state.service = service
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path[:200]}: {error.detail}"
    kind: Kind = "not_found_error" if error.status_code == 404 else "invalid_request_error"
    return error_response(ApiError(error.status_code, message, kind=kind))


async def _bug(_request: Request, error: Exception) -> Response:
    log.error("a request failed", exc_info=error, extra=action("embedded.request.bug"))
    return error_response(
        ApiError(500, "internal error; the server's log has the traceback", kind="server_error")
    )
