"""`laimark-sidecar init`: make a home: for which model, and what will be recorded where, before anything is."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

import click

from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.paths import Home, home

if TYPE_CHECKING:
    from laimark_sidecar.config.schema import Config
    from laimark_sidecar.pipeline.discovery import Found, Kind
    from laimark_sidecar.pipeline.initialise import Setting

    Settings = dict[str, dict[str, Setting]]

_NOBODY = "nobody is there to agree to recording: add --yes or --no-record"


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

    Looks for the runners and models of this machine, and asks which one to learn for. LAIMARK_LLAMA_SERVER and
    OLLAMA_HOST are written into the configuration where they are used.
    """
    if yes and no_record:
        raise click.UsageError("--yes agrees to recording and --no-record refuses it: give one of them")
    place = home()
    named = any((runner, model, url, gguf, hf))
    if place.config.exists():
        _require_no_wishes(place, named=named, no_record=no_record)
        click.echo(f"already set up: {place.root}")
        _tell(place)
        return
    if no_input and not (yes or no_record):
        raise click.UsageError(_NOBODY)
    passed_over: tuple[Found, ...] = ()
    if named:
        kind = cast("Kind", runner or ("ollama" if model or url else "embedded"))
        settings = _settings(kind, model=model, url=url, gguf=gguf, hf=hf)
    else:
        kind, settings, passed_over = _found(ask=not (yes or no_input))
    record = yes or (not no_record and _consent(place))
    _make(place, record=record, settings=settings)
    click.echo(f"set up: {place.root}")
    _tell(place, passed_over)


def _settings(kind: Kind, **named: str) -> Settings:
    from laimark_sidecar.pipeline.chosen import settings_for

    return settings_for(kind, os.environ, **named)


def _found(*, ask: bool) -> tuple[Kind, Settings, tuple[Found, ...]]:
    """Return the runner and settings that were chosen, and what is here too where nobody was asked."""
    from laimark_sidecar.cli.choosing import choose
    from laimark_sidecar.pipeline.discovery import discover

    found = discover(os.environ)
    return (*choose(found, os.environ), ()) if found and ask else ("embedded", {}, found)


def _require_no_wishes(place: Home, *, named: bool, no_record: bool) -> None:
    # What is there stays as it is; but somebody who asks for no recording must not believe that there is none.
    if named:
        raise ConfigError(
            f"{place.config} is there already, and is not changed",
            hint="edit it; or remove it, which keeps all else, and run this again",
        )
    if no_record and _config(place).journal.record:
        raise ConfigError(
            f"{place.config}: journal.record is true, and an existing configuration is not changed",
            hint="set journal.record = false there, then start `laimark-sidecar serve` again",
        )


def _consent(place: Home) -> bool:
    """Return whether conversations may be recorded; never taken for granted where nobody can answer."""
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
        click.echo(err=True)  # ends the line of the question
        raise click.UsageError(_NOBODY) from None


def _make(place: Home, *, record: bool, settings: Settings) -> None:
    from laimark_sidecar.pipeline.initialise import initialise

    try:
        initialise(place, record=record, settings=settings)
    except OSError as error:
        raise StateError(
            f"{place.root} cannot be set up: {error}",
            hint="choose another folder: --home DIR, or LAIMARK_HOME",
        ) from error


def _tell(place: Home, passed_over: tuple[Found, ...] = ()) -> None:
    from laimark_sidecar.pipeline.connect import runner_url
    from laimark_sidecar.pipeline.recording import told
    from laimark_sidecar.runners.ollama.address import elsewhere

    config = _config(place)
    click.echo(f"conversations: {told(place, config)}")
    click.echo(f"learns for: {_model(config)}")
    if passed_over:
        click.echo(f"also here: {'; '.join(one.what for one in passed_over)}")
        ways = " or ".join(f"`laimark-sidecar init {_WAYS[one.kind]}`" for one in passed_over)
        click.echo(f"    choose it with {ways}, once {place.config} is removed")
    if config.runner.kind == "ollama" and (warning := elsewhere(runner_url(config))):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"next: laimark-sidecar {_NEXT[config.runner.kind]}")


_WAYS = {"llama-server": "--runner llama-server --gguf FILE", "ollama": "--runner ollama --model NAME"}
_NEXT = {
    "embedded": "serve   and, in another terminal:   laimark-sidecar run",
    "llama-server": "runner start   and then, each in a terminal:   laimark-sidecar gateway   laimark-sidecar run",
    "ollama": "doctor   and then, each in a terminal:   laimark-sidecar gateway   laimark-sidecar run",
}


def _model(config: Config) -> str:
    if config.base.gguf or config.base.hf:
        return f"{config.base.name} ({config.base.gguf or config.base.hf}), answered by {config.runner.kind}"
    return "the small demo model that is shipped, good for trying out (another one: base.gguf in the configuration)"


def _config(place: Home) -> Config:
    from laimark_sidecar.config.load import load

    return load(place.config)
