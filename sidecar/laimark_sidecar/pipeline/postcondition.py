"""Did the name really change what answers? The runner is asked, and compared with what the validated file answered."""

from __future__ import annotations

from collections.abc import Sequence

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner
from laimark_sidecar.validation.fingerprint import FINGERPRINT_TOP, Fingerprint, distance, read_fingerprint

TOLERANCE_NATS = 0.05
"""The same file differs by rounding between thread counts (1e-3); another adapter by tenths and more (runners.md)."""


def verify(runner: Runner, version: Version, *, merged: Sequence[Fingerprint] = ()) -> float:
    """Ask the runner for `version` and return how far its answer is from the validated one, in nats.

    Args:
        runner: serves the version.
        version: what must answer.
        merged: what its merged models answered when they were made: as good an answer as its own.

    Raises:
        RunnerError: it answers something else: not this adapter, or not on this base.
    """
    expected = read_fingerprint(version.expected)
    reply = runner.generate(
        version.name,
        (Message(role="user", content=expected.prompt),),
        max_tokens=len(expected.tokens),
        logprobs=FINGERPRINT_TOP,
    )
    found = min(distance(one, reply.tokens) for one in (expected, *merged))
    if found > TOLERANCE_NATS:
        raise RunnerError(
            f"the runner does not answer as {version.name} did when it was validated: "
            f"log-probs differ by {found:.3f} nats, at most {TOLERANCE_NATS} expected",
            hint="nothing was switched; see: laimark-sidecar doctor",
        )
    return found
