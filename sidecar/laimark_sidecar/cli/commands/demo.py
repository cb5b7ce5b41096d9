"""`laimark-sidecar demo`: the whole loop on the shipped model, with a scripted user, checked claim by claim."""

from __future__ import annotations

from pathlib import Path

import click

from laimark_sidecar.cli.output import emit, json_option, table
from laimark_sidecar.cli.progress import progress


@click.command()
@click.option(
    "--code", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Code base to work on."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Keep the demo's home here.")
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(2, 20), help="Sessions, each with a cycle."
)
@click.option(
    "--asks", default=120, show_default=True, type=click.IntRange(60, 2000), help="Completions a session."
)
@click.option(
    "--exam", default=200, show_default=True, type=click.IntRange(20, 5000), help="Held-out prompts."
)
@json_option
def command(code: Path | None, out: Path | None, rounds: int, asks: int, exam: int, as_json: bool) -> None:
    """Watch a model learn from its user, and step back again: real runner, real daemon, real training."""
    from laimark_sidecar.demo.play import Play, play
    from laimark_sidecar.errors import RejectedError

    with progress("demo") as update:
        done: Play = play(code=code, out=out, rounds=rounds, asks=asks, exam=exam, say=update)
    click.echo(f"\n{done.headline}\n", err=as_json)
    emit(
        done.summary,
        lambda: table(
            ("", "base", done.tuned_name, "gain"), [(r.what, r.base, r.tuned, r.gain) for r in done.rows]
        ),
        as_json=as_json,
    )
    for claim in done.claims:
        click.echo(f"{'✓' if claim.holds else '✗'} {claim.text}: {claim.seen}", err=as_json)
    click.echo(f"\nlearning curve: {done.picture or 'needs matplotlib'}\nhome: {done.home}", err=as_json)
    failed = [claim.text for claim in done.claims if not claim.holds]
    if failed:
        raise RejectedError(
            f"{len(failed)} claims do not hold: {'; '.join(failed)}", hint=f"logs: {done.home}/logs"
        )
