"""`laimark-sidecar init`: make a home, and say what will be recorded where before anything is."""

from __future__ import annotations

import click

from laimark_sidecar.paths import home


@click.command()
@click.option("--yes", is_flag=True, help="Agree to recording without being asked.")
@click.option("--no-record", is_flag=True, help="Set everything up, but record no conversations.")
def command(yes: bool, no_record: bool) -> None:
    """Create the home: configuration, journal, replay buffer, registry. Safe to repeat."""
    from laimark_sidecar.pipeline.initialise import initialise

    place = home()
    record = not no_record
    if record and not yes and not place.config.exists():
        click.echo(
            f"Conversations with the runner will be recorded in {place.journal} (readable by you alone) and used "
            "to train adapters on this machine. Nothing leaves it. `laimark-sidecar init --no-record` records nothing."
        )
        record = click.confirm("Record conversations?", default=True)
    made = initialise(place, record=record)
    click.echo(f"{'set up' if made else 'already set up'}: {place.root}")
    click.echo("next: laimark-sidecar serve   and, in another terminal:   laimark-sidecar run")
