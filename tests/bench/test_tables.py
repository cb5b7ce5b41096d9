from __future__ import annotations

from laimark_sidecar.bench.report import ArmReport, Report, Spread
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.tables import comparison_table, heading, results_table
from laimark_sidecar.validation.statistics import Estimate


def arm(name: str, *scores: float, against: Estimate | None = None) -> ArmReport:
    return ArmReport(
        arm=name,
        seeds=tuple(range(len(scores))),
        final={"score": Spread(mean=sum(scores) / len(scores), by_seed=scores)},
        curve=(),
        seconds_a_cycle=1.25,
        score_against_reference=against,
    )


def test_the_best_score_stands_first_with_its_spread_over_the_seeds() -> None:
    lines = results_table([arm("plain", 0.25), arm("replay", 0.5, 0.75)]).splitlines()
    assert lines[2].startswith("| `replay` | 2 | 0.6250 ± 0.1768 |")
    assert lines[3].startswith("| `plain` | 1 | 0.2500 |")
    assert lines[2].endswith("| 1.2 |")


def test_a_difference_has_its_sign_and_interval_and_the_reference_no_row() -> None:
    less = Estimate(mean=-0.01, low=-0.02, high=0.005, p=0.9, n=40, confidence=0.95, method="bootstrap")
    text = comparison_table([arm("replay+input", 0.5), arm("plain", 0.4, against=less)], "replay+input")
    assert text.splitlines()[2:] == ["| `plain` | -0.0100 (-0.0200 to +0.0050) |  |"]


def test_the_heading_says_what_is_not_finished() -> None:
    found = Report(
        settings=Settings(base="tiny", cycles=4),
        reference="replay+input",
        arms=(),
        unfinished={"plain/1": 3},
        minutes=12.4,
        torch="2.9",
        processor="x86_64",
    )
    text = heading(found)
    assert text.startswith("# Learning, 4 cycles\n")
    assert "on `tiny`" in text
    assert text.endswith("Not finished: plain/1 (3).")
