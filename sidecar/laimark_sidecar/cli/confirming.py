"""The one rule of commands that cannot be undone: they ask, and what is not a yes ends them with 2, `--yes` named."""

from __future__ import annotations

import click


def confirm(question: str, *, otherwise: str) -> None:
    """Ask on stderr; returns only for a yes.

    Args:
        question: what is about to be done.
        otherwise: what was not done, and with which option it is.

    Raises:
        UsageError: the answer was no, or there is nobody to answer.
    """
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort:
        click.echo(err=True)  # nobody has ended the line of the question
        raise click.UsageError(otherwise) from None
