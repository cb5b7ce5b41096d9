"""The gateway's process: listens, serves until it is told to stop, and stops within five seconds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from aiohttp.http import HttpProcessingError

from laimark_sidecar.clock import Clock
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.gateway.activity import Traffic
from laimark_sidecar.gateway.observing import Desk, Observer, Routing
from laimark_sidecar.gateway.port_holder import port_holder
from laimark_sidecar.gateway.proxy import Proxy
from laimark_sidecar.gateway.settings import GatewaySettings
from laimark_sidecar.gateway.watching import Complaints
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)
CONNECT_S = 5.0
"""To a runner on this machine or beside it. There is no other timeout: a long prompt takes as long as it takes."""
SHUTDOWN_S = 4.0
"""Answers in flight get this long when the gateway is told to stop."""
REUSED_WITHIN_S = 2.0
IDLE_S = 120.0
"""A client's connection is closed after this long without a whole head of a request, whether it is kept or held up on
purpose. Go's clients, Ollama's among them, drop theirs after 90 s: who has one longer is told so and connects again."""
BACKLOG = 1024
OPEN_FILES = 65536
"""A connection is one, and one more while it asks; a shell allows a program 1024."""
_LINE_BYTES = 16 << 10
_WRITTEN_BY_CLIENTS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a gateway is put together from."""

    observer: Observer
    """Is told what passes; on the event loop."""
    routing: Routing
    """Says where requests go."""
    desk: Callable[[Traffic], Desk]
    """Makes what answers questions about the gateway itself, given its traffic."""
    clock: Clock
    on_ready: Callable[[str], None]
    """Called with the address once connections are taken."""


def run(settings: GatewaySettings, parts: Parts) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        RunnerError: the address is taken or is not this machine's.
    """
    _allow_many_connections()
    with _event_loop() as runner:
        runner.run(_until_told(settings, parts))


async def _until_told(settings: GatewaySettings, parts: Parts) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, parts, stop)


async def serve(settings: GatewaySettings, parts: Parts, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; what is in flight then gets `SHUTDOWN_S`.

    Raises:
        RunnerError: as `run`.
    """
    traffic = Traffic(parts.clock)
    async with _session() as session:
        proxy = Proxy(
            settings,
            session=session,
            observer=parts.observer,
            routing=parts.routing,
            desk=parts.desk(traffic),
            traffic=traffic,
            complaints=Complaints(parts.clock),
        )
        # aiohttp waits for this long twice: for answers, then for what it broke off.
        runner = web.ServerRunner(_server(proxy), shutdown_timeout=SHUTDOWN_S / 2)
        await runner.setup()
        try:
            await _listen(runner, settings)
            parts.on_ready(_address(runner))
            await stop.wait()
            log.info("stopping", extra=action("gateway.stop"))
        finally:
            await runner.cleanup()


def _server(proxy: Proxy) -> web.Server:
    return web.Server(
        proxy.handle,
        handler_cancellation=True,  # a client that hangs up is hung up upstream, too
        auto_decompress=False,
        access_log=None,
        logger=_without_refusals(),
        keepalive_timeout=IDLE_S,
        max_line_size=_LINE_BYTES,
        max_field_size=_LINE_BYTES,
    )


def _without_refusals() -> logging.Logger:
    """Return aiohttp's logger: its tracebacks of refused requests hold parts of them, and anyone could fill the disk."""
    logger = log.getChild("http")
    logger.addFilter(_is_no_refusal)
    return logger


def _is_no_refusal(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionError)


def _session() -> ClientSession:
    return ClientSession(
        # A connection is used again only while no runner would have closed it (llama-server does after five seconds):
        # a request that meets a closed one is lost, because a chat must not be sent twice.
        connector=TCPConnector(limit=0, keepalive_timeout=REUSED_WITHIN_S),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_WRITTEN_BY_CLIENTS,
        max_line_size=_LINE_BYTES,
        max_field_size=_LINE_BYTES,
    )


async def _listen(runner: web.ServerRunner, settings: GatewaySettings) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG).start()
    except OSError as error:
        who = port_holder(settings.port) if error.errno == errno.EADDRINUSE else ""
        why = f"{who} listens there" if who else error.strerror or error
        raise RunnerError(
            f"the gateway cannot listen on {settings.host}:{settings.port}: {why}",
            hint="stop what listens there, or set gateway.port in config.toml",
        ) from error


def _address(runner: web.ServerRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_many_connections() -> None:
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _event_loop() -> AbstractContextManager[asyncio.Runner]:
    """Return uvloop's loop where there is one: it halves the time that a token spends here."""
    with contextlib.suppress(ImportError):  # there is none for Windows
        import uvloop

        return asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return asyncio.Runner()
