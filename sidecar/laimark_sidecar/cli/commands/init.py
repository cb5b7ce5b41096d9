"""`laimark-sidecar init`: make a home, and say what will be recorded where before anything is."""

from __future__ import annotations

import sys

import click

from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.paths import Home, home


@click.command()
@click.option("--yes", is_flag=True, help="Agree to recording without being asked.")
@click.option("--no-record", is_flag=True, help="Set everything up, but record no conversations.")
def command(yes: bool, no_record: bool) -> None:
    """Create the home: configuration, journal, replay buffer, registry. Safe to repeat."""
    from laimark_sidecar.pipeline.initialise import initialise

    place = home()
    fresh = not place.config.exists()
    record = _consent(place, yes=yes) if fresh and not no_record else False
    try:
        initialise(place, record=record)
    except OSError as error:
        raise StateError(
            f"{place.root} cannot be set up: {error}",
            hint="choose another folder: --home DIR, or LAIMARK_HOME",
        ) from error
    if no_record and not fresh:
        _require_no_recording(place)
    click.echo(f"{'set up' if fresh else 'already set up'}: {place.root}")
    click.echo(f"conversations: {_recorded(place)}")
    click.echo("next: laimark-sidecar serve   and, in another terminal:   laimark-sidecar run")


def _consent(place: Home, *, yes: bool) -> bool:
    """Return whether conversations may be recorded; never taken for granted where nobody can answer."""
    if yes:
        return True
    click.echo(
        f"Conversations with the runner will be recorded in {place.journal} (readable by you alone) and used "
        "to train adapters on this machine. Nothing leaves it. `laimark-sidecar init --no-record` records nothing.",
        err=True,
    )
    try:
        return click.confirm("Record conversations?", default=True, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("nobody is there to agree to recording: add --yes or --no-record") from None


def _require_no_recording(place: Home) -> None:
    # What is there stays as it is; but somebody who asks for no recording must not believe that there is none.
    if _records(place):
        raise ConfigError(
            f"{place.config}: journal.record is true, and an existing configuration is not changed",
            hint="set journal.record = false there, then start `laimark-sidecar serve` again",
        )


def _recorded(place: Home) -> str:
    return f"recorded in {place.journal}" if _records(place) else "not recorded (journal.record is false)"


def _records(place: Home) -> bool:
    from laimark_sidecar.config.load import load

    return load(place.config).journal.record
