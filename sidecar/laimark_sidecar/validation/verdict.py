"""May this candidate serve? Every check gives a reason in words, passed or not; all must pass.

The yardstick is the frozen base, never only the version before: small hidden losses against a moving yardstick add
up without end. The previous version is a second one: what serves now must not get significantly worse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from laimark_sidecar.validation import checks
from laimark_sidecar.validation.checks import Reason
from laimark_sidecar.validation.evidence import Evidence
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.held_out_sets import HeldOutSet
from laimark_sidecar.validation.ladder import Answer
from laimark_sidecar.validation.statistics import Estimate, estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome with all its reasons."""

    accepted: bool
    reasons: tuple[Reason, ...]
    metrics: dict[str, float]
    """Finite figures only, because they are kept as JSON with the version.

    `gain` and `core` (means, with `_low`, `_high`, `_p`), `previous`, `worst_core`, `kl`, `entropy_ratio`,
    `self_rouge` where it was asked for, `logprob_drift`, `exact_base`, `exact_candidate`, the numbers of items and the scale; only the last two where
    the evidence was not enough. Of the promotion set `promotion_items` and `promotion_best` (see `ladder`), where it
    was asked.
    """
    hard: bool = False
    """Rejected for good: no smaller scale of this adapter is worth a try; train afresh from the base."""
    sets: tuple[HeldOutSet, ...] = ("screen",)
    """Which held-out sets were asked, in this order."""

    @property
    def summary(self) -> str:
        """`accepted`, or the failed checks' sentences."""
        return "accepted" if self.accepted else "; ".join(r.text for r in self.reasons if not r.passed)


def judge(evidence: Evidence, thresholds: Gate) -> Verdict:
    """Judge one candidate. Equal evidence and thresholds give an equal verdict.

    Evidence that is not finite, or is too little, rejects before anything is computed from it.
    """
    counts = {
        "heldout_items": float(len(evidence.heldout)),
        "core_items": float(len(evidence.core)),
        "drift_items": float(len(evidence.drift)),
        "scale": evidence.scale,
    }
    first = (checks.measurable(evidence), checks.enough(evidence, thresholds))
    if not all(reason.passed for reason in first):
        return Verdict(accepted=False, reasons=first, metrics=counts)
    gain = estimate([item.margin for item in evidence.heldout], alpha=thresholds.alpha, seed=thresholds.seed)
    core = estimate(
        [item.margin for item in evidence.core], alpha=thresholds.core_alpha, seed=thresholds.seed
    )
    previous = checks.previous(evidence, thresholds)
    sameness = checks.self_rouge(evidence, thresholds)
    drift = (
        checks.worst_core(evidence, thresholds),
        checks.kl(evidence, thresholds),
        checks.entropy(evidence, thresholds),
        *((sameness,) if sameness else ()),
        checks.logprob_drift(evidence, thresholds),
    )
    compared = (
        checks.gain(gain, thresholds),
        *((previous,) if previous else ()),
        checks.core(core, thresholds),
    )
    reasons = (*first, *compared, *drift)
    return Verdict(
        accepted=all(reason.passed for reason in reasons),
        reasons=reasons,
        metrics={
            **counts,
            **_figures("gain", gain),
            **_figures("core", core),
            **{reason.check: reason.value for reason in (*drift, *((previous,) if previous else ()))},
            "exact_base": sum(item.exact_base for item in evidence.heldout) / len(evidence.heldout),
            "exact_candidate": sum(item.exact_candidate for item in evidence.heldout) / len(evidence.heldout),
        },
        hard=any(reason.check == "kl" and reason.value > thresholds.kl_stop for reason in reasons),
    )


def confirmed(verdict: Verdict, answer: Answer) -> Verdict:
    """Return the screen's verdict after the promotion set was asked too; it can only become a refusal."""
    return replace(
        verdict,
        accepted=verdict.accepted and answer.passed,
        reasons=(*verdict.reasons, answer.reason),
        metrics={
            **verdict.metrics,
            "promotion_items": float(answer.items),
            "promotion_best": answer.best,
        },
        sets=(*verdict.sets, "promotion"),
    )


def _figures(name: str, found: Estimate) -> dict[str, float]:
    figures = {name: found.mean, f"{name}_p": found.p}
    if found.low > float("-inf"):
        figures |= {f"{name}_low": found.low, f"{name}_high": found.high}
    return figures
