"""Scores one item after another on a loaded base. Runs in the scorer's child process.

Suffixes: t target positions, v vocabulary. Natural logarithms, nats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Adapter, Base
from laimark_sidecar.llamacpp.logits import entropy, kl, log_softmax, top
from laimark_sidecar.llamacpp.prompts import RenderedPrompts
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate, PromptTemplate
from laimark_sidecar.validation.fingerprint import (
    FINGERPRINT_PROMPT,
    FINGERPRINT_TOKENS,
    FINGERPRINT_TOP,
    Fingerprint,
    FingerprintToken,
)
from laimark_sidecar.validation.score_job import (
    Answer,
    Candidate,
    ItemScore,
    KlScore,
    ScoreItem,
    ScoreJob,
    ScoreProgress,
    Scores,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KL_ANSWER_TOKENS = 48
_NO_MODELS: Mapping[str, Base] = {}
# Bounds the float64 copies: 64 positions of a vocabulary of 150,000 are 77 MB each.
_CHUNK_POSITIONS = 64


class Scoring:
    """A base with every candidate's adapter loaded; one candidate is applied at a time.

    Args:
        base: owned by the caller, who says what the prompts are.
        candidates: adapters are loaded at once, so that a bad one fails before hours of scoring.
        prompts: the runner's own renderings; None: the base's template makes the prompts.
        models: the merged models that candidates name, by path; owned by the caller.

    Raises:
        RunnerError: an adapter does not load.
        DataError: the base has no usable chat template, or it (or `prompts`) does not render the fingerprint's prompt.
    """

    def __init__(
        self,
        base: Base,
        candidates: Sequence[Candidate],
        *,
        models: Mapping[str, Base] = _NO_MODELS,
        prompts: PromptTemplate | None = None,
    ) -> None:
        self._base = base
        self._models = models
        for path, model in models.items():
            if model.vocabulary.size != base.vocabulary.size:
                raise DataError(
                    f"{path} has {model.vocabulary.size} tokens, the base {base.vocabulary.size}: it is of another model"
                )
        self._vocabulary = base.vocabulary
        self._template: PromptTemplate = prompts or ChatTemplate(
            base.template, bos=base.vocabulary.bos, eos=base.vocabulary.eos, clock=REFERENCE_CLOCK
        )
        # Made at once, as the adapters are loaded: what renders nothing must not fail after hours of scoring.
        self._fingerprint_prompt = self._prompt((Message(role="user", content=FINGERPRINT_PROMPT),))
        self._candidates = candidates
        self._adapters: dict[str, Adapter] = {}
        for path in {candidate.adapter_gguf for candidate in candidates if candidate.adapter_gguf}:
            self._adapters[path] = base.load_adapter(Path(path))

    def item(self, item: ScoreItem) -> list[ItemScore]:
        """Return every candidate's score on an item, none where it does not fit the context or the template.

        The target is tokenised apart from the prompt and without control tokens, as generation would give it, and the
        end of turn belongs to it: an answer that does not stop is another answer.
        """
        prompt = self._prompt_or_none(item.messages)
        target = [*self._vocabulary.tokenize(item.target, special=False), self._vocabulary.end_of_turn()]
        if prompt is None or len(prompt) + len(target) > self._base.context:
            return []
        return [self._item_score(item, candidate, prompt, target) for candidate in self._candidates]

    def kl_item(self, item: ScoreItem) -> list[KlScore]:
        """Return every candidate's distance from the base on an item, none where it does not fit (see `item`)."""
        prompt = self._prompt_or_none(item.messages)
        if prompt is None or len(prompt) + _KL_ANSWER_TOKENS > self._base.context:
            return []
        if item.target:
            target = [*self._vocabulary.tokenize(item.target, special=False), self._vocabulary.end_of_turn()]
        else:
            target = [token for token, _ in self._greedy(None, prompt, _KL_ANSWER_TOKENS)]
        if len(prompt) + len(target) > self._base.context:
            return []
        base_tv = self._target_logits(None, prompt, target)
        return [
            self._kl_score(item, candidate, base_tv, self._target_logits(candidate, prompt, target))
            for candidate in self._candidates
        ]

    def answers(self, item: ScoreItem, *, limit: int) -> list[Answer]:
        """Return every candidate's greedy answer to a prompt, none where it does not fit (see `item`)."""
        prompt = self._prompt_or_none(item.messages)
        if prompt is None or len(prompt) + limit > self._base.context:
            return []
        return [
            Answer(id=item.id, candidate=candidate.name, text=self._answer(candidate, prompt, limit))
            for candidate in self._candidates
        ]

    def _answer(self, candidate: Candidate, prompt: Sequence[int], limit: int) -> str:
        tokens = [token for token, _ in self._greedy(candidate, prompt, limit)]
        said = [self._vocabulary.piece(token) for token in tokens if not self._vocabulary.is_end(token)]
        return b"".join(said).decode("utf-8", "replace")  # the limit may cut a character

    def fingerprint(self, candidate: Candidate) -> Fingerprint:
        """Return a candidate's greedy answer to the fixed prompt. The end of turn, if it comes, is its last token."""
        tokens = []
        for token, logits_v in self._greedy(candidate, self._fingerprint_prompt, FINGERPRINT_TOKENS):
            logprobs_v = log_softmax(logits_v)
            alternatives = top(logprobs_v, FINGERPRINT_TOP)
            tokens.append(
                FingerprintToken(
                    token=self._vocabulary.text(token),
                    logprob=float(logprobs_v[token]),
                    top=tuple(
                        (self._vocabulary.text(other), float(logprobs_v[other])) for other in alternatives
                    ),
                )
            )
        return Fingerprint(candidate=candidate.name, prompt=FINGERPRINT_PROMPT, tokens=tuple(tokens))

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        return self._vocabulary.prompt(self._template.render(messages))

    def _prompt_or_none(self, messages: Sequence[Message]) -> list[int] | None:
        try:
            return self._prompt(messages)
        except DataError:
            # One conversation that this base's template refuses (two user turns in a row, recorded under another
            # base) must not stop the judgement of all others for ever.
            return None

    def _applied(self, candidate: Candidate | None) -> Base:
        """Return the model that answers for a candidate, with an empty conversation."""
        model = self._models[candidate.model_gguf] if candidate and candidate.model_gguf else self._base
        model.clear()
        if candidate is None or not candidate.adapter_gguf:
            model.set_adapter(None)
        else:
            model.set_adapter(self._adapters[candidate.adapter_gguf], scale=candidate.scale)
        return model

    def _greedy(
        self, candidate: Candidate | None, prompt: Sequence[int], limit: int
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        model = self._applied(candidate)
        logits_v = model.decode(prompt)[0]
        for count in range(limit):
            token = int(logits_v.argmax())
            yield token, logits_v
            if self._vocabulary.is_end(token) or count == limit - 1:
                return
            logits_v = model.decode([token])[0]

    def _target_logits(
        self, candidate: Candidate | None, prompt: Sequence[int], target: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the logits that predict each target token, `[t, v]`: one decode, logits for these positions only."""
        return self._applied(candidate).decode([*prompt, *target[:-1]], logits_from=len(prompt) - 1)

    def _item_score(
        self, item: ScoreItem, candidate: Candidate, prompt: Sequence[int], target: Sequence[int]
    ) -> ItemScore:
        logits_tv = self._target_logits(candidate, prompt, target)
        return ItemScore(
            id=item.id,
            candidate=candidate.name,
            logprob=target_logprob(logits_tv, target),
            tokens=len(target),
            greedy=bool((logits_tv.argmax(axis=-1) == target).all()),
        )

    def _kl_score(
        self,
        item: ScoreItem,
        candidate: Candidate,
        base_tv: NDArray[np.float32],
        other_tv: NDArray[np.float32],
    ) -> KlScore:
        count = len(base_tv)
        divergence = base_entropy = other_entropy = 0.0
        for start in range(0, count, _CHUNK_POSITIONS):
            base_logprobs_tv = log_softmax(base_tv[start : start + _CHUNK_POSITIONS])
            other_logprobs_tv = log_softmax(other_tv[start : start + _CHUNK_POSITIONS])
            divergence += float(kl(base_logprobs_tv, other_logprobs_tv).sum())
            base_entropy += float(entropy(base_logprobs_tv).sum())
            other_entropy += float(entropy(other_logprobs_tv).sum())
        return KlScore(
            id=item.id,
            candidate=candidate.name,
            kl=divergence / count,
            base_entropy=base_entropy / count,
            entropy=other_entropy / count,
            tokens=count,
        )


def target_logprob(logits_tv: NDArray[np.float32], target: Sequence[int]) -> float:
    """Return the log-probability of a token sequence: the sum over positions of `log_softmax(logits)[token]`."""
    total = 0.0
    for start in range(0, len(target), _CHUNK_POSITIONS):
        logprobs_tv = log_softmax(logits_tv[start : start + _CHUNK_POSITIONS])
        chunk = target[start : start + _CHUNK_POSITIONS]
        total += sum(float(logprobs_tv[position, token]) for position, token in enumerate(chunk))
    return total


def run(job: ScoreJob, on_progress: Callable[[ScoreProgress], None]) -> Scores:
    """Score a whole job in this process.

    Raises:
        RunnerError: the base, an adapter or a merged model does not load, or a decode fails.
        DataError: the base has no usable chat template.
    """
    items: list[ItemScore] = []
    kl_scores: list[KlScore] = []
    answers: list[Answer] = []
    left_out: list[str] = []
    total = len(job.items) + len(job.kl_items) + len(job.answers)
    with ExitStack() as loaded:

        def load(path: str) -> Base:
            return loaded.enter_context(Base(Path(path), context=job.context, threads=job.threads))

        prompts = RenderedPrompts.read(Path(job.prompts)) if job.prompts else None
        merged = {candidate.model_gguf for candidate in job.candidates if candidate.model_gguf}
        models = {path: load(path) for path in sorted(merged)}
        scoring = Scoring(load(job.base_gguf), job.candidates, models=models, prompts=prompts)
        for done, item in enumerate(job.items, start=1):
            scores = scoring.item(item)
            items.extend(scores)
            left_out.extend([] if scores else [item.id])
            on_progress(ScoreProgress(done=done, total=total))
        for done, item in enumerate(job.kl_items, start=len(job.items) + 1):
            distances = scoring.kl_item(item)
            kl_scores.extend(distances)
            left_out.extend([] if distances else [item.id])
            on_progress(ScoreProgress(done=done, total=total))
        for done, item in enumerate(job.answers, start=len(job.items) + len(job.kl_items) + 1):
            given = scoring.answers(item, limit=job.answer_tokens)
            answers.extend(given)
            left_out.extend([] if given else [item.id])
            on_progress(ScoreProgress(done=done, total=total))
        prints = tuple(scoring.fingerprint(candidate) for candidate in job.candidates)
    return Scores(
        items=tuple(items),
        kl=tuple(kl_scores),
        fingerprints=prints,
        answers=tuple(answers),
        left_out=tuple(left_out),
    )
