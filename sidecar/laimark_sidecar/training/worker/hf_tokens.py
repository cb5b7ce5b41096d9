"""Tokens as `tokenizer.json` of a Hugging Face folder has them, and the template in that folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError, TrainingError
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate


class _TokenizerConfig(msgspec.Struct):
    chat_template: Any = None
    bos_token: Any = ""
    eos_token: Any = ""


class HfTokens:
    """The tokenizer of a folder with `tokenizer.json`.

    Raises:
        TrainingError: a file is missing or malformed; names it.
    """

    def __init__(self, base_dir: Path) -> None:
        path = base_dir / "tokenizer.json"
        if not path.is_file():
            raise TrainingError(f"the training base {base_dir} has no tokenizer.json")
        self._tokenizer = _tokenizer(path)
        # In an answer `<|im_end|>` is text, as in validation: it must not teach where a turn ends.
        self._plain = _tokenizer(path)
        self._plain.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {token_id for token_id, token in added.items() if token.special}
        self.template = _template(base_dir, _read_config(base_dir / "tokenizer_config.json"))

    def ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, text: str) -> list[int]:
        # The GGUF that is made of such a folder adds no begin-of-text token: its template says where it stands.
        return self.ids(text)

    def plain(self, text: str) -> tuple[list[int], Sequence[tuple[int, int]]]:
        encoding = self._plain.encode(text, add_special_tokens=False)
        return list(encoding.ids), encoding.offsets

    def is_special(self, token: int) -> bool:
        return token in self._special


def _tokenizer(path: Path) -> Tokenizer:
    text = _text(path)
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise TrainingError(f"{path} is malformed: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TrainingError(f"{path} is malformed: {error}") from error


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
        return decode_json(path.read_bytes(), _TokenizerConfig)
    except FileNotFoundError:
        return _TokenizerConfig()
    except MalformedError as error:
        raise TrainingError(f"{path} is malformed: {error}") from error


def _template_text(base_dir: Path, config: _TokenizerConfig) -> str:
    path = base_dir / "chat_template.jinja"
    if path.is_file():
        return _text(path)
    if isinstance(config.chat_template, str):
        return config.chat_template
    raise TrainingError(f"the training base {base_dir} has no chat template")


def _token_text(token: Any) -> str:
    """Return a special token's text; older folders write it as an object."""
    if isinstance(token, dict):
        return str(token.get("content", ""))
    return str(token or "")
