"""The file that a command is to write: in a folder that is there, and never over another file unless told to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def force_option(function: F) -> F:
    """Give a command the flag `--force`, passed as `force: bool`."""
    return click.option("--force", is_flag=True, help="Replace OUT where it exists.")(function)


def check_folder_of(out: Path) -> None:
    """Do nothing where `out` can be made.

    Raises:
        click.UsageError: the folder that it is to lie in is not there; a mistyped path makes no folders.
    """
    folder = out.absolute().parent
    if not folder.is_dir():
        raise click.UsageError(f"{out} cannot be written: there is no folder {folder}")


def check_file(out: Path, *, force: bool) -> None:
    """Do nothing where the file `out` can be made, or may be replaced.

    Raises:
        click.UsageError: its folder is not there, it is a folder itself, or it exists and `force` is not given.
    """
    check_folder_of(out)
    if out.is_dir():
        raise click.UsageError(f"{out} is a folder: name the file to write")
    if out.exists() and not force:
        raise click.UsageError(f"{out} exists already: add --force to replace it")
