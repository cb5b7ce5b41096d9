"""`laimark-sidecar check`: every ref, version and object, the buffer, the cycles, and what the runner serves."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option


@click.command()
@click.option("--repair", is_flag=True, help="Write lost or damaged refs anew from the reflog first.")
@json_option
def command(repair: bool, as_json: bool) -> None:
    """Verify every file of the home against its digest. Ends with 5 if something promised is lost."""
    from laimark_sidecar.errors import StateError
    from laimark_sidecar.pipeline.checkup import checkup

    opened = workshop()
    if repair:
        opened.registry.rebuild_refs()
    problems = checkup(opened)
    lines = [
        f"{'✗' if problem.severity == 'error' else '!'} {problem.where}: {problem.message}\n    fix: {problem.hint}"
        for problem in problems
    ]
    emit(problems, lambda: "\n".join(lines) if lines else "✓ nothing wrong", as_json=as_json)
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        raise StateError(f"{errors} errors in {opened.home.root}", hint="each line above says how to mend it")
