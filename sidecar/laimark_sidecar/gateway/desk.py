"""What the gateway answers of itself, below `/laimark/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from laimark_sidecar.gateway.activity import Traffic
from laimark_sidecar.gateway.observing import Head, Told
from laimark_sidecar.gateway.tally import Counts

ACTIVITY, FEEDBACK = "/laimark/activity", "/laimark/feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayActivity:
    """What the gateway tells of itself."""

    pid: int
    busy: bool
    idle_s: float
    served: int
    upstream: str
    recording: bool
    recorded: int
    dropped: int
    unreadable: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDesk:
    """Tells how busy the runner is and how recording goes; takes feedback."""

    traffic: Traffic
    pid: int
    upstream: str
    recording: Callable[[], bool]
    counts: Callable[[], Counts]
    feedback: Callable[[Head, bytes], Awaitable[Told]]

    async def tell(self, head: Head, body: bytes) -> Told:
        path = head.target.partition("?")[0]
        if path == ACTIVITY and head.method == "GET":
            return Told(status=200, body=msgspec.json.encode(self._activity()))
        if path == FEEDBACK and head.method == "POST":
            return await self.feedback(head, body)
        ways = f"GET {ACTIVITY}, POST {FEEDBACK}"
        error = {
            "message": f"the gateway itself knows {ways}",
            "type": "invalid_request_error",
            "code": "not_found",
        }
        return Told(status=404, body=msgspec.json.encode({"error": error}))

    def _activity(self) -> GatewayActivity:
        now, counts = self.traffic.now(), self.counts()
        return GatewayActivity(
            pid=self.pid,
            busy=now.busy,
            idle_s=now.idle_s,
            served=now.served,
            upstream=self.upstream,
            recording=self.recording(),
            recorded=counts.recorded,
            dropped=counts.dropped,
            unreadable=counts.unreadable,
            failed=counts.failed,
        )
