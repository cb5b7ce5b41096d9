"""A group of commands whose modules are imported only when they are called: help costs no heavy import."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyCommand:
    """Where a command is to be found, and what help says about it without looking."""

    name: str
    target: str
    """`package.module:attribute`; the attribute is a `click.Command`."""
    summary: str


class LazyGroup(click.Group):
    """A click group over a table of commands, shown in the order of the table."""

    def __init__(self, *args: Any, commands_table: Sequence[LazyCommand] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = {command.name: command for command in commands_table}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._table, *(name for name in super().list_commands(ctx) if name not in self._table)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._table.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), f"{entry.target} is {command!r}, not a click command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does; an unknown name gets the nearest known one."""
        name = args[0]
        if name not in self._table and not name.startswith("-") and name not in self.commands:
            ctx.fail(f"No such command {name!r}.{self._suggestion(name)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in self._table.values()])

    def _suggestion(self, name: str) -> str:
        import difflib

        nearest = difflib.get_close_matches(name, self._table, n=1)
        return f" Did you mean {nearest[0]!r}?" if nearest else ""
