"""The thresholds that a candidate must meet. Where each comes from is said beside it."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Thresholds of the verdict. Log-prob figures are nats per token unless said otherwise.

    The defaults are those of the configuration's section of the same name, where it has the key.
    """

    min_items: int = 8
    """Held-out items needed to say anything."""
    min_core_items: int = 20
    min_drift_items: int = 8
    alpha: float = 0.05
    """1 - confidence of the gain's interval; see `statistics.level` for the k-th promotion's."""
    core_alpha: float = 0.05
    """The same for core retention and for the comparison with the previous version: not spent by promotions."""
    min_gain: float = 0.0
    """The mean gain must be above this, and its interval above zero."""
    max_core_loss: float = 0.05
    """Non-inferiority: the whole interval of the mean core margin must be above minus this."""
    max_worst_core_loss: float = 1.0
    """The mean of the worst core items must be above minus this: a mean hides one ability that is lost."""
    worst_share: float = 0.05
    """Which share of the core items counts as the worst."""
    kl_alarm: float = 0.3
    """Mean KL(base || candidate) on fixed prompts; sequential LoRA forgets beyond it (arXiv 2606.27634)."""
    kl_stop: float = 0.8
    """The same work found training unstable near this: no smaller scale is worth trying, start afresh."""
    min_entropy_ratio: float = 0.6
    """Entropy of the candidate over the base's: below it, answers collapse into one."""
    max_self_rouge: float = 0.85
    """Likeness of the answers to different prompts: above it, and above the base's own, they have become one."""
    max_logprob_drift: float = 2.0
    """Mean absolute core margin: catches collapse in either direction."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        for name in ("alpha", "core_alpha", "worst_share"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ConfigError(f"gate.{name} is {value}, expected a number between 0 and 1")
        for name in ("min_items", "min_core_items", "min_drift_items"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigError(f"gate.{name} is {value}, expected at least 1")
        if not 0 < self.kl_alarm <= self.kl_stop:
            raise ConfigError(
                f"gate.kl_alarm is {self.kl_alarm}, expected above 0 and at most kl_stop {self.kl_stop}"
            )
