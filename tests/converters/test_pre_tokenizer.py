from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.converters import texts, tiny_models
from tests.converters.llama_cpp_logits import tokens
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.pre_tokenizer import SPLIT_PATTERNS, PreTokenizer, split_name
from laimark_converters.tokenizer import read_tokenizer

SOURCE = Path(__file__).read_text(encoding="utf-8")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}


def split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def digits() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


SPLITS = {name: split(pattern) for pattern, name in SPLIT_PATTERNS.items()} | {
    "smollm": digits(),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
}


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_tokens_of_every_known_split_are_those_of_its_own_library(
    name: str, demo_base_dir: Path, tmp_path: Path
) -> None:
    trained = Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
    trained.pre_tokenizer = SPLITS[name]
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator([SOURCE, texts.UNICODE * 3], trainer)
    base = tiny_models.build_base("llama", demo_base_dir, tmp_path / "base", vocab_size=768)
    trained.save(str(base / "tokenizer.json"))
    write_base_gguf(base, tmp_path / "base.gguf")
    assert read_tokenizer(base, 768).pre == name
    for text in (SOURCE, texts.UNICODE, texts.SPECIAL + texts.UNICODE):
        assert tokens(tmp_path / "base.gguf", text) == trained.encode(text, add_special_tokens=False).ids


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


SPLIT = {
    "type": "Split",
    "pattern": {"Regex": next(iter(SPLIT_PATTERNS))},
    "behavior": "Isolated",
    "invert": False,
}
UNSPLIT = BYTE_LEVEL | {"use_regex": False}


@pytest.mark.parametrize(
    ("content", "described"),
    [
        (None, "nothing"),
        ({"type": "Metaspace"}, "Metaspace"),
        (BYTE_LEVEL | {"add_prefix_space": True}, "ByteLevel"),
        (UNSPLIT, "ByteLevel"),
        (sequence(), "nothing"),
        (sequence(SPLIT), "Split"),
        (sequence(SPLIT | {"pattern": {"Regex": "[a-z]+"}}, UNSPLIT), r"Split .*\[a-z\]\+.* then ByteLevel"),
        (sequence(SPLIT | {"pattern": {"String": " "}}, UNSPLIT), "Split .*String"),
        (sequence(SPLIT | {"behavior": "Removed"}, UNSPLIT), "Split"),
        (sequence(SPLIT | {"invert": True}, UNSPLIT), "Split"),
        (sequence(SPLIT, BYTE_LEVEL), "Split"),
        (sequence({"type": "Digits", "individual_digits": False}, BYTE_LEVEL), "Digits then ByteLevel"),
        (sequence(SPLIT, SPLIT, UNSPLIT), "Split .* then Split"),
    ],
)
def test_split_without_a_name_is_refused_and_described(content: Any, described: str) -> None:
    with pytest.raises(ConversionError, match=f"splits words by {described}"):
        split_name(msgspec.convert(content, PreTokenizer | None))
