"""Passes one request upstream and its answer back, piece by piece, and tells who watches what passes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import ClientError, ClientResponseError, ClientSession, ServerDisconnectedError, web
from multidict import CIMultiDict
from yarl import URL

from laimark_sidecar.gateway.activity import Traffic, is_work
from laimark_sidecar.gateway.admission import objection
from laimark_sidecar.gateway.answering import UnfitAnswerError, UpstreamBrokeOffError, break_off, pass_answer
from laimark_sidecar.gateway.headers import Headers, lowered, passing
from laimark_sidecar.gateway.hosts import is_foreign_page
from laimark_sidecar.gateway.observing import Desk, Head, Observation, Observer, Route, Routing
from laimark_sidecar.gateway.refusing import refused
from laimark_sidecar.gateway.settings import GatewaySettings
from laimark_sidecar.gateway.watching import Complaints, Watch

OWN_PATHS = "/laimark/"
HELD_BYTES = 16 << 20
"""A body that decides where a request goes is held back up to here; a longer one goes where any goes."""
DESK_BYTES = 1 << 20


class _Nobody:
    def begin(self, head: Head) -> Observation | None:
        return None


_NOBODY = _Nobody()
_NOT_SENT = frozenset({"host", "expect"})


class Proxy:
    """The handler of every request. Lives on one event loop.

    Args:
        settings: whose names are allowed.
        session: to the upstreams; follows no redirect, keeps no cookie, decompresses nothing, has no timeout on answers.
        observer: is told what passes.
        routing: says where it goes.
        desk: answers what is asked of the gateway itself.
        traffic: is counted.
        complaints: takes the faults of the observer.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        session: ClientSession,
        observer: Observer,
        routing: Routing,
        desk: Desk,
        traffic: Traffic,
        complaints: Complaints,
    ) -> None:
        self._settings = settings
        self._session = session
        self._observer = observer
        self._routing = routing
        self._desk = desk
        self._traffic = traffic
        self._complaints = complaints

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Cancelled when the client hangs up: the request upstream is then broken off, too."""
        target = request.raw_path
        if why := objection(request, self._settings.allowed_hosts):
            return refused(why.status, target, why.message, why.kind)
        try:
            headers = passing(request.raw_headers, without=_NOT_SENT)
            target.encode()
        except ValueError as error:
            return refused(400, target, str(error), "bad_request")
        head = Head(headers=lowered(headers), method=request.method, target=target)
        await _continue(request)
        if target.startswith(OWN_PATHS):
            return await self._tell(request, head)
        return await self._counted(request, head, headers)

    async def _counted(self, request: web.BaseRequest, head: Head, headers: Headers) -> web.StreamResponse:
        work = is_work(head)
        if work:
            self._traffic.begin()
        try:
            return await self._watched(request, head, headers)
        finally:
            if work:
                self._traffic.end()

    async def _watched(self, request: web.BaseRequest, head: Head, headers: Headers) -> web.StreamResponse:
        # It passes, for upstream decides about it, but nobody learns from it.
        foreign = is_foreign_page(head, self._settings.allowed_hosts)
        watch = Watch(_NOBODY if foreign else self._observer, head, self._complaints)
        try:
            response = await self._passed(request, head, headers, watch)
        except UpstreamBrokeOffError:
            watch.ended("failed")
            break_off(request)
        except BaseException:
            watch.ended("aborted")
            raise
        watch.ended("complete" if response.prepared else "failed")
        return response

    async def _passed(
        self, request: web.BaseRequest, head: Head, headers: Headers, watch: Watch
    ) -> web.StreamResponse:
        route, body = await self._routed(request, head, watch)
        if route.refusal:
            return refused(400, head.target, route.refusal, "not_served_here")
        if route.body is not None:
            headers = _without(headers, "content-length")
            body = route.body
        try:
            upstream = await self._session.request(
                head.method,
                URL(route.upstream + head.target, encoded=True),
                headers=CIMultiDict(headers),
                data=body,
                allow_redirects=False,
            )
        except (ClientError, OSError) as error:
            told = _unreachable(route, error, self._settings.starting)
            return refused(502, head.target, told, "upstream_unreachable")
        try:
            return await pass_answer(request, upstream, watch)
        except UnfitAnswerError as error:
            return refused(502, head.target, f"{route.upstream} answers oddly: {error}", "upstream_unfit")
        finally:
            upstream.close()

    async def _routed(
        self, request: web.BaseRequest, head: Head, watch: Watch
    ) -> tuple[Route, bytes | AsyncIterator[bytes] | None]:
        """Return where the request goes, and its body: not read yet, unless it decides."""
        if not request.body_exists:
            return self._routing.route(head, None), None
        if request.content.is_eof():  # all of it came with the head: it goes on in one piece, too
            whole = request.content.read_nowait()
            watch.asked(whole)
            watch.asked_whole()
            return self._routing.route(head, whole if self._routing.reads_body(head) else None), whole
        body = _body(request, watch)
        if not self._routing.reads_body(head):
            return self._routing.route(head, None), body
        held: list[bytes] = []
        size = 0
        async for chunk in body:
            held.append(chunk)
            size += len(chunk)
            if size > HELD_BYTES:
                return self._routing.route(head, None), _chained(held, body)
        whole = b"".join(held)
        return self._routing.route(head, whole), whole

    async def _tell(self, request: web.BaseRequest, head: Head) -> web.Response:
        if is_foreign_page(head, self._settings.allowed_hosts):
            return refused(403, head.target, "pages of other sites may not use this", "forbidden_origin")
        body = b""
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > DESK_BYTES:
                return refused(413, head.target, f"the body has more than {DESK_BYTES} bytes", "too_large")
        told = await self._desk.tell(head, body)
        return web.Response(status=told.status, body=told.body, content_type="application/json")


async def _body(request: web.BaseRequest, watch: Watch) -> AsyncIterator[bytes]:
    ended = False
    async for chunk in request.content.iter_any():
        watch.asked(chunk)
        if request.content.at_eof():  # told before it goes on: what answers is looked up at that moment
            ended = True
            watch.asked_whole()
        yield chunk
    if not ended:
        watch.asked_whole()


async def _chained(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in held:
        yield chunk
    held.clear()
    async for chunk in rest:
        yield chunk


async def _continue(request: web.BaseRequest) -> None:
    """Ask for the body that a client holds back until it is asked."""
    if request.headers.get("expect", "").strip().lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _without(headers: Headers, name: str) -> Headers:
    return tuple((key, value) for key, value in headers if key.lower() != name)


def _unreachable(route: Route, error: Exception, starting: str) -> str:
    if isinstance(error, ClientResponseError):  # its text holds bytes of the answer
        return f"{route.upstream} answers what is no HTTP/1.1: is it the port of your runner?"
    if isinstance(error, ServerDisconnectedError):
        return f"{route.upstream} closed the connection without an answer: look at your runner's log"
    how = f"start it with: {starting}" if starting else "is your runner started?"
    return f"{route.upstream} does not answer ({str(error) or type(error).__name__}): {how}"
