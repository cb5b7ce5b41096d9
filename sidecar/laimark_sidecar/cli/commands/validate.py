"""`laimark-sidecar validate NAME`: the gate once more, on what is held out today; or a look into the vault, or lm-eval."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option, table
from laimark_sidecar.cli.progress import progress

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.deep import Questions
    from laimark_sidecar.pipeline.workshop import Workshop
    from laimark_sidecar.registry.version import Version

TASKS = "gsm8k"
LIMIT = 100


@click.command()
@click.argument("name", default="latest")
@click.option(
    "--vault",
    is_flag=True,
    help="Score it on the examples that never decide anything, instead; each look is on record (log).",
)
@click.option(
    "--deep",
    is_flag=True,
    help="Let it and the base answer lm-eval's tasks through the running runner, instead; shown and kept, decides nothing.",
)
@click.option(
    "--tasks",
    metavar="A,B",
    help=f"With --deep: tasks of lm-eval that let the model write. Default: {TASKS}.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"With --deep: questions a task; 0 for all. Default: {LIMIT}.",
)
@click.option(
    "--include-path",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="With --deep: folder with tasks of your own, in lm-eval's YAML.",
)
@click.option(
    "--download", is_flag=True, help="With --deep: fetch the tasks' data from the Hugging Face hub."
)
@click.option("--python", metavar="PATH", help="With --deep: Python that has lm_eval. Default: this one.")
@json_option
def command(
    name: str,
    vault: bool,
    deep: bool,
    tasks: str | None,
    limit: int | None,
    include_path: str | None,
    download: bool,
    python: str | None,
    as_json: bool,
) -> None:
    """Judge the version NAME again, on the served artefact and on today's held-out examples."""
    if vault and deep:
        raise click.UsageError("--vault and --deep are two different questions: ask one")
    of_deep = {
        "--tasks": tasks,
        "--limit": limit,
        "--include-path": include_path,
        "--download": download or None,
        "--python": python,
    }
    if not deep and (given := [option for option, value in of_deep.items() if value is not None]):
        raise click.UsageError(f"{given[0]} is an option of --deep")
    opened = workshop()
    version = version_named(opened, name)
    if vault:
        _vault(opened, version, as_json=as_json)
    elif deep:
        from laimark_sidecar.pipeline.deep import Questions

        wanted = Questions(
            tasks=tuple(filter(None, map(str.strip, (tasks or TASKS).split(",")))),
            limit=LIMIT if limit is None else limit,
            include_path=include_path or "",
            python=python or sys.executable,
            download=download,
        )
        _deep(opened, version, wanted, as_json=as_json)
    else:
        _gate(opened, version, as_json=as_json)


def _gate(opened: Workshop, version: Version, *, as_json: bool) -> None:
    from laimark_sidecar.errors import RejectedError
    from laimark_sidecar.pipeline.core import load_core
    from laimark_sidecar.pipeline.revalidate import revalidate

    core_now = load_core(opened.base).digest
    with progress(f"validating {version.name}") as update:
        verdict = revalidate(opened, version, report=update)
    lines = [f"{version.name}: {'accepted' if verdict.accepted else 'rejected'}"]
    if version.core and version.core != core_now:
        lines.append(f"  judged by another core set ({core_now}) than when it was accepted ({version.core})")
    lines += [f"  {'✓' if reason.passed else '✗'} {reason.text}" for reason in verdict.reasons]
    emit(verdict, lambda: "\n".join(lines), as_json=as_json)
    if not verdict.accepted:
        raise RejectedError(
            f"{version.name} does not pass the gate today", hint="go back with: laimark-sidecar rollback"
        )


def _vault(opened: Workshop, version: Version, *, as_json: bool) -> None:
    from laimark_sidecar.pipeline.vault import look_into_vault
    from laimark_sidecar.validation.checks import interval

    with progress(f"looking into the vault for {version.name}") as update:
        found = look_into_vault(opened, version, report=update)
    text = (
        f"{version.name} on the vault: {interval(found.gain, shown=True)}\n"
        f"  looks before this one: {found.looks_before}; this one is on record (laimark-sidecar log)"
    )
    emit(found, lambda: text, as_json=as_json)


def _deep(opened: Workshop, version: Version, questions: Questions, *, as_json: bool) -> None:
    from laimark_sidecar.pipeline.deep import deep_check

    with progress(f"deep check of {version.name}") as update:
        found = deep_check(opened, version, questions, report=update)
    rows = [
        (
            one.task,
            f"{one.metric} ({one.filter})",
            one.questions,
            f"{one.base:.3f}",
            f"{one.version:.3f}",
            f"{one.difference:+.3f}",
            "-" if one.stderr is None else f"{one.stderr:.3f}",
            {True: "higher", False: "lower", None: "-"}[one.higher_is_better],
        )
        for one in found.differences
    ]
    columns = ("task", "metric", "questions", "base", "version", "difference", "std. error", "better is")
    caption = (
        f"{version.name} and {found.base} by lm-eval {found.lm_eval}; the difference is paired by question. "
        "It decides nothing; it is kept and on record (laimark-sidecar show, log)"
    )
    emit(found, lambda: table(columns, rows), caption=caption, as_json=as_json)
