"""The gate's checks, one function each: a figure, a threshold, and a sentence that a user understands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.validation.evidence import Evidence, unmeasurable
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.statistics import Estimate, estimate, worst_mean

Check = Literal[
    "measurable",
    "enough",
    "gain",
    "previous",
    "core",
    "worst_core",
    "kl",
    "entropy_ratio",
    "self_rouge",
    "logprob_drift",
    "promotion",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One check's outcome. `text` is a sentence for the user; it names items by id, never their content."""

    check: Check
    passed: bool
    value: float
    threshold: float
    text: str


def measurable(evidence: Evidence) -> Reason:
    """Every figure must be a finite number: a broken adapter answers NaN."""
    broken = unmeasurable(evidence)
    return Reason(
        check="measurable",
        passed=not broken,
        value=len(broken),
        threshold=0,
        text=f"{len(broken)} items have no finite score, the first is {broken[0]}: the adapter is broken"
        if broken
        else "every item could be scored",
    )


def enough(evidence: Evidence, gate: Gate) -> Reason:
    """There must be enough items of each kind; the one that is shortest of its minimum is named."""
    counts = (
        (len(evidence.heldout), gate.min_items, "held-out items"),
        (len(evidence.core), gate.min_core_items, "core items"),
        (len(evidence.drift), gate.min_drift_items, "drift prompts"),
    )
    have, need, kind = min(counts, key=lambda count: count[0] / count[1])
    passed = have >= need
    text = f"enough evidence: {have} {kind}" if passed else f"not enough evidence: {have} of {need} {kind}"
    return Reason(check="enough", passed=passed, value=have, threshold=need, text=text)


def gain(found: Estimate, gate: Gate) -> Reason:
    """Held-out items must have become likelier: by more than `min_gain`, and surely by more than nothing."""
    surely = found.low > 0 and (found.method == "bootstrap" or found.p <= gate.alpha)
    verb = "improved by" if found.mean > 0 else "got worse by"
    return Reason(
        check="gain",
        passed=found.mean > gate.min_gain and surely,
        value=found.mean,
        threshold=gate.min_gain,
        text=f"held-out items {verb} {abs(found.mean):.2f} nats/token ({interval(found)})",
    )


def previous(evidence: Evidence, gate: Gate) -> Reason | None:
    """What serves now must not be significantly better on the held-out items; None where it is the base."""
    steps = [
        (item.candidate - item.previous) / item.tokens
        for item in evidence.heldout
        if item.previous is not None
    ]
    if len(steps) < gate.min_items:
        return None
    found = estimate(steps, alpha=gate.core_alpha, seed=gate.seed)
    passed = found.high >= 0
    text = "no worse than the version that serves now" if passed else "worse than the version that serves now"
    return Reason(
        check="previous",
        passed=passed,
        value=found.mean,
        threshold=0.0,
        text=f"{text} ({interval(found, shown=True)})",
    )


def core(found: Estimate, gate: Gate) -> Reason:
    """Non-inferiority: what the base could do must surely not have become less likely than the margin allows."""
    return Reason(
        check="core",
        passed=found.low >= -gate.max_core_loss,
        value=found.mean,
        threshold=-gate.max_core_loss,
        text=f"core items changed by {found.mean:+.2f} nats/token ({interval(found)}; "
        f"surely not below {-gate.max_core_loss:g} is needed)",
    )


def worst_core(evidence: Evidence, gate: Gate) -> Reason:
    """The worst core items on average must not have lost too much: a mean hides one ability that is gone."""
    value = worst_mean([item.margin for item in evidence.core], share=gate.worst_share)
    return Reason(
        check="worst_core",
        passed=value >= -gate.max_worst_core_loss,
        value=value,
        threshold=-gate.max_worst_core_loss,
        text=f"the worst {gate.worst_share:.0%} of the core items changed by {value:+.2f} nats/token "
        f"(at least {-gate.max_worst_core_loss:g} is needed)",
    )


def kl(evidence: Evidence, gate: Gate) -> Reason:
    """The candidate must stay near the base on fixed prompts. The mean is over positions, not over prompts."""
    positions = sum(score.tokens for score in evidence.drift)
    value = math.fsum(score.kl * score.tokens for score in evidence.drift) / positions
    text = f"distance to the base is {value:.3f} nats/token (KL; at most {gate.kl_alarm:g} is allowed)"
    if value > gate.kl_stop:
        text += f", beyond the hard stop at {gate.kl_stop:g}"
    return Reason(check="kl", passed=value <= gate.kl_alarm, value=value, threshold=gate.kl_alarm, text=text)


def entropy(evidence: Evidence, gate: Gate) -> Reason:
    """Answers must stay as varied as the base's; a base without any entropy has nothing to lose."""
    base = math.fsum(score.entropy_base * score.tokens for score in evidence.drift)
    candidate = math.fsum(score.entropy_candidate * score.tokens for score in evidence.drift)
    value = candidate / base if base > 0 else 1.0
    return Reason(
        check="entropy_ratio",
        passed=value >= gate.min_entropy_ratio,
        value=value,
        threshold=gate.min_entropy_ratio,
        text=f"answers are {value:.2f} times as varied as the base's (entropy; at least "
        f"{gate.min_entropy_ratio:g} is needed)",
    )


def self_rouge(evidence: Evidence, gate: Gate) -> Reason | None:
    """Answers to different prompts must differ, as far as the base's own do; None where they were not asked for."""
    base, value = evidence.sameness_base, evidence.sameness_candidate
    if base is None or value is None:
        return None
    threshold = max(gate.max_self_rouge, base)
    return Reason(
        check="self_rouge",
        passed=value <= threshold,
        value=value,
        threshold=threshold,
        text=f"answers to different prompts are {value:.2f} alike (ROUGE-L; the base's {base:.2f}; at most "
        f"{threshold:.2f} is allowed)",
    )


def logprob_drift(evidence: Evidence, gate: Gate) -> Reason:
    """Core items must not have moved far either way: certainty about everything is a collapse too."""
    value = math.fsum(abs(item.margin) for item in evidence.core) / len(evidence.core)
    return Reason(
        check="logprob_drift",
        passed=value <= gate.max_logprob_drift,
        value=value,
        threshold=gate.max_logprob_drift,
        text=f"core items moved by {value:.2f} nats/token either way (at most {gate.max_logprob_drift:g} is allowed)",
    )


def interval(found: Estimate, *, shown: bool = False) -> str:
    """Return `95% CI 0.22 to 0.61, n=23`; with `shown`, the mean in front."""
    mean = f"{found.mean:+.2f} nats/token, " if shown else ""
    if not math.isfinite(found.low):
        return f"{mean}n={found.n} is too few for an interval"
    return f"{mean}{100 * found.confidence:.3g}% CI {found.low:.2f} to {found.high:.2f}, n={found.n}"
