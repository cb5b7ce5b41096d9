"""The demo's closing words: a table, a picture, the claims; and the same as one JSON object for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from laimark_sidecar.demo.claims import Claim, points
from laimark_sidecar.demo.exam import gains
from laimark_sidecar.demo.scenario import Course
from laimark_sidecar.errors import MissingExtraError
from laimark_sidecar.registry.version import Version
from laimark_sidecar.reports.learning_curve import Point, draw_learning_curve
from laimark_sidecar.validation.statistics import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what was measured, of the base, of the tuned name, and the difference."""

    what: str
    base: str
    tuned: str
    gain: str


def rows(
    course: Course, version: Version | None, margin: Estimate | None, adapter_bytes: int
) -> tuple[Row, ...]:
    """Return the table of results."""
    last = course.rounds[-1]
    exact, similar = gains(course.base_marks, last.marks)
    metrics = version.metrics if version else {}
    return (
        Row(
            what="exact match, held-out files",
            base=f"{100 * course.base_marks.exact_mean:.1f}%",
            tuned=f"{100 * last.marks.exact_mean:.1f}%",
            gain=points(exact),
        ),
        Row(
            what="edit similarity, held-out files",
            base=f"{100 * course.base_marks.similarity_mean:.1f}%",
            tuned=f"{100 * last.marks.similarity_mean:.1f}%",
            gain=points(similar),
        ),
        Row(
            what="right lines, held-out files, margin",
            base="0",
            tuned=f"{margin.mean:+.3f} nats/token" if margin else "-",
            gain=f"95% CI {margin.low:+.3f} to {margin.high:+.3f}, n={margin.n}" if margin else "",
        ),
        Row(
            what="held-out corrections, margin",
            base="0",
            tuned=_nats(metrics, "gain"),
            gain=_interval(metrics, "gain"),
        ),
        Row(
            what="core skills, margin",
            base="0",
            tuned=_nats(metrics, "core"),
            gain=_interval(metrics, "core"),
        ),
        Row(what="core skills, KL to the base", base="0", tuned=_nats(metrics, "kl"), gain=""),
        Row(
            what="an optimiser step",
            base="",
            tuned=f"{last.step_seconds:.2f} s" if last.step_seconds else "-",
            gain="",
        ),
        Row(
            what="size of the adapter",
            base="",
            tuned=f"{adapter_bytes / 1e6:.2f} MB" if adapter_bytes else "-",
            gain="",
        ),
    )


def picture(course: Course, path: Path) -> Path | None:
    """Draw the learning curve; None where matplotlib is not installed."""
    try:
        return draw_learning_curve(curve(course), path, title="held-out files of the user's code")
    except MissingExtraError:
        return None


def curve(course: Course) -> tuple[Point, ...]:
    """Return the base and the state after each cycle; a cycle that promoted nothing leaves the drift where it was."""
    found = [
        Point(
            cycle=0, exact=course.base_marks.exact_mean, similarity=course.base_marks.similarity_mean, kl=0.0
        )
    ]
    kl = 0.0
    for number, one in enumerate(course.rounds, start=1):
        judgement = one.cycle.judgement()
        if one.closed.ending == "promoted" and judgement:
            kl = judgement.verdict.metrics.get("kl", kl)
        found.append(
            Point(cycle=number, exact=one.marks.exact_mean, similarity=one.marks.similarity_mean, kl=kl)
        )
    return tuple(found)


def summary(
    course: Course,
    version: Version | None,
    margin: Estimate | None,
    found: tuple[Claim, ...],
    *,
    seconds: float,
) -> dict[str, object]:
    """Return everything as plain values, for the JSON line."""
    exact, similar = gains(course.base_marks, course.rounds[-1].marks)
    return {
        "seconds": round(seconds, 1),
        "exam_items": len(course.base_answers),
        "base": {"exact": course.base_marks.exact_mean, "similarity": course.base_marks.similarity_mean},
        "rounds": [
            {
                "asked": one.session.asked,
                "right": one.session.right,
                "corrected": one.session.corrected,
                "ending": one.closed.ending,
                "version": one.closed.version,
                "exact": one.marks.exact_mean,
                "similarity": one.marks.similarity_mean,
                "cycle_seconds": round(one.seconds, 1),
                "step_seconds": round(one.step_seconds, 3),
            }
            for one in course.rounds
        ],
        "gain_exact": asdict(exact),
        "gain_similarity": asdict(similar),
        "gain_margin": asdict(margin) if margin else None,
        "metrics": version.metrics if version else {},
        "claims": [asdict(claim) for claim in found],
    }


def _nats(metrics: dict[str, float], key: str) -> str:
    return f"{metrics[key]:+.3f} nats/token" if key in metrics else "-"


def _interval(metrics: dict[str, float], key: str) -> str:
    low, high = metrics.get(f"{key}_low"), metrics.get(f"{key}_high")
    return "" if low is None or high is None else f"95% CI {low:+.3f} to {high:+.3f}"
