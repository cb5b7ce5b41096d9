"""`laimark-sidecar show NAME`: one version whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option, table

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.workshop import Workshop
    from laimark_sidecar.registry.version import Version

LAYERS = 12
_DIFFERENCES = ("gain", "core", "previous", "worst_core")
"""Figures that compare two models begin so; see `validation.verdict.Verdict.metrics`."""


@click.command()
@click.argument("name", default="latest")
@click.option(
    "--weights", is_flag=True, help="Look at what it changes in each weight instead: takes a while."
)
@json_option
def command(name: str, weights: bool, as_json: bool) -> None:
    """Show a version: lineage, data, evidence. NAME as for `use`; the one served by default."""
    opened = workshop()
    version = version_named(opened, name)
    if weights:
        _weights(opened, version, as_json=as_json)
    else:
        _whole(opened, version, as_json=as_json)


def _weights(opened: Workshop, version: Version, *, as_json: bool) -> None:
    from laimark_sidecar.pipeline.health import health

    found = health(opened, version)
    largest = sorted(found.layers, key=lambda one: -(one.relative or 0.0))[:LAYERS]
    rows = [
        (
            one.tensor,
            f"{one.norm:.4f}",
            f"{one.relative or 0:.3%}",
            f"{one.effective_rank:.1f}",
            one.intruders,
        )
        for one in largest
    ]
    caption = "\n".join(
        [
            f"{found.version}: effective rank {found.effective_rank:.1f} on average; "
            f"the {len(rows)} of {len(found.layers)} weights that change most",
            *(f"warning: {text}" for text in found.warnings),
        ]
    )
    columns = ("weight", "size", "of the weight", "effective rank", "intruders")
    emit(found, lambda: table(columns, rows), caption=caption, as_json=as_json)


def _whole(opened: Workshop, version: Version, *, as_json: bool) -> None:
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.deep import changed, deep_checks
    from laimark_sidecar.pipeline.guard import harm
    from laimark_sidecar.pipeline.taint import tainted
    from laimark_sidecar.validation.e_process import LIMIT

    bets = harm(opened, version.name)
    lineage = " <- ".join([*(one.name for one in opened.registry.lineage(version.name)), "base"])
    lines = [
        version.name,
        *(["  tainted  it has learned from what was forgotten"] if version.name in tainted(opened) else []),
        f"  created  {iso(version.created_s)} by cycle {version.cycle}",
        f"  base     {version.base.name} {version.base.sha256[:16]} ({version.base.architecture})",
        f"  lineage  {lineage}",
        *([f"  begun    at the base: {version.consolidation}"] if version.consolidation else []),
        *([f"  kind     {version.adapter}"] if version.adapter != "lora" else []),
        f"  learned  from {len(version.sample_ids)} examples, seed {version.seed}, adapter scale {version.scale:g}",
        f"  verdict  {version.verdict}",
        *(f"    {metric:18} {_figure(metric, value)}" for metric, value in sorted(version.metrics.items())),
        *([f"  core     judged by the set {version.core}"] if version.core else []),
        *(
            [f"  since    {bets.lessons} fresh lessons: e-value {bets.e:.2g}, steps back at {LIMIT:.0f}"]
            if bets.lessons
            else []
        ),
        *(
            f"  deep     {iso(check.checked_s)} {one.task} {one.metric} ({one.filter}): "
            f"{one.base:.3f} to {one.version:.3f}, {changed(one)}, n={one.questions}"
            for check in deep_checks(opened.home, version.name)
            for one in check.differences
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
