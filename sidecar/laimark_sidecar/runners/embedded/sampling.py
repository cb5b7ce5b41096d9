"""Which token comes next: a pure function of the logits, the settings and a seeded generator. Suffix v: vocabulary."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_TEMPERATURE = 0.8
"""Small local models ramble at OpenAI's 1.0; this and the next two are llama-server's defaults."""
DEFAULT_TOP_P = 0.95
DEFAULT_TOP_K = 40
_GREEDY_BELOW = 1e-6
"""Logits divided by less overflow, and the probabilities would be NaN; the argmax is what such a setting asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How an answer is drawn."""

    max_tokens: int
    temperature: float = DEFAULT_TEMPERATURE
    """0 (or below 1e-6) is greedy: the same prompt gives the same answer."""
    top_p: float = DEFAULT_TOP_P
    top_k: int = DEFAULT_TOP_K
    """0 switches it off."""
    seed: int | None = None
    stops: tuple[str, ...] = ()
    logprobs: int | None = None
    """How many alternatives to report a token; None reports nothing, 0 only the token itself."""


def generator(sampling: Sampling) -> np.random.Generator:
    """Return the generator of one answer: equal seeds, equal answers; without a seed every answer is new."""
    import numpy as np

    return np.random.default_rng(secrets.randbits(63) if sampling.seed is None else abs(sampling.seed))


def choose(logits_v: NDArray[np.float32], sampling: Sampling, random: np.random.Generator) -> int:
    """Return the next token: the argmax at temperature 0, else drawn after top-k, then temperature, then top-p."""
    import numpy as np

    if sampling.temperature < _GREEDY_BELOW:
        return int(logits_v.argmax())
    size = logits_v.shape[0]
    kept = min(sampling.top_k, size) if sampling.top_k > 0 else size
    ids = np.argpartition(-logits_v, kept - 1)[:kept] if kept < size else np.arange(size)
    ids = ids[np.argsort(-logits_v[ids], kind="stable")]
    scaled = logits_v[ids].astype(np.float64) / sampling.temperature
    weights = np.exp(scaled - scaled[0])
    probabilities = weights / weights.sum()
    # The token that crosses top_p stays in, so at least one always does.
    nucleus = int(np.searchsorted(np.cumsum(probabilities), sampling.top_p) + 1)
    probabilities = probabilities[:nucleus]
    return int(random.choice(ids[:nucleus], p=probabilities / probabilities.sum()))
