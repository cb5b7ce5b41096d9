"""Numbers from logits. Suffixes: t positions, v vocabulary; natural logarithms throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return log-probabilities over the last axis, in float64: `x - max - log(sum(exp(x - max)))`."""
    import numpy as np

    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def top(logprobs_v: NDArray[np.float64], count: int) -> list[int]:
    """Return the ids of the `count` most likely tokens, most likely first, equal ones by id."""
    import numpy as np

    count = min(count, logprobs_v.shape[-1])
    if count <= 0:
        return []
    candidates = np.argpartition(-logprobs_v, count - 1)[:count]
    return sorted((int(token) for token in candidates), key=lambda token: (-float(logprobs_v[token]), token))


def entropy(logprobs_tv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of every position in nats, `[T]`."""
    import numpy as np

    result: NDArray[np.float64] = -(np.exp(logprobs_tv) * logprobs_tv).sum(axis=-1)
    return result


def kl(base_tv: NDArray[np.float64], other_tv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return KL(base || other) of every position in nats, `[T]`, over the full vocabulary."""
    import numpy as np

    result: NDArray[np.float64] = (np.exp(base_tv) * (base_tv - other_tv)).sum(axis=-1)
    return result
