"""Results go to stdout: for people as text and tables, for scripts as JSON with `--json`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])
_PIPED_COLUMNS = 160


def json_option(function: F) -> F:
    """Give a command the flag `--json`, passed as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON for scripts.")(function)


def emit(payload: object, human: Callable[[], RenderableType], *, as_json: bool, caption: str = "") -> None:
    """Write a result to stdout.

    Args:
        payload: what `--json` shows: anything msgspec encodes (dataclasses, lists, ...).
        human: called only for people; returns a text or a rich renderable such as `table(...)`.
        as_json: which of the two.
        caption: for people, a line before it, as long as it is: a table's own title folds to the table's width.
    """
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(payload), indent=2).decode())
        return
    if caption:
        click.echo(caption)
    renderable = human()
    if isinstance(renderable, str):
        click.echo(renderable)
    else:
        _print(renderable)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table of texts; a column whose cells are all numbers is set flush right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[number], (int, float)) for row in cells)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        # Text, not markup: a name in square brackets is a name.
        made.add_row(*(Text(f"{cell:g}" if isinstance(cell, float) else str(cell)) for cell in row))
    return made


def shortened(text: str, most: int) -> str:
    """Return a text as one line of at most `most` characters, its end cut off where it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _print(renderable: RenderableType) -> None:
    from rich.console import Console

    # rich honours NO_COLOR by itself; a pipe has no width, and 80 columns would fold what `grep` looks for.
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPED_COLUMNS, highlight=False).print(
        renderable
    )
