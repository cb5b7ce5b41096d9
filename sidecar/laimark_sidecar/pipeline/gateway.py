"""The gateway of a home: put together, run, and asked how busy it is."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable
from urllib.parse import urlsplit

from laimark_sidecar.config.schema import Config
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import ConfigError
from laimark_sidecar.files import exclusive
from laimark_sidecar.gateway.by_name import ByName, Straight
from laimark_sidecar.gateway.consenting import Consenting
from laimark_sidecar.gateway.desk import ACTIVITY, FrontDesk, GatewayActivity
from laimark_sidecar.gateway.observing import Head, Observation, Observer, Routing
from laimark_sidecar.gateway.settings import GatewaySettings
from laimark_sidecar.journal.consent_file import ConsentFile
from laimark_sidecar.journal.find import find_exchange
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.pipeline.connect import driver, gateway_url, runner_url, users_ollama
from laimark_sidecar.pipeline.names_now import NamesNow
from laimark_sidecar.pipeline.workshop import Workshop

_MOST_BYTES = 1 << 16


class _NobodyWatches:
    """Nothing is recorded here: `journal.record` is false, or the embedded runner, which records by itself, is behind."""

    def begin(self, head: Head) -> Observation | None:
        return None


def run_gateway(workshop: Workshop, *, on_ready: Callable[[str], None]) -> None:
    """Run the gateway in the foreground until SIGTERM or SIGINT.

    Raises:
        LockedError: another gateway of this home runs.
        RunnerError: its port is taken.
        ConfigError: it would stand in front of itself.
    """
    from laimark_sidecar.gateway.activity import Traffic
    from laimark_sidecar.gateway.listening import Parts, run
    from laimark_sidecar.gateway.recorder import Recorder

    config = workshop.config
    names = NamesNow(config=config, registry=workshop.registry, base=workshop.base.identity)
    upstream = upstream_url(config)
    require_apart(config, upstream)
    consenting = Consenting(
        consent=ConsentFile(workshop.home.recording),
        record=config.journal.record,
        is_own=names.is_own,
        one_model=names.one_model,
    )
    journal = JournalWriter(
        workshop.home.journal,
        clock=workshop.clock,
        fsync=config.journal.fsync,
        segment_bytes=config.journal.segment_mib << 20,
    )
    recorder = Recorder(
        journal,
        clock=workshop.clock,
        permits=consenting,
        versions=names.answering,
        is_held=lambda exchange_id: find_exchange(workshop.home.journal, exchange_id) is not None,
    )
    records_itself = config.runner.kind == "embedded" and upstream == runner_url(config)
    records = config.journal.record and not records_itself
    observer: Observer = recorder if records else _NobodyWatches()

    def desk(traffic: Traffic) -> FrontDesk:
        return FrontDesk(
            traffic=traffic,
            pid=os.getpid(),
            upstream=upstream,
            recording=lambda: records and consenting.on,
            counts=lambda: recorder.counts,
            feedback=recorder.feedback,
        )

    parts = Parts(
        observer=observer,
        routing=routing(config, names, upstream),
        desk=desk,
        clock=workshop.clock,
        on_ready=on_ready,
    )
    with exclusive(workshop.home.root / "gateway.lock", f"laimark-sidecar gateway (pid {os.getpid()})"):
        try:
            run(settings_of(config), parts)
        finally:
            recorder.close()


def settings_of(config: Config) -> GatewaySettings:
    """Return what the gateway is started with."""
    allowed = (name.strip().lower() for name in config.gateway.allowed_hosts.split(","))
    return GatewaySettings(
        host=config.gateway.host,
        port=config.gateway.port,
        allowed_hosts=frozenset(name for name in allowed if name),
        starting="laimark-sidecar runner start" if driver(config) == "llama-server" else "",
    )


def upstream_url(config: Config) -> str:
    """Return the address that the gateway stands in front of; Ollama's, even where tuned names are answered elsewhere."""
    if config.gateway.upstream:
        return config.gateway.upstream.rstrip("/")
    return users_ollama(config) if config.runner.kind == "ollama" else runner_url(config)


def routing(config: Config, names: NamesNow, upstream: str) -> Routing:
    """Return where requests go."""
    if config.runner.kind == "ollama" and driver(config) == "llama-server":
        return ByName(upstream=upstream, tuned_upstream=runner_url(config), is_tuned=names.is_tuned)
    return Straight(upstream)


def require_apart(config: Config, upstream: str) -> None:
    """Raise ConfigError where the gateway would send requests to itself, round and round."""
    there = urlsplit(upstream)
    here = {config.gateway.host, "localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - compared, not bound
    if (there.port or 80) == config.gateway.port and there.hostname in here:
        raise ConfigError(
            f"the gateway would listen on {gateway_url(config)} and send requests to {upstream}: to itself",
            hint="set gateway.port or gateway.upstream in config.toml",
        )


def gateway_activity(config: Config, *, timeout_s: float = 0.5) -> GatewayActivity | None:
    """Return what a running gateway tells; None where none answers as one."""
    address = urlsplit(gateway_url(config))
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)
    try:
        connection.request("GET", ACTIVITY)
        answer = connection.getresponse()
        return decode_json(answer.read(_MOST_BYTES), GatewayActivity) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, MalformedError):
        return None
    finally:
        connection.close()
