"""`laimark-sidecar bench`: does this way to learn keep what the base could do, and what does it gain? On any base."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.output import emit, json_option, table
from laimark_sidecar.cli.progress import progress

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.benchmark import Event, Given

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--base", type=click.Path(path_type=Path), help="Hugging Face folder; the base of the home.")
@click.option("--arms", help="Ways to learn, comma-separated, or all.  [a choice of seven]")
@click.option("--cycles", type=click.IntRange(2), help="User cycles.  [12]")
@click.option("--seeds", type=click.IntRange(1), help="Each another order of users, tasks and draws.  [3]")
@click.option("--tasks", type=click.IntRange(4), help="New tasks a cycle.  [192]")
@click.option("--steps", type=click.IntRange(1), help="Optimiser steps a cycle.  [24]")
@click.option("--stay", type=click.IntRange(1), help="Cycles until the next user comes.  [3]")
@click.option("--exam", type=click.IntRange(2), help="Tasks of each user's exam.  [100]")
@click.option("--core-exam", type=click.IntRange(1), help="Core prompts of each exam.  [100]")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="Where the model is.")
@click.option("--threads", type=click.IntRange(0), help="Of the processor; 0: as many as torch takes.")
@click.option("--out", type=FOLDER, help="Run folder; one in the home, named by base and settings.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and how long it takes.")
@click.option("--report", is_flag=True, help="Only read the run folder, finished or not.")
@click.option("--to", type=FOLDER, help="Where the report goes; the run folder.")
@json_option
def command(
    base: Path | None,
    out: Path | None,
    dry_run: bool,
    report: bool,
    to: Path | None,
    as_json: bool,
    **sizes: object,
) -> None:
    """Measure ways to learn over a stream of users: gain, forgetting, and what the gate lets through.

    The users are code bases of this machine, half of them rewritten in a house style. They ask and correct, cycle by cycle;
    every way to learn gets the same lessons. Nothing of yours is read, and what is served stays as it is.

    A run may be stopped at any time: the same command goes on, and so does --out alone. More sizes and rates:
    python -m laimark_sidecar.bench --help
    """
    import msgspec

    from laimark_sidecar.paths import home
    from laimark_sidecar.pipeline.benchmark import given, run_benchmark
    from laimark_sidecar.pipeline.stopping import Yielded

    if report and out is None:
        raise click.UsageError("--report needs the run folder: --out DIR")
    taken = given(home(), base=base, python_only=report)
    if taken.note and not report:
        click.echo(f"note: {taken.note}", err=True)
    arguments = ["--events", *(["--dry-run"] if dry_run else [])]
    arguments += _options({"report" if report else "out": out, "to": to, "runs": home().benchmarks})
    if not report:
        known = out is not None and (out / "settings.json").is_file()
        arguments += _base(taken, base, going_on=known)
        arguments += _options({"threads": taken.threads} | {k: v for k, v in sizes.items() if v is not None})
    with _shown() as show:
        done = run_benchmark(taken.python, arguments, on_event=show)
    if done is None:
        raise Yielded(
            "stopped; what is finished is kept",
            hint="the same command goes on, and --report reads what is there",
        )
    emit(
        msgspec.Raw(done.summary.encode()),
        lambda: table(done.columns, done.rows) if done.rows else done.text,
        as_json=as_json,
        caption=f"{done.text}\n" if done.rows else "",
    )
    if done.rows:
        click.echo(
            "gains, margins and transfer are differences to the base; definitions: laimark_sidecar/bench/metrics.py",
            err=True,
        )


def _options(values: dict[str, object]) -> list[str]:
    return [
        part
        for name, value in values.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]


def _base(taken: Given, asked: Path | None, *, going_on: bool) -> list[str]:
    """Return the base of the run; one that goes on and is asked for no base keeps its own."""
    if going_on and asked is None:
        return []
    return _options({"base": taken.base, "built_core": taken.built_core})


@contextmanager
def _shown() -> Iterator[Callable[[Event], None]]:
    """Show the plan as it is, and cells as a bar on a terminal, else as a line each."""
    if not sys.stderr.isatty():
        yield lambda event: click.echo(
            event.text if event.kind == "plan" else f"{event.share:4.0%} {event.text}", err=True
        )
        return
    with progress("benchmark") as update:

        def show(event: Event) -> None:
            if event.kind == "plan":
                click.echo(event.text, err=True)
            else:
                update("cells", event.share)

        yield show
