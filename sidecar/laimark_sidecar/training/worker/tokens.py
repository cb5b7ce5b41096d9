"""From conversations to tokens, exactly as the runner will see them: prompt and answer are tokenised apart.

A runner tokenises the rendered prompt and then generates; a target tokenised together with its prompt could merge
across the border into tokens that the runner never produces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from laimark_sidecar.errors import DataError, TrainingError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.replay.item import Span
from laimark_sidecar.training.job import Example

_PROBE = (Message(role="user", content="question"),)
_PROBE_ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A sequence of tokens. `learn[i]` says whether token i carries loss (it is predicted at position i - 1)."""

    ids: tuple[int, ...]
    learn: tuple[bool, ...]


class _TokenizerConfig(msgspec.Struct):
    chat_template: Any = None
    bos_token: Any = ""
    eos_token: Any = ""


class ChatTokenizer:
    """Tokenizer and chat template of a Hugging Face folder.

    The template is rendered by the code that the runner and the validation render it with. Only the date that some
    templates print is a fixed one: equal jobs give equal tokens, and the base's cached answers stay valid tomorrow.
    """

    def __init__(self, base_dir: Path) -> None:
        path = base_dir / "tokenizer.json"
        if not path.is_file():
            raise TrainingError(f"the training base {base_dir} has no tokenizer.json")
        text = path.read_text(encoding="utf-8")
        self._tokenizer = Tokenizer.from_str(text)
        # In an answer `<|im_end|>` is text, as in validation: it must not teach where a turn ends.
        self._plain = Tokenizer.from_str(text)
        self._plain.encode_special_tokens = True
        self._template = _template(base_dir, _read_config(base_dir / "tokenizer_config.json"))
        self.end_ids = self._end_of_turn()

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of the rendered conversation, up to where the assistant begins to write.

        Raises:
            TrainingError: the template refuses the conversation (for example its order of roles).
        """
        return self._ids(self._render(messages, generation=True))

    def encode(self, example: Example, *, max_length: int) -> Encoded | None:
        """Tokenise an example; the oldest prompt tokens are cut to fit, the target never.

        Returns None where the target alone is too long, or where nothing of it is to be learned.

        Raises:
            TrainingError: the template refuses the conversation.
        """
        prompt = self.prompt_ids(example.messages)
        encoding = self._plain.encode(example.target, add_special_tokens=False)
        learn = learn_mask(encoding.offsets, example.spans)
        ends_learned = not example.spans or example.spans[-1].learn
        answer = [*encoding.ids, *self.end_ids]
        learn += [ends_learned] * len(self.end_ids)
        # At least one token must stand before the answer: it is the one that predicts the answer's first.
        room = max_length - len(answer)
        if room < 1 or not any(learn):
            return None
        kept = prompt[-room:]
        return Encoded(ids=(*kept, *answer), learn=(*[False] * len(kept), *learn))

    def _end_of_turn(self) -> tuple[int, ...]:
        """Return the tokens that end an answer, derived from the template: what it writes after the content."""
        prompt = self._render(_PROBE, generation=True)
        whole = self._render((*_PROBE, Message(role="assistant", content=_PROBE_ANSWER)), generation=False)
        if not whole.startswith(prompt + _PROBE_ANSWER):
            raise TrainingError(
                "the chat template's generation prompt is not the beginning of an assistant turn: "
                "a model trained with it would see other tokens than the runner sends",
                hint="choose a base whose template writes answers right after its generation prompt",
            )
        ids = self._ids(whole[len(prompt) + len(_PROBE_ANSWER) :])
        special = {i for i, token in self._tokenizer.get_added_tokens_decoder().items() if token.special}
        for position, token_id in enumerate(ids):
            if token_id in special:
                return tuple(ids[: position + 1])
        if not ids:
            raise TrainingError(
                "the chat template writes nothing after an answer: the model could not learn to stop"
            )
        return tuple(ids)

    def _render(self, messages: Sequence[Message], *, generation: bool) -> str:
        try:
            return self._template.render(messages, answer_next=generation)
        except DataError as error:
            raise TrainingError(str(error)) from error

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


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


def _template(base_dir: Path, config: _TokenizerConfig) -> ChatTemplate:
    try:
        return ChatTemplate(
            _template_text(base_dir, config),
            bos=_token_text(config.bos_token),
            eos=_token_text(config.eos_token),
            clock=REFERENCE_CLOCK,
        )
    except DataError as error:
        raise TrainingError(f"{base_dir}: {error}", hint=error.hint) from error


def _read_config(path: Path) -> _TokenizerConfig:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_TokenizerConfig)
    except FileNotFoundError:
        return _TokenizerConfig()
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise TrainingError(f"{path} is malformed: {error}") from error


def _template_text(base_dir: Path, config: _TokenizerConfig) -> str:
    path = base_dir / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if isinstance(config.chat_template, str):
        return config.chat_template
    raise TrainingError(f"the training base {base_dir} has no chat template")


def _token_text(token: Any) -> str:
    """Return a special token's text; older folders write it as an object."""
    if isinstance(token, dict):
        return str(token.get("content", ""))
    return str(token or "")
