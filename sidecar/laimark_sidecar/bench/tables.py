"""The report as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from laimark_sidecar.bench.plan import UNSEEN_UNKNOWN, counted
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
    ("style_f1", "style F1", 3),
    ("core_token_gain", "core tokens right", 3),
    ("core_kept", "core kept", 3),
    ("core_margin", "core margin, nats", 3),
    ("kl", "KL to base", 4),
    ("backward_transfer", "backward transfer, nats", 3),
)


_SHORT = (
    ("score", "score", 4),
    ("score_nats", "in nats", 3),
    ("personal_gain", "gain, nats", 3),
    ("style_f1", "style F1", 3),
    ("core_margin", "core margin, nats", 3),
    ("kl", "KL", 4),
    ("backward_transfer", "backward, nats", 3),
)
"""For a terminal."""
_DRIFT = (
    ("kl", "KL to the base on core prompts that nobody trains on, nats", 4),
    ("core_token_gain", "core tokens right, less the base's", 4),
    ("library_token_gain", "library tokens right, less the base's", 4),
)
_MOST_CYCLES = 10


def markdown(report: Report) -> str:
    """Return the whole report."""
    parts = [
        heading(report),
        results_table(report.arms),
        comparison_table(report.arms, report.reference),
        *(f"## {title}\n\n{table}" for title, table in drift_tables(report.arms)),
    ]
    if any(arm.gate for arm in report.arms):
        parts.append(f"## What the gate decided\n\n{decisions_table(report.arms)}")
    return "\n\n".join(parts) + "\n"


def summary_table(arms: Sequence[ArmReport]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return columns and rows for a terminal: every arm after the last cycle, the best score first."""
    fields = [one for one in _SHORT if any(one[0] in arm.final for arm in arms)]
    rows = tuple(
        (arm.arm, *(_figure(arm, field, digits) for field, _, digits in fields), _gate(arm))
        for arm in sorted(arms, key=lambda arm: -arm.final["score"].mean)
    )
    return ("arm", *(title for _, title, _ in fields), "gate"), rows


def drift_tables(arms: Sequence[ArmReport]) -> list[tuple[str, str]]:
    """Return title and table of what is lost over the cycles; of many cycles a few, the first and the last among them."""
    cycles = sorted({int(point["cycle"]) for arm in arms for point in arm.curve})
    shown = _thinned(cycles)
    found = []
    for field, title, digits in _DRIFT:
        rows = []
        for arm in arms:
            at = {int(point["cycle"]): point[field] for point in arm.curve if field in point}
            if at:
                figures = [f"{at[cycle]:.{digits}f}" if cycle in at else "" for cycle in shown]
                rows.append([f"`{arm.arm}`", *figures])
        if rows:
            found.append((title, _table(["arm", *(f"cycle {cycle}" for cycle in shown)], rows)))
    return found


def decisions_table(arms: Sequence[ArmReport]) -> str:
    """Return what the gate did in each seed of each arm that has one."""
    rows = [
        [
            f"`{arm.arm}`",
            str(record.seed),
            str(record.promotions),
            str(record.refused),
            ", ".join(f"{check} {count}" for check, count in record.refused_by.items()),
            "" if record.final_scale is None else f"{record.final_scale:g}",
        ]
        for arm in arms
        for record in arm.gate
    ]
    return _table(["arm", "seed", "promotions", "refused", "refused by", "final scale"], rows)


def heading(report: Report) -> str:
    """Return what the figures are of, and what is not finished."""
    settings = report.settings
    lines = [
        f"# Learning, {settings.cycles} cycles",
        "",
        f"`laimark-sidecar bench --cycles {settings.cycles}` on `{settings.base}`: {settings.tasks} tasks and "
        f"{settings.steps} steps of {settings.batch} a cycle, another user every {counted(settings.stay, 'cycle')}, rank {settings.rank}, "
        f"peak rate {settings.learning_rate:g}, budget of the governor {settings.kl_soft:g} nats. "
        f"torch {report.torch}, {report.processor}; {report.minutes:.0f} minutes of work. "
        "What the columns mean is defined in `laimark_sidecar/bench/metrics.py`. "
        "± is the standard deviation over seeds, brackets are 95% intervals over items.",
    ]
    if report.unseen is False:
        lines += ["", UNSEEN_UNKNOWN]
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


def _thinned(cycles: Sequence[int]) -> list[int]:
    if len(cycles) <= _MOST_CYCLES:
        return list(cycles)
    step = (len(cycles) - 1) / (_MOST_CYCLES - 1)
    return [cycles[round(number * step)] for number in range(_MOST_CYCLES)]


def _gate(arm: ArmReport) -> str:
    accepted, refused = (sum(getattr(one, name) for one in arm.gate) for name in ("promotions", "refused"))
    return f"{accepted} accepted, {refused} refused" if arm.gate else ""


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
