"""`laimark-sidecar status`: base, adapter version and runner, what waits, what the daemon is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.overview import Overview


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show what is served, what was learned and what waits."""
    from laimark_sidecar.pipeline.overview import overview

    found = overview(workshop())
    lines = [
        f"home      {found.home}",
        f"base      {found.base} ({found.base_sha256[:12]}, {found.architecture})",
        f"runner    {found.runner}",
        f"serving   {found.latest_name} -> {_served(found)}   (before: {found.previous or 'base'})",
        f"recording {_recording(found)}   learning {'paused' if found.paused else 'on'}",
        *([f"gateway   {found.gateway}"] if found.gateway else []),
        f"daemon    {found.daemon}",
        f"buffer    {found.items} items, {found.new_items} ready to learn{_quarantine(found)}, {found.heldout} held out",
        f"cycles    {found.cycles} ended; last: {found.last_cycle or 'none'}",
    ]
    if found.open_cycle:
        lines.append(
            f"open      cycle {found.open_cycle}: the daemon carries it on, or: laimark-sidecar train --now"
        )
    if found.lacking:
        lines += [f"lacking   {found.lacking}", f"          {found.corrections}"]
    if found.awaiting:
        lines.append(f"waiting   {found.awaiting} passed the gate: laimark-sidecar promote {found.awaiting}")
    lines += [f"warning   {warning}" for warning in found.warnings]
    emit(found, lambda: "\n".join(lines), as_json=as_json)


def _recording(found: Overview) -> str:
    return "on" if found.recording else f"off ({found.why_not_recorded})"


def _quarantine(found: Overview) -> str:
    count, verb = found.quarantined, "waits" if found.quarantined == 1 else "wait"
    return f", {count} {verb} in quarantine until {found.quarantine_until}" if count else ""


def _served(found: Overview) -> str:
    instead = f", not {found.latest}" if found.latest != found.answering else ""
    return f"{found.answering or 'base'}{instead}"
