"""Judges a registered version again: the data has grown, or somebody doubts it. Changes nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.judge import MAX_HELDOUT, gate_of, measure
from laimark_sidecar.pipeline.readiness import judges
from laimark_sidecar.pipeline.workshop import Report, Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.validation.verdict import Verdict, judge


def revalidate(workshop: Workshop, version: Version, *, report: Report) -> Verdict:
    """Score the version's GGUF against the frozen base on today's held-out items and judge.

    Raises:
        BaseChangedError: it was made for another base than the configured one.
        RunnerError: its file cannot be loaded.
    """
    require_same(version.base, workshop.base.identity, where=version.name)
    with workshop.store() as store, tempfile.TemporaryDirectory(prefix="laimark-validate-") as folder:
        evidence = measure(
            workshop,
            list(judges(workshop, store, limit=MAX_HELDOUT)),
            workshop.registry.objects.path(version.objects["adapter.gguf"]),
            None,
            work=Path(folder) / "scoring",
            scale=version.scale,
            report=report,
            should_stop=lambda: False,
        )
    return judge(evidence, gate_of(workshop))
