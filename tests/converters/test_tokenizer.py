from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.converters import texts
from tests.converters.llama_cpp_logits import tokens
from tokenizers import Tokenizer

from laimark_converters.errors import ConversionError
from laimark_converters.tokenizer import CONTROL, NORMAL, UNUSED, USER_DEFINED, read_tokenizer

SOURCE = Path(__file__).read_text(encoding="utf-8")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}


def test_demo_tokens_are_those_of_transformers(demo_base_dir: Path, demo_gguf: Path) -> None:
    reference = Tokenizer.from_file(str(demo_base_dir / "tokenizer.json"))
    for text in (SOURCE, texts.UNICODE, texts.SPECIAL + SOURCE[:200] + texts.SPECIAL):
        assert tokens(demo_gguf, text) == reference.encode(text, add_special_tokens=False).ids


def write(
    folder: Path, *, config: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **changes: Any
) -> Path:
    content = {
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]} | (model or {}),
        "pre_tokenizer": BYTE_LEVEL,
        "added_tokens": [
            {"id": 3, "content": "<|im_end|>", "special": True},
            {"id": 4, "content": "<think>", "special": False},
        ],
        "normalizer": None,
    }
    (folder / "tokenizer.json").write_text(json.dumps(content | changes), encoding="utf-8")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_tokens_are_padded_to_the_embedding_and_typed(tmp_path: Path) -> None:
    read = read_tokenizer(write(tmp_path), 6)
    assert read.tokens == ("a", "b", "ab", "<|im_end|>", "<think>", "[PAD5]")
    assert read.types == (NORMAL, NORMAL, NORMAL, CONTROL, USER_DEFINED, UNUSED)
    assert (read.merges, read.pre, read.eot, read.bos) == (("a b",), "gpt-2", 3, None)


def test_merges_of_older_files_are_read_alike(tmp_path: Path) -> None:
    assert read_tokenizer(write(tmp_path, model={"merges": ["a b"]}), 6).merges == ("a b",)


def test_named_tokens_are_found_by_their_text(tmp_path: Path) -> None:
    config = {
        "eos_token": {"content": "<|im_end|>"},
        "bos_token": "a",
        "pad_token": None,
        "model_max_length": 10**30,
    }
    read = read_tokenizer(write(tmp_path, config=config), 6)
    assert (read.eos, read.bos, read.pad) == (3, 0, None)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ x }}", "{{ x }}"),
        ([{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}], "d"),
        (None, ""),
    ],
)
def test_chat_template_is_found_where_older_folders_keep_it(
    tmp_path: Path, template: Any, expected: str
) -> None:
    assert read_tokenizer(write(tmp_path, config={"chat_template": template}), 6).chat_template == expected


def test_chat_template_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ConversionError, match="is not UTF-8 text"):
        read_tokenizer(write(tmp_path), 6)


def test_chat_template_of_its_own_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("own file", encoding="utf-8")
    assert read_tokenizer(write(tmp_path, config={"chat_template": "old"}), 6).chat_template == "own file"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"type": "Unigram"}}, "'Unigram'"),
        ({"model": {"type": "BPE", "byte_fallback": True}}, "not byte-level BPE"),
        ({"model": {"ignore_merges": True}}, "ignore_merges=True"),
        ({"normalizer": {"type": "Lowercase"}}, "normalises text with 'Lowercase'"),
        ({"pre_tokenizer": None}, "splits words by nothing"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [3]}}, "not a usable byte-level BPE"),
        ({"added_tokens": [{"id": 6, "content": "x"}]}, "has the id 6, the model has 6 embeddings"),
        ({"added_tokens": [{"id": -1, "content": "x"}]}, "has the id -1"),
        ({"added_tokens": 3}, "not a usable byte-level BPE"),
    ],
)
def test_tokenizer_that_llama_cpp_would_read_differently_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        read_tokenizer(write(tmp_path, **changes), 6)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 5000, b"\xff", b'{"model": {"vocab": {"\xff": 0}}}'])
def test_damaged_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ConversionError, match="not a usable byte-level BPE"):
        read_tokenizer(tmp_path, 6)


def test_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"tokenizer\.json cannot be read"):
        read_tokenizer(tmp_path, 6)
