"""Runs the server until it is told to stop, and then stops within five seconds."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.logs import action
from laimark_sidecar.runners.embedded.server import application
from laimark_sidecar.runners.embedded.service import Service
from laimark_sidecar.runners.embedded.settings import ServeSettings

log = logging.getLogger(__name__)

_GRACE_S = 2.5
"""Answers in flight may end by themselves this long; then they are cut with a proper end."""
_START_TIMEOUT_S = 30.0
_CUT_S = 4
"""Connections that are still open by then are closed as they are."""


class _Server(uvicorn.Server):
    """uvicorn that ends its streams before its patience, and does not die of the signal it was stopped with."""

    def __init__(
        self, config: uvicorn.Config, service: Service, on_ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._on_ready is not None and sockets:
            self._on_ready(_url(sockets[0]))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        # uvicorn raises what it caught again at the end, which would turn a clean stop into exit status -15.
        self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = threading.Timer(_GRACE_S, self._service.engine.drain)
        timer.start()
        try:
            await super().shutdown(sockets=sockets)
        finally:
            timer.cancel()


def serve(settings: ServeSettings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; then finish within five seconds and return.

    Answers in flight have 2.5 s to end by themselves; what is left is cut with a proper last event and recorded as
    aborted. The conversation log is on disk when this returns.

    Args:
        settings: what to serve and where.
        on_ready: called once with the server's URL when it accepts connections.

    Raises:
        RunnerError: the base cannot be loaded, or the port is taken.
    """
    with _listening(settings) as listener, contextlib.closing(_service(settings)) as service:
        log.info("serving %s at %s", settings.base_name, _url(listener), extra=action("embedded.serve"))
        _Server(_config(service), service, on_ready).run(sockets=[listener])
    log.info("stopped", extra=action("embedded.stopped"))


@contextlib.contextmanager
def serving(settings: ServeSettings) -> Iterator[str]:
    """Serve in a thread of this process for the length of a `with` block; gives the URL. For demos, scripts and tests."""
    with (
        _listening(settings) as listener,
        contextlib.closing(_service(settings)) as service,
        _in_thread(service, listener) as url,
    ):
        yield url


@contextlib.contextmanager
def serving_service(service: Service) -> Iterator[str]:
    """Serve a service that the caller made and closes, in a thread; gives the URL."""
    with _listening(service.settings) as listener, _in_thread(service, listener) as url:
        yield url


@contextlib.contextmanager
def _in_thread(service: Service, listener: socket.socket) -> Iterator[str]:
    ready = threading.Event()
    server = _Server(_config(service), service, lambda _url: ready.set())
    thread = threading.Thread(target=server.run, args=([listener],), name="laimark-http")
    thread.start()
    try:
        if not ready.wait(_START_TIMEOUT_S):
            raise RunnerError(f"the embedded server did not come up within {_START_TIMEOUT_S:g} s")
        yield _url(listener)
    finally:
        server.should_exit = True
        thread.join()


def _service(settings: ServeSettings) -> Service:
    service = Service(settings, clock=SystemClock())
    service.install()
    return service


def _config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        application(service),
        log_config=None,
        access_log=False,
        log_level="warning",
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_CUT_S,
    )


@contextlib.contextmanager
def _listening(settings: ServeSettings) -> Iterator[socket.socket]:
    """Take the port before the slow work, so that a second server fails at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if os.name != "nt":  # there it would let another program share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen()
        except OSError as error:
            raise RunnerError(
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror}",
                hint="is another laimark-sidecar serve running? choose another port",
            ) from error
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
