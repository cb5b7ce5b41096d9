"""The first cycle of a base makes its core set of the shipped prompts: the demo's lines of Python say little of another base."""

from __future__ import annotations

import logging

from laimark_sidecar.errors import DataError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.core import core_file
from laimark_sidecar.pipeline.core_build import build, choose
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop

log = logging.getLogger(__name__)


def is_first(workshop: Workshop) -> bool:
    """Say whether this base has neither a core set nor a version that was judged by another one."""
    base = workshop.base
    return core_file(base)[1] == "demo" and not any(
        one.base.sha256 == base.identity.sha256 for one in workshop.registry.versions()
    )


def ensure_core(workshop: Workshop, *, report: Report, should_stop: ShouldStop) -> None:
    """Build the core set before a base's first cycle; a base that has versions keeps the yardstick they were judged by.

    Of shipped prompts alone: that the user's own questions are kept a second time is his to ask for (`core build`). A base
    that cannot answer them is judged by the demo's, and the log says why.

    Raises:
        Yielded: `should_stop` said so; nothing was written.
        RunnerError: the base cannot be loaded.
        LockedError: another build is at work.
    """
    if not is_first(workshop):
        return
    try:
        build(workshop, choose(workshop, most_own=0), report=report, should_stop=should_stop)
    except DataError as error:
        log.warning("no core set of this base: %s", error, extra=action("core.unanswered"))
