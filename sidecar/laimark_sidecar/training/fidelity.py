"""Does the training base compute what the runner computes? Measured in a child: logits of transformers and of llama.cpp.

A base of quantised weights is no exact yardstick: llama.cpp rounds the activations too, to 8 bits. How far that alone
moves the logits of this very model is measured beside, and three times that is allowed.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import LaimarkError, MissingExtraError, TrainingError
from laimark_sidecar.files import make_dir
from laimark_sidecar.llamacpp.crash import child_environment, explain
from laimark_sidecar.training.launch import PARENT_PID_VARIABLE

MODULE = "laimark_sidecar.training.worker.fidelity"
KL_LIMIT, DIFFERENCE_LIMIT = 1e-3, 0.5
"""Nats a token; logits. Right ones stay below 1e-5 and .05 on float weights; a permutation, a scaling or a projection
left out gives .04 to 2.5 and 2 to 12 (measured on tiny models of every family)."""
NOISE_FACTOR = 3.0
"""Measured: right bases lie at .8 to 1.3 times the noise of rounded activations, wrong ones at 13 and more."""
_POLL_S = 0.1


class FidelityStoppedError(LaimarkError):
    """Measuring was asked to stop, and did; no result was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How the logits of a training base differ from the runner's on a fixed text."""

    tokens: int
    """Positions compared."""
    kl: float
    """Mean KL(runner || training base), nats a token."""
    difference: float
    """Largest difference of any logit."""
    noise_kl: float = 0.0
    """The same between the training base and itself with rounded activations; 0 where no weight is quantised."""
    noise_difference: float = 0.0

    def flaw(self) -> str:
        """Return why the base must not be trained on; empty when it may."""
        kl_limit = max(KL_LIMIT, NOISE_FACTOR * self.noise_kl)
        difference_limit = max(DIFFERENCE_LIMIT, NOISE_FACTOR * self.noise_difference)
        # Written so that a NaN is a flaw.
        if self.kl <= kl_limit and self.difference <= difference_limit:
            return ""
        return (
            f"over {self.tokens} tokens the KL is {self.kl:.2g} nats a token (at most {kl_limit:.2g}), "
            f"a logit differs by {self.difference:.2g} (at most {difference_limit:.2g})"
        )


def measure_fidelity(
    folder: Path,
    gguf: Path,
    work: Path,
    *,
    python: str,
    context: int = 512,
    threads: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Fidelity:
    """Compare a training base with the GGUF it was made from, in a child of the training environment; blocks.

    Args:
        folder: the training base, with `vocabulary.gguf`.
        gguf: as the runner serves it.
        work: folder for the result and the child's log; made if it is not there.
        python: interpreter of the environment that has the training packages and llama.cpp.
        context: the runner's, in tokens: some models (phi3) compute something else in a wide window, from the first
            token on.
        threads: of the child; 0 chooses.
        should_stop: asked ten times a second; True ends the child.

    Raises:
        FidelityStoppedError: `should_stop` said so.
        MissingExtraError: `python` lacks a package.
        TrainingError: the child failed; says why.
    """
    make_dir(work)
    result, errors = work / "fidelity.json", work / "fidelity.log"
    result.unlink(missing_ok=True)
    command = [python, "-P", "-m", MODULE, str(folder), str(gguf), str(result), str(context), str(threads)]
    environment = {**child_environment(), PARENT_PID_VARIABLE: str(os.getpid()), "HF_HUB_OFFLINE": "1"}
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    code = _run(command, environment, errors, should_stop)
    reason = explain(code, errors.read_bytes()).removeprefix("error: ") if code else ""
    # The child imports torch first of all, so a missing one has no better word than Python's own.
    if code == MissingExtraError.exit_code or reason.startswith("ModuleNotFoundError"):
        raise MissingExtraError(
            f"{python} cannot compare: {reason}", hint='pip install "laimark-sidecar[train,embedded]"'
        )
    if code:
        raise TrainingError(f"comparing {folder} with {gguf} failed: {reason}", hint=f"details: {errors}")
    try:
        return decode_json(result.read_bytes(), Fidelity)
    except (OSError, MalformedError) as error:
        raise TrainingError(f"comparing {folder} with {gguf} left no result: {error}") from error


def _run(
    command: list[str], environment: dict[str, str], errors: Path, should_stop: Callable[[], bool]
) -> int:
    with errors.open("wb") as log:
        try:
            # A group of its own: Ctrl-C in the terminal reaches the sidecar alone.
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise TrainingError(
                f"cannot start {command[0]!r}: {error.strerror}",
                hint="check `training.python` in the configuration",
            ) from error
        try:
            while child.poll() is None:
                if should_stop():
                    raise FidelityStoppedError("comparing the training base was stopped")
                time.sleep(_POLL_S)
        finally:
            child.kill()
            child.wait()
    return child.returncode
