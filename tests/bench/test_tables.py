from __future__ import annotations

from dataclasses import replace

from laimark_sidecar.bench.decisions import GateRecord
from laimark_sidecar.bench.report import ArmReport, Report, Spread
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.tables import (
    comparison_table,
    decisions_table,
    drift_tables,
    heading,
    results_table,
    summary_table,
)
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


def test_drift_is_shown_for_a_few_cycles_the_first_and_the_last_among_them() -> None:
    curve = tuple({"cycle": float(n), "kl": n / 1000, "core_token_gain": -n / 100} for n in range(1, 101))
    one = replace(arm("plain", 0.5), curve=curve)
    (kl_title, kl), (_, core) = drift_tables([one])
    header, _, row = kl.splitlines()
    assert kl_title.startswith("KL to the base")
    assert header.startswith("| arm | cycle 1 |")
    assert header.endswith("| cycle 100 |")
    assert len(header.split("|")) == 13
    assert row.startswith("| `plain` | 0.0010 |")
    assert core.splitlines()[2].endswith("| -1.0000 |")


def test_decisions_are_shown_seed_by_seed_and_summed_up_for_a_terminal() -> None:
    records = tuple(
        GateRecord(seed=seed, promotions=3, refused=1, refused_by={"gain": 1}, final_scale=0.75)
        for seed in (0, 1)
    )
    gated = replace(arm("gated", 0.5), gate=records)
    assert decisions_table([gated]).splitlines()[2:] == [
        f"| `gated` | {seed} | 3 | 1 | gain 1 | 0.75 |" for seed in (0, 1)
    ]
    columns, rows = summary_table([arm("plain", 0.25), gated])
    assert columns == ("arm", "score", "gate")
    assert rows == (("gated", "0.5000", "6 accepted, 2 refused"), ("plain", "0.2500", ""))
