"""Everything `status` shows, gathered without changing anything."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.clock import iso
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.gateway.desk import GatewayActivity
from laimark_sidecar.pipeline import control, other_base
from laimark_sidecar.pipeline.connect import gateway_url, runner_url
from laimark_sidecar.pipeline.core import DEMO_JUDGES, core_file
from laimark_sidecar.pipeline.core_first import is_first
from laimark_sidecar.pipeline.folder import CycleFolder, cycles, unfinished
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.gateway import gateway_activity
from laimark_sidecar.pipeline.readiness import readiness
from laimark_sidecar.pipeline.recording import why_not_recorded
from laimark_sidecar.pipeline.taint import tainted, told
from laimark_sidecar.pipeline.usage import busier
from laimark_sidecar.pipeline.waiting import waiting, was_latest
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.check import interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One moment. Texts are for people, names and counts for scripts."""

    home: str
    base: str
    base_sha256: str
    architecture: str
    runner: str
    runner_reachable: bool
    latest_name: str
    latest: str
    answering: str
    """What answers to `latest_name`; empty for the base, also where `latest` was made for another one."""
    previous: str
    recording: bool
    why_not_recorded: str
    """Empty where conversations are recorded."""
    gateway: str
    """Where the gateway is and what it stands in front of; empty where none runs."""
    paused: bool
    daemon: str
    items: int
    new_items: int
    heldout: int
    quarantined: int
    """Lessons that wait in quarantine."""
    quarantine_until: str
    """When the last item in it may be used, ISO 8601; empty where nothing waits."""
    lacking: str
    """What is lacking of held-out examples to judge a version by; empty where there are enough."""
    corrections: str
    """How many corrections bring that many; empty likewise."""
    cycles: int
    last_cycle: str
    open_cycle: str
    """The one that has begun and not ended, by a yield, a crash or because it is running; empty if none."""
    awaiting: str
    """The newest version that passed the gate and was never served: it waits for `promote`; empty if none."""
    warnings: tuple[str, ...]
    """What is not as it looks, each in one line with what mends it."""


def overview(workshop: Workshop) -> Overview:
    """Gather the overview; an unreachable runner is part of it, not an error."""
    refs = workshop.registry.refs()
    with workshop.store() as store:
        stats = store.stats()
        ready = readiness(workshop, store)
    ended = [cycle for cycle in cycles(workshop.home.cycles) if cycle.closed()]
    estranged = other_base.estranged(workshop)
    identity = workshop.base.identity
    awaiting = waiting(workshop)
    gateway = gateway_activity(workshop.config)
    runner, reachable = _runner(workshop, gateway)
    unrecorded = why_not_recorded(workshop.home, workshop.config, gateway_runs=gateway is not None)
    return Overview(
        home=str(workshop.home.root),
        base=identity.name,
        base_sha256=identity.sha256,
        architecture=identity.architecture,
        runner=runner,
        runner_reachable=reachable,
        latest_name=workshop.ref(LATEST),
        latest=refs.get(LATEST, ""),
        answering="" if any(one.ref == LATEST for one in estranged) else refs.get(LATEST, ""),
        previous=refs.get(PREV, ""),
        recording=not unrecorded,
        why_not_recorded=unrecorded,
        gateway=_gateway(workshop, gateway),
        paused=control.paused(workshop.home),
        daemon=_daemon(workshop),
        items=stats.items,
        new_items=ready.new,
        heldout=stats.by_split.get("heldout", 0),
        quarantined=ready.quarantined,
        quarantine_until=ready.quarantine_until,
        lacking=ready.judges_lacking,
        corrections=ready.corrections,
        cycles=len(ended),
        last_cycle=_ending(workshop, ended[-1]) if ended else "",
        open_cycle=_open(workshop),
        awaiting=awaiting.name if awaiting else "",
        warnings=(
            *(f"{workshop.ref(one.ref)} {one.message} ({other_base.HINT})" for one in estranged),
            *(f"{one.where}: {one.message} ({one.hint})" for one in interrupted(workshop.registry)),
            *(told(name) for name in sorted({*refs.values()} & tainted(workshop))),
            *(
                [f"{DEMO_JUDGES} (laimark-sidecar core build)"]
                if core_file(workshop.base)[1] == "demo" and not is_first(workshop)
                else []
            ),
            *(
                ["forgetting was interrupted (laimark-sidecar forget --resume)"]
                if workshop.home.forgetting.exists()
                else []
            ),
        ),
    )


def _runner(workshop: Workshop, seen: GatewayActivity | None) -> tuple[str, bool]:
    url = runner_url(workshop.config)
    try:
        activity = busier(workshop.runner().activity(), seen)
    except RunnerError as error:
        return f"not reachable at {url} ({error.hint})", False
    state = "busy" if activity.busy else f"idle for {activity.idle_s:.0f} s"
    return f"{workshop.config.runner.kind} at {url}, {state}", True


def _gateway(workshop: Workshop, seen: GatewayActivity | None) -> str:
    if seen is None:
        return ""
    state = "busy" if seen.busy else f"idle for {seen.idle_s:.0f} s"
    return f"{gateway_url(workshop.config)}, in front of {seen.upstream}, {state}, {seen.recorded} recorded"


def _daemon(workshop: Workshop) -> str:
    activity = control.told(workshop.home)
    if activity is None:
        return "not running (laimark-sidecar run)"
    share = f" {activity.share:.0%}" if activity.state == "training" else ""
    return f"pid {activity.pid}, {activity.state}: {activity.reason}{share}"


def _open(workshop: Workshop) -> str:
    cycle = unfinished(workshop.home.cycles)
    plan = cycle.plan() if cycle else None
    return f"{plan.id}, begun {iso(plan.created_s)}, {len(plan.new_ids)} new lessons" if plan else ""


def _ending(workshop: Workshop, cycle: CycleFolder) -> str:
    closed = cycle.closed()
    assert closed is not None, "only ended cycles are asked"
    ending: str = closed.ending
    if ending == "awaiting-review" and was_latest(workshop, closed.version):
        ending = "promoted"
    gone = closed.version and closed.version not in workshop.registry.names()
    return f"{iso(closed.closed_s)} {ending} {closed.version or closed.reason}{', removed since' if gone else ''}"
