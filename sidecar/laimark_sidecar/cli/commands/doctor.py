"""`laimark-sidecar doctor`: is this machine ready, and what is missing?"""

from __future__ import annotations

import click

from laimark_sidecar.cli.output import emit, json_option
from laimark_sidecar.paths import home

MARKS = {"ok": "✓", "warning": "!", "error": "✗"}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Say whether this machine is ready, and what is missing. Ends with 1 if something is."""
    from laimark_sidecar.pipeline.diagnosis import diagnose

    findings = diagnose(home())
    lines = [
        f"{MARKS[finding.state]} {finding.what}" + (f"\n    fix: {finding.fix}" if finding.fix else "")
        for finding in findings
    ]
    emit(findings, lambda: "\n".join(lines), as_json=as_json)
    if any(finding.state == "error" for finding in findings):
        raise click.exceptions.Exit(1)
