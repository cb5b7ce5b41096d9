"""Read a byte-level BPE tokenizer.json into what a GGUF stores, naming its pre-tokenizer as llama.cpp does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from laimark_converters.errors import ConversionError
from laimark_converters.pre_tokenizer import IGNORES_MERGES, PreTokenizer, split_name

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""Token types of ggml (`LLAMA_TOKEN_TYPE_*`)."""

TURN_ENDS = ("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>")


class _Added(msgspec.Struct, frozen=True):
    id: int
    content: str
    special: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


class _Model(msgspec.Struct, frozen=True):
    vocab: dict[str, int]
    merges: list[str | tuple[str, str]]
    type: str = "BPE"
    ignore_merges: bool = False
    byte_fallback: bool = False
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None


class _TokenizerFile(msgspec.Struct, frozen=True):
    model: _Model
    pre_tokenizer: PreTokenizer | None
    added_tokens: list[_Added] = []
    normalizer: dict[str, Any] | None = None


class _TokenizerConfig(msgspec.Struct, frozen=True):
    bos_token: str | dict[str, Any] | None = None
    eos_token: str | dict[str, Any] | None = None
    pad_token: str | dict[str, Any] | None = None
    chat_template: str | list[dict[str, str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """Everything about tokens that a GGUF stores. `tokens[i]` and `types[i]` belong to id `i`."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    pre: str
    """`tokenizer.ggml.pre`."""
    bos: int | None
    eos: int | None
    pad: int | None
    eot: int | None
    """The token that ends a chat turn, where there is a well-known one."""
    chat_template: str
    """Jinja source; empty when the model has none."""


def read_tokenizer(folder: Path, vocab_size: int) -> Tokenizer:
    """Return the tokenizer in `folder`, padded with unused tokens to the embedding's `vocab_size` rows.

    Raises:
        ConversionError: it is missing or damaged, is not byte-level BPE, or splits words in a way that
            llama.cpp has no name for here.
    """
    file = folder / "tokenizer.json"
    try:
        parsed = msgspec.json.decode(file.read_bytes(), type=_TokenizerFile)
        config_file = folder / "tokenizer_config.json"
        config = (
            msgspec.json.decode(config_file.read_bytes(), type=_TokenizerConfig)
            if config_file.is_file()
            else _TokenizerConfig()
        )
    except OSError as error:
        raise ConversionError(f"{file} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ConversionError(f"the tokenizer in {folder} is not a usable byte-level BPE: {error}") from error
    pre = _pre_tokenizer_name(parsed)
    tokens, types = _vocabulary(parsed, vocab_size)
    ids = {token: i for i, token in enumerate(tokens) if types[i] in (CONTROL, USER_DEFINED, NORMAL)}
    return Tokenizer(
        tokens=tokens,
        types=types,
        merges=tuple(m if isinstance(m, str) else " ".join(m) for m in parsed.model.merges),
        pre=pre,
        bos=ids.get(_content(config.bos_token)),
        eos=ids.get(_content(config.eos_token)),
        pad=ids.get(_content(config.pad_token)),
        eot=next((ids[name] for name in TURN_ENDS if name in ids), None),
        chat_template=_chat_template(folder, config),
    )


def _pre_tokenizer_name(parsed: _TokenizerFile) -> str:
    """Return llama.cpp's name for how words are split, or refuse."""
    model = parsed.model
    if (
        model.type != "BPE"
        or model.byte_fallback
        or model.continuing_subword_prefix
        or model.end_of_word_suffix
    ):
        raise ConversionError(f"the tokenizer is not byte-level BPE (model type {model.type!r})")
    # llama.cpp never normalises BPE text; NFC only differs for decomposed characters, which its own
    # conversion of Qwen accepts as well.
    if parsed.normalizer is not None and parsed.normalizer.get("type") != "NFC":
        raise ConversionError(
            f"the tokenizer normalises text with {parsed.normalizer.get('type')!r}; llama.cpp does not"
        )
    name = split_name(parsed.pre_tokenizer)
    if model.ignore_merges != (name in IGNORES_MERGES):
        raise ConversionError(
            f"the tokenizer has ignore_merges={model.ignore_merges}, which llama.cpp does not do for {name!r}"
        )
    return name


def _vocabulary(parsed: _TokenizerFile, vocab_size: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the text and the type of every id below `vocab_size`."""
    tokens = {i: (text, NORMAL) for text, i in parsed.model.vocab.items()}
    tokens |= {a.id: (a.content, CONTROL if a.special else USER_DEFINED) for a in parsed.added_tokens}
    outside = [i for i in tokens if not 0 <= i < vocab_size]
    if outside:
        raise ConversionError(
            f"the tokenizer has the id {max(outside, key=abs)}, the model has {vocab_size} embeddings"
        )
    texts = [tokens.get(i, (f"[PAD{i}]", UNUSED)) for i in range(vocab_size)]
    return tuple(text for text, _ in texts), tuple(kind for _, kind in texts)


def _content(token: str | dict[str, Any] | None) -> str:
    if isinstance(token, dict):
        return str(token.get("content", ""))
    return token or ""


def _chat_template(folder: Path, config: _TokenizerConfig) -> str:
    """Return the default template: its own file in newer folders, a field of tokenizer_config.json in older."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConversionError(f"{file} is not UTF-8 text: {error.reason}") from error
    if isinstance(config.chat_template, list):
        named = {t.get("name"): t.get("template", "") for t in config.chat_template}
        return named.get("default", "")
    return config.chat_template or ""
