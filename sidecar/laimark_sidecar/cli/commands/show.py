"""`laimark-sidecar show NAME`: one version whole."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option

_DIFFERENCES = ("gain", "core", "previous", "worst_core")
"""Figures that compare two models begin so; see `validation.verdict.Verdict.metrics`."""


@click.command()
@click.argument("name", default="latest")
@json_option
def command(name: str, as_json: bool) -> None:
    """Show a version: lineage, data, evidence. NAME as for `use`; the one served by default."""
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.guard import harm
    from laimark_sidecar.pipeline.taint import tainted
    from laimark_sidecar.validation.e_process import LIMIT

    opened = workshop()
    version = version_named(opened, name)
    bets = harm(opened, version.name)
    lineage = " <- ".join([*(one.name for one in opened.registry.lineage(version.name)), "base"])
    lines = [
        version.name,
        *(["  tainted  it has learned from what was forgotten"] if version.name in tainted(opened) else []),
        f"  created  {iso(version.created_s)} by cycle {version.cycle}",
        f"  base     {version.base.name} {version.base.sha256[:16]} ({version.base.architecture})",
        f"  lineage  {lineage}",
        *([f"  begun    at the base: {version.consolidation}"] if version.consolidation else []),
        f"  learned  from {len(version.sample_ids)} examples, seed {version.seed}, adapter scale {version.scale:g}",
        f"  verdict  {version.verdict}",
        *(f"    {metric:18} {_figure(metric, value)}" for metric, value in sorted(version.metrics.items())),
        *(
            [f"  since    {bets.lessons} fresh lessons: e-value {bets.e:.2g}, steps back at {LIMIT:.0f}"]
            if bets.lessons
            else []
        ),
        *(f"  object   {role:26} {sha256[:16]}" for role, sha256 in sorted(version.objects.items())),
        f"  made by  {', '.join(f'{tool} {number}' for tool, number in sorted(version.tools.items()))}",
    ]
    emit(version, lambda: "\n".join(lines), as_json=as_json)


def _figure(metric: str, value: float) -> str:
    """Return a count as a number, a difference with its sign, and any other figure without."""
    if metric.endswith("_items"):
        return f"{value:.0f}"
    difference = metric.startswith(_DIFFERENCES) and not metric.endswith("_p")
    return format(value, "+.4f" if difference else ".4f")
