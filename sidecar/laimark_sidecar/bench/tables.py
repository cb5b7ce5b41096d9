"""The report as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from laimark_sidecar.validation.statistics import Estimate

if TYPE_CHECKING:
    from laimark_sidecar.bench.report import ArmReport, Report

_COLUMNS = (
    ("score", "(user + core) / 2", 4),
    ("score_nats", "in nats", 3),
    ("personal_gain", "personal gain, nats", 3),
    ("personal_gain_unseen", "of unseen lines", 3),
    ("token_gain", "tokens right", 3),
    ("exact_gain", "exact", 3),
    ("prequential_gain", "prequential gain, nats", 3),
    ("prequential_similarity_gain", "similarity", 3),
    ("core_token_gain", "core tokens right", 3),
    ("core_kept", "core kept", 3),
    ("core_margin", "core margin, nats", 3),
    ("kl", "KL to base", 4),
    ("backward_transfer", "backward transfer, nats", 3),
)


def heading(report: Report) -> str:
    """Return what the figures are of, and what is not finished."""
    settings = report.settings
    lines = [
        f"# Learning, {settings.cycles} cycles",
        "",
        f"`python -m scripts.bench_learning --cycles {settings.cycles}` on `{settings.base}`: {settings.tasks} tasks and "
        f"{settings.steps} steps of {settings.batch} a cycle, another user every {settings.stay} cycles, rank {settings.rank}, "
        f"peak rate {settings.learning_rate:g}, budget of the governor {settings.kl_soft:g} nats. "
        f"torch {report.torch}, {report.processor}; {report.minutes:.0f} minutes of work. "
        "What the columns mean is defined in `laimark_sidecar/bench/metrics.py`. "
        "± is the standard deviation over seeds, brackets are 95% intervals over items.",
    ]
    if report.unfinished:
        lines += [
            "",
            f"Not finished: {', '.join(f'{name} ({cells})' for name, cells in report.unfinished.items())}.",
        ]
    return "\n".join(lines)


def results_table(arms: Sequence[ArmReport]) -> str:
    """Return every arm after the last cycle, the best score first; ± is the standard deviation over seeds."""
    rows = [
        [
            f"`{arm.arm}`",
            str(len(arm.seeds)),
            *(_figure(arm, field, digits) for field, _, digits in _COLUMNS),
            f"{arm.seconds_a_cycle:.1f}",
        ]
        for arm in sorted(arms, key=lambda arm: -arm.final["score"].mean)
    ]
    return _table(["arm", "seeds", *(title for _, title, _ in _COLUMNS), "s a cycle"], rows)


def comparison_table(arms: Sequence[ArmReport], reference: str) -> str:
    """Return each arm's scores less the reference's, with 95% intervals over items."""
    rows = [
        [f"`{arm.arm}`", _interval(arm.score_against_reference, 4), _interval(arm.nats_against_reference, 3)]
        for arm in sorted(arms, key=lambda arm: -arm.final["score"].mean)
        if arm.arm != reference
    ]
    return _table([f"arm less `{reference}`", "(user + core) / 2", "in nats"], rows)


def _figure(arm: ArmReport, field: str, digits: int) -> str:
    if field not in arm.final:
        return ""
    spread = arm.final[field]
    deviation = f" ± {spread.deviation:.{digits}f}" if len(spread.by_seed) > 1 else ""
    return f"{spread.mean:.{digits}f}{deviation}"


def _interval(found: Estimate | None, digits: int) -> str:
    if found is None:
        return ""
    return f"{found.mean:+.{digits}f} ({found.low:+.{digits}f} to {found.high:+.{digits}f})"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
