"""From conversations to tokens, exactly as the runner will see them: prompt and answer are tokenised apart.

A runner tokenises the rendered prompt and then generates; a target tokenised together with its prompt could merge
across the border into tokens that the runner never produces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import DataError, TrainingError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.prompts import RenderedPrompts
from laimark_sidecar.llamacpp.template import PromptTemplate
from laimark_sidecar.replay.item import Span
from laimark_sidecar.training.job import Example
from laimark_sidecar.training.rendering import PROBE_ANSWER, PROBES
from laimark_sidecar.training.worker.hf_tokens import HfTokens
from laimark_sidecar.training.worker.served_tokens import ServedTokens
from laimark_sidecar.training.worker.text_tokens import TextTokens

SERVED_VOCABULARY = "vocabulary.gguf"
"""In a folder that was made from a GGUF; as `laimark_converters.training_base` names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A sequence of tokens. `learn[i]` says whether token i carries loss (it is predicted at position i - 1)."""

    ids: tuple[int, ...]
    learn: tuple[bool, ...]
    answer_start: int
    """Where the prompt ends, at least 1."""


class ChatTokenizer:
    """Tokenizer and chat template of a training base: llama.cpp's own where it was made from the served GGUF.

    The template is rendered by the code that the runner and the validation render it with. Only the date that some
    templates print is a fixed one: equal jobs give equal tokens, and the base's cached answers stay valid tomorrow.

    Args:
        base_dir: of the training base.
        prompts: file of the prompts as the runner renders them, where it has a template of its own; else empty.

    Raises:
        TrainingError: no usable tokenizer or template, or none that says how an answer ends.
    """

    def __init__(self, base_dir: Path, *, prompts: str = "") -> None:
        self.tokens = text_tokens(base_dir)
        self._asked = bool(prompts)
        self.template = prompt_template(self.tokens, prompts)
        self.end_ids = self._end_of_turn()

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of the rendered conversation, up to where the assistant begins to write.

        Raises:
            TrainingError: the template refuses the conversation (for example its order of roles).
        """
        return self.tokens.prompt(self._render(messages, generation=True))

    def encode(self, example: Example, *, max_length: int) -> Encoded | None:
        """Tokenise an example; the oldest prompt tokens are cut to fit, the target never.

        Returns None where the target alone is too long, where nothing of it is to be learned, or where its tokens cannot
        be matched with its characters.

        Raises:
            TrainingError: the template refuses the conversation.
        """
        prompt = self.prompt_ids(example.messages)
        plain = self.tokens.plain(example.target)
        if plain is None:
            return None
        target, offsets = plain
        learn = learn_mask(offsets, example.spans)
        ends_learned = not example.spans or example.spans[-1].learn
        answer = [*target, *self.end_ids]
        learn += [ends_learned] * len(self.end_ids)
        # At least one token must stand before the answer: it is the one that predicts the answer's first.
        room = max_length - len(answer)
        if room < 1 or not any(learn):
            return None
        kept = prompt[-room:]
        return Encoded(ids=(*kept, *answer), learn=(*[False] * len(kept), *learn), answer_start=len(kept))

    def answer_ids(self, text: str) -> tuple[int, ...] | None:
        """Return the tokens of an answer and of its end; None where they cannot be matched with its characters."""
        plain = self.tokens.plain(text)
        return None if plain is None else (*plain[0], *self.end_ids)

    def _end_of_turn(self) -> tuple[int, ...]:
        """Return the tokens that end an answer, derived from the template: what it writes after the content."""
        prompt = self._render(PROBES[0], generation=True)
        answered = PROBES[1][:-1]
        # A runner renders only what it would answer: there the next question follows the end of the turn.
        whole = self._render(PROBES[1] if self._asked else answered, generation=self._asked)
        if not whole.startswith(prompt + PROBE_ANSWER):
            raise TrainingError(
                "the chat template's generation prompt is not the beginning of an assistant turn: "
                "a model trained with it would see other tokens than the runner sends",
                hint="choose a base whose template writes answers right after its generation prompt",
            )
        ids = self.tokens.ids(whole[len(prompt) + len(PROBE_ANSWER) :])
        for position, token_id in enumerate(ids):
            if self.tokens.is_special(token_id):
                return tuple(ids[: position + 1])
        if not ids:
            raise TrainingError(
                "the chat template writes nothing after an answer: the model could not learn to stop"
            )
        return tuple(ids)

    def _render(self, messages: Sequence[Message], *, generation: bool) -> str:
        try:
            return self.template.render(messages, answer_next=generation)
        except DataError as error:
            raise TrainingError(str(error)) from error


def learn_mask(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[bool]:
    """Return which tokens carry loss: those with at least one character in a span to learn.

    A token across a border is learned: the first token of an edit is the one that decides it, and it often begins
    with a space that the model wrote. No spans: everything is learned.

    Args:
        offsets: character range `[start, end)` of each token.
        spans: character ranges of the target with their `learn` flag.
    """
    if not spans:
        return [True] * len(offsets)
    return [
        any(span.learn and start < span.end and max(end, start + 1) > span.start for span in spans)
        for start, end in offsets
    ]


def prompt_template(tokens: TextTokens, prompts: str) -> PromptTemplate:
    """Return what makes the prompts: the runner's own renderings where there is a file of them, else the template.

    Raises:
        TrainingError: the file cannot be used.
    """
    if not prompts:
        return tokens.template
    try:
        return RenderedPrompts.read(Path(prompts))
    except DataError as error:
        raise TrainingError(str(error)) from error


def text_tokens(base_dir: Path) -> TextTokens:
    """Return the tokenizer of a training base; raises TrainingError where it has none that can be used."""
    served = base_dir / SERVED_VOCABULARY
    return ServedTokens(served) if served.is_file() else HfTokens(base_dir)
