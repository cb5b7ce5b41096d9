"""`laimark-sidecar config`: where the configuration is, what is in force, whether it is valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from laimark_sidecar import paths
from laimark_sidecar.cli.output import emit, json_option, table
from laimark_sidecar.config.environment import variable
from laimark_sidecar.config.load import Setting, assemble, load_settings

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """One key as `--json` shows it."""

    key: str
    value: bool | int | float | str
    origin: str
    default: bool | int | float | str
    variable: str
    doc: str


@click.group()
def command() -> None:
    """Show where the configuration is, what is in force, and whether it is valid."""


@command.command()
@json_option
def path(as_json: bool) -> None:
    """Print the path of the configuration file, whether or not it exists."""
    file = paths.home().config
    emit(str(file), lambda: str(file), as_json=as_json)


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Show every key with the value in force and where that comes from."""
    file = paths.home().config
    settings = load_settings(file)
    assemble(settings, file)
    emit([_line(setting) for setting in settings], lambda: _table(settings), as_json=as_json)


@command.command()
def check() -> None:
    """Read the configuration as the other commands do; exit status 3 if it cannot be used."""
    file = paths.home().config
    settings = load_settings(file)
    assemble(settings, file)
    changed = sum(setting.value != setting.key.default for setting in settings)
    there = "" if file.is_file() else " (no such file: the defaults hold)"
    click.echo(f"{file}{there}: valid, {changed} of {len(settings)} keys differ from their defaults")


def _line(setting: Setting) -> SettingLine:
    return SettingLine(
        key=setting.key.path,
        value=setting.value,
        origin=setting.origin,
        default=setting.key.default,
        variable=variable(setting.key),
        doc=setting.key.doc,
    )


def _table(settings: tuple[Setting, ...]) -> Table:
    return table(
        ("key", "value", "from", "meaning"),
        [(setting.key.path, _shown(setting), setting.origin, setting.key.doc) for setting in settings],
    )


def _shown(setting: Setting) -> str:
    value = setting.value
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else f"{value:g}"
    )
