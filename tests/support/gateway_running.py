"""The gateway's listening side in a thread, in front of any upstream, with an observer that keeps what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.gateway.activity import Traffic
from laimark_sidecar.gateway.listening import Parts, serve
from laimark_sidecar.gateway.observing import Desk, Ending, Head, Observation, Observer, Route, Routing, Told
from laimark_sidecar.gateway.settings import GatewaySettings

PATIENCE_S = 20.0


@dataclass(slots=True)
class Seen:
    """One request as the observer was told of it."""

    head: Head
    asked_bytes: bytes = b""
    whole: threading.Event = field(default_factory=threading.Event)
    """The request's end was told."""
    answer_head: Head | None = None
    answered_bytes: bytes = b""
    endings: list[Ending] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def asked(self, chunk: bytes) -> None:
        assert not self.whole.is_set()
        self.asked_bytes += chunk

    def asked_whole(self) -> None:
        assert not self.whole.is_set()
        self.whole.set()

    def answering(self, head: Head) -> tuple[tuple[str, str], ...]:
        self.answer_head = head
        return (("X-Laimark-Seen", "yes"),)

    def answered(self, chunk: bytes) -> None:
        self.answered_bytes += chunk

    def ended(self, how: Ending) -> None:
        self.endings.append(how)
        self.over.set()


class Keeping:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def begin(self, head: Head) -> Observation | None:
        seen = Seen(head)
        self.seen.append(seen)
        return seen

    def last(self) -> Seen:
        """Return the last request, ended."""
        assert self.seen[-1].over.wait(PATIENCE_S)
        return self.seen[-1]


@dataclass(frozen=True, slots=True)
class Straight:
    """Everything goes to one upstream."""

    upstream: str

    def reads_body(self, head: Head) -> bool:
        return False

    def route(self, head: Head, body: bytes | None) -> Route:
        return Route(upstream=self.upstream)


@dataclass(frozen=True, slots=True)
class TrafficDesk:
    """Tells the traffic, whatever is asked."""

    traffic: Traffic

    async def tell(self, head: Head, body: bytes) -> Told:
        now = self.traffic.now()
        return Told(status=200, body=f'{{"busy":{str(now.busy).lower()},"served":{now.served}}}'.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningGateway:
    url: str
    port: int

    def connect(self) -> socket.socket:
        """Open a raw connection to it."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def exchange(self, request: bytes) -> bytes:
        """Send bytes, half-close nothing, and read until the gateway closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while chunk := connection.recv(65536):
                    answer += chunk
            return answer


@contextlib.contextmanager
def running_gateway(
    upstream: str,
    *,
    observer: Observer | None = None,
    routing: Routing | None = None,
    desk: type[TrafficDesk] = TrafficDesk,
    settings: GatewaySettings | None = None,
) -> Iterator[RunningGateway]:
    """Run a gateway on a free port of this process."""
    ready: list[str] = []
    event = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def on_ready(url: str) -> None:
        ready.append(url)
        event.set()

    def make_desk(traffic: Traffic) -> Desk:
        return desk(traffic)

    parts = Parts(
        observer=observer or Keeping(),
        routing=routing or Straight(upstream),
        desk=make_desk,
        clock=SystemClock(),
        on_ready=on_ready,
    )
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve(settings or GatewaySettings(port=0), parts, stop))
    )
    thread.start()
    try:
        assert event.wait(PATIENCE_S), "the gateway did not start"
        yield RunningGateway(url=ready[0], port=int(ready[0].rpartition(":")[2]))
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_S)
        loop.close()
