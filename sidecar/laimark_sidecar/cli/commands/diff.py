"""`laimark-sidecar diff A B`: two versions beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option, shortened, table
from laimark_sidecar.cli.progress import progress

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from laimark_sidecar.pipeline.difference import Difference
    from laimark_sidecar.pipeline.workshop import Workshop
    from laimark_sidecar.registry.version import Version

SHOWN = 48
LAYERS = 12


@click.command()
@click.argument("a")
@click.argument("b", default="latest")
@click.option(
    "--prompts", "count", default=8, show_default=True, type=click.IntRange(0), help="How many fixed prompts."
)
@click.option("--ask", multiple=True, help="Ask both this instead of the fixed prompts; may be repeated.")
@json_option
def command(a: str, b: str, count: int, ask: tuple[str, ...], as_json: bool) -> None:
    """Compare the versions A and B (what is served, if not given; `base` is the model without an adapter).

    Shows the figures that each was accepted with, how large their weight updates are and how far apart, and what both
    answer to the same prompts, greedily, on the model that is served.
    """
    from laimark_sidecar.pipeline.difference import difference, fixed_prompts

    opened = workshop()
    versions = [_version(opened, name) for name in (a, b)]
    prompts = ask or fixed_prompts(opened, count)
    with progress("comparing") as update:
        found = difference(opened, *versions, prompts=prompts, report=update)
    emit(found, lambda: _shown(found), as_json=as_json)


def _version(opened: Workshop, name: str) -> Version | None:
    return None if name == "base" else version_named(opened, name)


def _shown(found: Difference) -> Group:
    from rich.console import Group

    parts: list[RenderableType] = [f"a  {found.a}\nb  {found.b}", _lessons(found)]
    if found.metrics:
        figures = [(name, _figure(one), _figure(other)) for name, (one, other) in found.metrics.items()]
        parts += ["", table(("figure, when accepted", "a", "b"), figures)]
        if not found.same_core:
            parts.append(
                "judged by different core sets: their figures of the core and the KL are not comparable"
            )
    if found.layers:
        furthest = sorted(found.layers, key=lambda layer: -layer.distance)[:LAYERS]
        layers = [
            (
                one.tensor,
                f"{one.norm_a:.4f}",
                f"{one.norm_b:.4f}",
                f"{one.distance:.4f}",
                f"{one.cosine:+.3f}",
            )
            for one in furthest
        ]
        parts += [
            f"\nsize of the weight updates: the {len(layers)} of {len(found.layers)} tensors that differ most",
            table(("tensor", "a", "b", "a to b", "cosine"), layers),
        ]
    if found.answers:
        differing = [one for one in found.answers if one.a != one.b]
        parts.append(f"\nanswers: {len(found.answers) - len(differing)} of {len(found.answers)} are the same")
        texts = [[shortened(text, SHOWN) for text in (one.prompt, one.a, one.b)] for one in differing]
        parts += [table(("prompt", "a", "b"), texts)] if texts else []
    return Group(*parts)


def _lessons(found: Difference) -> str:
    return (
        f"lessons of their last cycles: {len(found.only_a)} only in a, {len(found.only_b)} only in b, "
        f"{found.both} in both (laimark-sidecar why VERSION)"
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
