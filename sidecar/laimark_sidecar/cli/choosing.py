"""Asks which model to learn for: one question, and the path of a file where that is the answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from laimark_sidecar.errors import ConfigError

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.discovery import Found, Kind
    from laimark_sidecar.pipeline.initialise import Setting

_OURS = "served by `laimark-sidecar serve`"
_FILE = "a GGUF file of yours"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    line: str
    kind: Kind
    model: str = ""
    """What the runner calls it; empty: a file is asked for."""


def choose(
    found: tuple[Found, ...], environment: Mapping[str, str]
) -> tuple[Kind, dict[str, dict[str, Setting]]]:
    """Return the runner and settings that a person chose; the small demo model where nobody answers.

    What the runners that were found have comes first, and its first is the default; the demo model, which fits every
    machine and trains in minutes, comes last.

    Raises:
        click.UsageError: nobody is there any more to name the file.
        LaimarkError: what was chosen cannot be used; says why.
    """
    from laimark_sidecar.pipeline.chosen import settings_for

    choices = _choices(found)
    click.echo("Which model shall it learn for?", err=True)
    demo = len(choices) + 1
    for number, choice in enumerate(choices, start=1):
        click.echo(f"  {number}) {choice.line}", err=True)
    click.echo(f"  {demo}) the small demo model, {_OURS}", err=True)
    default = 1 if choices[0].model else demo
    try:
        number = click.prompt("Number", type=click.IntRange(1, demo), default=default, err=True)
    except click.Abort:
        _require_nobody()
        number = demo
    if number == demo:
        return "embedded", {}
    chosen = choices[number - 1]
    if chosen.kind == "ollama":
        return chosen.kind, settings_for(chosen.kind, environment, model=chosen.model)
    return chosen.kind, settings_for(chosen.kind, environment, gguf=chosen.model or _ask_file())


def _choices(found: tuple[Found, ...]) -> list[_Choice]:
    choices: list[_Choice] = []
    for one in found:
        choices += [_Choice(line=f"{model}, {one.what}", kind=one.kind, model=model) for model in one.models]
        if one.kind == "llama-server":
            choices.append(_Choice(line=f"{_FILE}, {one.what}", kind=one.kind))
    choices.append(_Choice(line=f"{_FILE}, {_OURS}", kind="embedded"))
    return choices


def _ask_file() -> str:
    """Ask until the answer is a model's file."""
    from laimark_sidecar.pipeline.chosen import model_file

    def checked(text: str) -> str:
        try:
            return str(model_file(text.strip()))
        except ConfigError as error:
            raise click.UsageError(str(error)) from error

    try:
        path: str = click.prompt("Path of the GGUF", value_proc=checked, err=True)
    except click.Abort:
        _require_nobody()
        raise click.UsageError("which file? Name it with --gguf FILE") from None
    return path


def _require_nobody() -> None:
    """Go on where there is nobody to answer; a person who interrupts is obeyed."""
    if sys.stdin.isatty():
        raise click.Abort
    click.echo(err=True)  # ends the line of the question
