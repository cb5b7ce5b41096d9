"""One answer, token by token, on the thread that owns the base."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.llamacpp.base import Adapter, Base
from laimark_sidecar.llamacpp.logits import log_softmax, top
from laimark_sidecar.llamacpp.vocabulary import Vocabulary
from laimark_sidecar.runners.embedded.sampling import Sampling, choose, generator
from laimark_sidecar.runners.embedded.text import TextStream
from laimark_sidecar.runners.runner import TokenLogprob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Finish = Literal["stop", "length", "aborted", "error"]

# A client that hung up is noticed between these, not after a whole long prompt.
_PROMPT_CHUNK_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """One token's worth of answer. `text` may be empty (half a code point, or held back for a stop string)."""

    text: str
    logprob: TokenLogprob | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The end of an answer; always the last event."""

    finish: Finish
    answer_tokens: int
    error: str = ""
    """Why, where `finish` is `error`."""


Event = Delta | Done


def generate(
    base: Base,
    adapter: Adapter | None,
    prompt: Sequence[int],
    sampling: Sampling,
    cancelled: Callable[[], bool],
) -> Iterator[Event]:
    """Yield an answer's events.

    Every request starts from an empty KV cache. That costs one pass over the whole prompt a turn and buys exactness:
    an answer depends on its own prompt and adapter and on nothing that was asked before.

    Args:
        base: owned by the calling thread.
        adapter: None for the plain base.
        prompt: tokens; must leave room in the context.
        sampling: how to draw.
        cancelled: asked between tokens; True ends the answer as `aborted`.
    """
    base.clear()
    base.set_adapter(adapter)
    logits_v = _read_prompt(base, prompt, cancelled)
    if logits_v is None:
        yield Done(finish="aborted", answer_tokens=0)
        return
    random = generator(sampling)
    stream = TextStream(sampling.stops)
    vocabulary = base.vocabulary
    limit = min(sampling.max_tokens, base.context - len(prompt))
    finish: Finish = "length"
    count = 0
    while count < limit:
        if cancelled():
            finish = "aborted"
            break
        _refuse_nan(base, logits_v)
        token = choose(logits_v, sampling, random)
        logprob = None if sampling.logprobs is None else score(vocabulary, logits_v, token, sampling.logprobs)
        count += 1
        if vocabulary.is_end(token):
            finish = "stop"
            # Reported although it has no text: log-probs of an empty answer must not be empty.
            if logprob is not None:
                yield Delta(text="", logprob=logprob)
            break
        yield Delta(text=stream.push(vocabulary.piece(token)), logprob=logprob)
        if stream.stopped:
            finish = "stop"
            break
        if count < limit:
            logits_v = base.decode([token])[0]
    if rest := stream.finish():
        yield Delta(text=rest)
    yield Done(finish=finish, answer_tokens=count)


def score(
    vocabulary: Vocabulary, logits_v: NDArray[np.float32], token: int, alternatives: int
) -> TokenLogprob:
    """Return a token's log-probability under the model itself (before temperature), with the likeliest alternatives."""
    logprobs_v = log_softmax(logits_v)
    return TokenLogprob(
        token=vocabulary.text(token),
        logprob=float(logprobs_v[token]),
        top=tuple(
            (vocabulary.text(other), float(logprobs_v[other])) for other in top(logprobs_v, alternatives)
        ),
    )


def _read_prompt(
    base: Base, prompt: Sequence[int], cancelled: Callable[[], bool]
) -> NDArray[np.float32] | None:
    logits_v: NDArray[np.float32] | None = None
    for start in range(0, len(prompt), _PROMPT_CHUNK_TOKENS):
        if cancelled():
            return None
        logits_v = base.decode(prompt[start : start + _PROMPT_CHUNK_TOKENS])[0]
    return logits_v


def _refuse_nan(base: Base, logits_v: NDArray[np.float32]) -> None:
    import numpy as np

    if not np.isfinite(logits_v).all():
        # A NaN left in the cache would outlive a plain clear and spoil every later answer.
        base.clear(wipe=True)
        raise RunnerError(
            "the model computed a number that is not finite: the adapter or the base is damaged"
        )
