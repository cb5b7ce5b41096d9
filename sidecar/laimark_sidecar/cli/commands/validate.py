"""`laimark-sidecar validate NAME`: the gate once more, on what is held out today; or a look into the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option
from laimark_sidecar.cli.progress import progress

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.workshop import Workshop
    from laimark_sidecar.registry.version import Version


@click.command()
@click.argument("name", default="latest")
@click.option(
    "--vault",
    is_flag=True,
    help="Score it on the examples that never decide anything, instead; each look is on record (log).",
)
@json_option
def command(name: str, vault: bool, as_json: bool) -> None:
    """Judge the version NAME again, on the served artefact and on today's held-out examples."""
    opened = workshop()
    version = version_named(opened, name)
    if vault:
        _vault(opened, version, as_json=as_json)
    else:
        _gate(opened, version, as_json=as_json)


def _gate(opened: Workshop, version: Version, *, as_json: bool) -> None:
    from laimark_sidecar.errors import RejectedError
    from laimark_sidecar.pipeline.core import load_core
    from laimark_sidecar.pipeline.revalidate import revalidate

    core_now = load_core(opened.base).digest
    with progress(f"validating {version.name}") as update:
        verdict = revalidate(opened, version, report=update)
    lines = [f"{version.name}: {'accepted' if verdict.accepted else 'rejected'}"]
    if version.core and version.core != core_now:
        lines.append(f"  judged by another core set ({core_now}) than when it was accepted ({version.core})")
    lines += [f"  {'✓' if reason.passed else '✗'} {reason.text}" for reason in verdict.reasons]
    emit(verdict, lambda: "\n".join(lines), as_json=as_json)
    if not verdict.accepted:
        raise RejectedError(
            f"{version.name} does not pass the gate today", hint="go back with: laimark-sidecar rollback"
        )


def _vault(opened: Workshop, version: Version, *, as_json: bool) -> None:
    from laimark_sidecar.pipeline.vault import look_into_vault
    from laimark_sidecar.validation.checks import interval

    with progress(f"looking into the vault for {version.name}") as update:
        found = look_into_vault(opened, version, report=update)
    text = (
        f"{version.name} on the vault: {interval(found.gain, shown=True)}\n"
        f"  looks before this one: {found.looks_before}; this one is on record (laimark-sidecar log)"
    )
    emit(found, lambda: text, as_json=as_json)
