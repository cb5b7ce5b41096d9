from __future__ import annotations

from laimark_sidecar.bench.decisions import gate_record
from laimark_sidecar.bench.results import CellResult, Decision
from laimark_sidecar.bench.scoring import NOTHING


def cell(cycle: int, decision: Decision | None) -> CellResult:
    return CellResult(
        seed=4,
        arm="gated",
        cycle=cycle,
        user="ada",
        prequential=NOTHING,
        similarity=(),
        greedy_exact=(),
        exams={},
        core=NOTHING,
        core_gold=NOTHING,
        decision=decision,
    )


def decided(*failed: str, scale: float, promotions: int) -> Decision:
    return Decision(accepted=not failed, scale=scale, promotions=promotions, failed=failed, metrics={})


def test_decisions_are_counted_and_refusals_told_by_the_checks_that_failed() -> None:
    record = gate_record(
        [
            cell(1, decided("gain", scale=0.25, promotions=0)),
            cell(2, decided(scale=1.0, promotions=1)),
            cell(3, decided("core", "gain", scale=0.25, promotions=1)),
            cell(4, decided(scale=0.5, promotions=2)),
        ]
    )
    assert record is not None
    assert (record.seed, record.promotions, record.refused, record.final_scale) == (4, 2, 2, 0.5)
    assert record.refused_by == {"gain": 2, "core": 1}


def test_where_no_gate_decides_there_is_no_record() -> None:
    assert gate_record([cell(1, None)]) is None


def test_where_nothing_was_accepted_nothing_has_a_scale() -> None:
    record = gate_record([cell(1, decided("gain", scale=0.25, promotions=0))])
    assert record is not None
    assert record.final_scale is None
