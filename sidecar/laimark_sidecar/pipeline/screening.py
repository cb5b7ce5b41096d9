"""What the configuration, and what the user said in review, allow to be learned."""

from __future__ import annotations

from laimark_sidecar.experience.privacy.rule import PERSONAL
from laimark_sidecar.experience.screening import Policy
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.store import ReplayStore


def policy_of(workshop: Workshop, store: ReplayStore) -> Policy:
    """Return the policy of this home; secrets are never allowed, whatever it says."""
    privacy = workshop.config.privacy
    allowed = (word.strip().lower() for word in privacy.allow.split(","))
    return Policy(
        keep=frozenset(group for group in PERSONAL if getattr(privacy, group) == "keep"),
        allow=tuple(word for word in allowed if word),
        keep_numbers=privacy.numbers == "keep",
        is_false_alarm=store.review.is_false_alarm,
    )
