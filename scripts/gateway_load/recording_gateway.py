"""The gateway with everything recorded, or nothing.

Usage: python -m scripts.gateway_load.recording_gateway UPSTREAM PORT [JOURNAL]. Prints its address, serves until it is
told to stop. Without JOURNAL nothing is recorded. What `laimark-sidecar gateway` adds, the user's consent, is given here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.gateway.activity import Traffic
from laimark_sidecar.gateway.exchanges import Answering
from laimark_sidecar.gateway.listening import Parts, run
from laimark_sidecar.gateway.observing import Head, Observation, Observer, Route, Told
from laimark_sidecar.gateway.recorder import Recorder
from laimark_sidecar.gateway.settings import GatewaySettings
from laimark_sidecar.journal.writer import JournalWriter


class Blind:
    """Watches nothing."""

    def begin(self, head: Head) -> Observation | None:
        return None


class OneUpstream:
    """Sends everything to one runner."""

    def __init__(self, url: str) -> None:
        self._url = url

    def reads_body(self, head: Head) -> bool:
        return False

    def route(self, head: Head, body: bytes | None) -> Route:
        return Route(upstream=self._url)


class Closed:
    """Knows nothing."""

    def __init__(self, traffic: Traffic) -> None:
        pass

    async def tell(self, head: Head, body: bytes) -> Told:
        return Told(status=404, body=b"{}")


class Consenting:
    """Permits every recording, and knows nothing of what stands behind a name."""

    on = True

    def __call__(self, *, model: str, client: str, head: Head, since_s: float) -> bool:
        return True

    def versions(self, model: str) -> Answering:
        """Tell nothing."""
        return Answering()


def serve(upstream: str, port: int, journal: Path | None) -> None:
    """Serve until told to stop."""
    clock = SystemClock()
    consenting = Consenting()
    recorder = journal and Recorder(
        JournalWriter(journal, clock=clock),
        clock=clock,
        permits=consenting,
        versions=consenting.versions,
        is_held=lambda _: False,
    )
    observer: Observer = recorder or Blind()
    parts = Parts(
        observer=observer,
        routing=OneUpstream(upstream),
        desk=Closed,
        clock=clock,
        on_ready=lambda url: print(url, flush=True),
    )
    try:
        run(GatewaySettings(port=port), parts)
    finally:
        if recorder:
            recorder.close()
            print(recorder.counts, file=sys.stderr)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
