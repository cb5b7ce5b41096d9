"""Passes an answer back, piece by piece, as it came; one that broke off is broken off."""

from __future__ import annotations

from typing import NoReturn

from aiohttp import ClientError, ClientResponse, web
from multidict import CIMultiDict

from laimark_sidecar.gateway.headers import lowered, passing
from laimark_sidecar.gateway.observing import Head
from laimark_sidecar.gateway.watching import Watch

_MADE_UP = ("Content-Type", "Server")
_SWITCHING = 101


class UpstreamBrokeOffError(Exception):
    """The upstream died in the middle of its answer, which the client must see as a broken one."""


class UnfitAnswerError(Exception):
    """The upstream's answer cannot be passed on; nothing of it has been."""


class Passing(web.StreamResponse):
    """An answer with the headers that upstream wrote: aiohttp's own ones are for who has none."""

    async def _prepare_headers(self) -> None:
        made_up = [name for name in _MADE_UP if name not in self.headers]
        await super()._prepare_headers()
        for name in made_up:
            self.headers.popall(name, None)


async def pass_answer(request: web.BaseRequest, upstream: ClientResponse, watch: Watch) -> web.StreamResponse:
    """Pass an answer on to the client, to its end.

    Raises:
        UnfitAnswerError: before anything was passed on.
        UpstreamBrokeOffError: after.
    """
    if upstream.status == _SWITCHING:
        raise UnfitAnswerError("it switches to a protocol that nobody asked for")
    try:
        headers = passing(upstream.raw_headers)
    except ValueError as error:
        raise UnfitAnswerError(str(error)) from error
    added = watch.answering(Head(headers=lowered(headers), status=upstream.status))
    response = Passing(
        status=upstream.status, reason=upstream.reason, headers=CIMultiDict((*headers, *added))
    )
    await response.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
            watch.answered(chunk)
    except ClientError as error:
        raise UpstreamBrokeOffError from error
    await response.write_eof()
    return response


def break_off(request: web.BaseRequest) -> NoReturn:
    """Close the client's connection without an end of the answer: a half answer must not look like a whole one."""
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("the upstream broke off")
