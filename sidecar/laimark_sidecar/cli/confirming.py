"""The one rule of commands that cannot be undone: they ask, and what is not a yes ends them with 2, `--yes` named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.workshop import Workshop


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


def confirm_tainted(opened: Workshop, name: str) -> None:
    """Ask before a version is served that has learned from what was forgotten since; others pass unasked.

    Raises:
        UsageError: the answer was no, or there is nobody to answer.
    """
    from laimark_sidecar.pipeline.taint import tainted

    if name in tainted(opened):
        confirm(
            f"{name} has learned from what was forgotten. Serve it all the same?",
            otherwise=f"{name} is not served: add --yes to serve it all the same",
        )
