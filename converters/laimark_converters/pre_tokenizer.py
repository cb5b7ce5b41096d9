"""Name the way a tokenizer splits text into words as llama.cpp names it, or refuse."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from laimark_converters.errors import ConversionError

GPT2 = "gpt-2"
SPLIT_PATTERNS: Mapping[str, str] = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
}
"""Pattern of the `Split` before `ByteLevel` -> `tokenizer.ggml.pre`. Source: llama.cpp `src/llama-vocab.cpp`."""

IGNORES_MERGES = frozenset({"llama-bpe"})
"""llama.cpp takes whole words from the vocabulary first for these, whatever the file says."""


class PreTokenizer(msgspec.Struct, frozen=True):
    """One pre-tokenizer: the fields of `ByteLevel`, `Split`, `Digits` and `Sequence` together."""

    type: str
    add_prefix_space: bool = False
    use_regex: bool = True
    pattern: dict[str, str] = {}
    behavior: str = ""
    invert: bool = False
    individual_digits: bool = False
    pretokenizers: list[PreTokenizer] = []


def split_name(root: PreTokenizer | None) -> str:
    """Return `tokenizer.ggml.pre` for a pre-tokenizer of tokenizer.json.

    Raises:
        ConversionError: llama.cpp has no name for it that is known here; the message describes it.
    """
    steps = [root] if root is not None else []
    if root is not None and root.type == "Sequence":
        steps = root.pretokenizers
    if steps and steps[-1].type == "ByteLevel" and not steps[-1].add_prefix_space:
        *before, last = steps
        if not before and last.use_regex:
            return GPT2
        if len(before) == 1 and last.use_regex and before[0].type == "Digits" and before[0].individual_digits:
            return "smollm"
        if len(before) == 1 and not last.use_regex and before[0].type == "Split":
            split, pattern = before[0], before[0].pattern.get("Regex", "")
            if split.behavior == "Isolated" and not split.invert and pattern in SPLIT_PATTERNS:
                return SPLIT_PATTERNS[pattern]
    described = " then ".join(s.type + (f" {s.pattern}" if s.pattern else "") for s in steps) or "nothing"
    raise ConversionError(
        f"the tokenizer splits words by {described}; only the GPT-2, SmolLM, Llama 3 and Qwen 2 splits are known here",
        hint="convert this base with llama.cpp's convert_hf_to_gguf.py and name the GGUF instead",
    )
