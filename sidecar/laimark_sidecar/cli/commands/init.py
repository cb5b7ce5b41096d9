"""`laimark-sidecar init`: make a home: say what will be recorded where before anything is, and for which model."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

import click

from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.paths import Home, home

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.discovery import Found, Kind
    from laimark_sidecar.pipeline.initialise import Setting

_EMBEDDED = "the embedded runner, with the small demo model"


@click.command()
@click.option("--yes", is_flag=True, help="Agree to recording, and ask nothing.")
@click.option("--no-record", is_flag=True, help="Set everything up, but record no conversations.")
@click.option("--no-input", is_flag=True, help="Ask nothing; needs --yes or --no-record.")
@click.option(
    "--runner", type=click.Choice(["embedded", "llama-server", "ollama"]), help="Which one answers."
)
@click.option("--model", default="", help="For Ollama: the model to learn for, as `ollama list` shows it.")
@click.option("--url", default="", help="For Ollama: where it listens, if not where OLLAMA_HOST says.")
@click.option("--gguf", default="", help="GGUF file that is served.")
@click.option("--hf", default="", help="Hugging Face folder to train, instead of what is made from the GGUF.")
def command(
    yes: bool, no_record: bool, no_input: bool, runner: str | None, model: str, url: str, gguf: str, hf: str
) -> None:
    """Create the home: configuration, journal, replay buffer, registry. Safe to repeat.

    Looks for the runners and models of this machine, and asks which one to learn for.
    """
    from laimark_sidecar.pipeline.discovery import discover, settings_for
    from laimark_sidecar.pipeline.initialise import initialise

    place = home()
    fresh = not place.config.exists()
    named = (runner, model, url, gguf, hf)
    if not fresh and any(named):
        raise ConfigError(
            f"{place.config} is there already, and is not changed",
            hint="edit it: laimark-sidecar config path",
        )
    record = _consent(place, yes=yes, no_input=no_input) if fresh and not no_record else False
    found: tuple[Found, ...] = ()
    settings: dict[str, dict[str, Setting]] = {}
    if fresh and any(named):
        kind = cast("Kind", runner or ("ollama" if model or url else "embedded"))
        settings = settings_for(kind, os.environ, model=model, url=url, gguf=gguf, hf=hf)
    elif fresh:
        found = discover(os.environ)
        if found and not (yes or no_input):
            settings = _chosen(found)
    try:
        initialise(place, record=record, settings=settings)
    except OSError as error:
        raise StateError(
            f"{place.root} cannot be set up: {error}",
            hint="choose another folder: --home DIR, or LAIMARK_HOME",
        ) from error
    if no_record and not fresh:
        _require_no_recording(place)
    click.echo(f"{'set up' if fresh else 'already set up'}: {place.root}")
    click.echo(f"conversations: {_recorded(place)}")
    if found and not settings:
        click.echo(f"learns for {_EMBEDDED}; also here: {'; '.join(one.what for one in found)} (--runner)")
    click.echo(f"next: laimark-sidecar {_NEXT[_kind(place)]}")


_NEXT = {
    "embedded": "serve   and, in another terminal:   laimark-sidecar run",
    "llama-server": "runner start   and then:   laimark-sidecar run",
    "ollama": "doctor   and then:   laimark-sidecar run",
}


def _chosen(found: tuple[Found, ...]) -> dict[str, dict[str, Setting]]:
    """Ask which of the runners, and which of its models; the embedded one where nobody answers."""
    from laimark_sidecar.pipeline.discovery import settings_for

    choices = [(one, model) for one in found for model in one.models]
    if not choices:
        return {}
    click.echo("Which model shall it learn for?", err=True)
    lines = [*(f"{model}, {one.what}" for one, model in choices), _EMBEDDED]
    for number, line in enumerate(lines, start=1):
        click.echo(f"  {number}) {line}", err=True)
    try:
        number = click.prompt("Number", type=click.IntRange(1, len(lines)), default=1, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        return {}
    if number > len(choices):
        return {}
    one, model = choices[number - 1]
    if one.kind == "ollama":
        return settings_for("ollama", os.environ, model=model)
    return settings_for(one.kind, os.environ, gguf=model)


def _consent(place: Home, *, yes: bool, no_input: bool) -> bool:
    """Return whether conversations may be recorded; never taken for granted where nobody can answer."""
    if yes:
        return True
    nobody = "nobody is there to agree to recording: add --yes or --no-record"
    if no_input:
        raise click.UsageError(nobody)
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
        raise click.UsageError(nobody) from None


def _require_no_recording(place: Home) -> None:
    # What is there stays as it is; but somebody who asks for no recording must not believe that there is none.
    if _records(place):
        raise ConfigError(
            f"{place.config}: journal.record is true, and an existing configuration is not changed",
            hint="set journal.record = false there, then start `laimark-sidecar serve` again",
        )


def _recorded(place: Home) -> str:
    if not _records(place):
        return "not recorded (journal.record is false)"
    kind = _kind(place)
    if kind != "embedded":
        return f"not recorded yet: {kind} keeps no log of them that can be learned from, and nothing stands in front of it"
    return f"recorded in {place.journal}"


def _records(place: Home) -> bool:
    from laimark_sidecar.config.load import load

    return load(place.config).journal.record


def _kind(place: Home) -> str:
    from laimark_sidecar.config.load import load

    return load(place.config).runner.kind
