from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.worker.hf_tokens import HfTokens


@pytest.fixture(scope="module")
def tokens(demo_base_dir: Path) -> HfTokens:
    return HfTokens(demo_base_dir)


def test_control_words_are_tokens_in_a_prompt_and_text_in_an_answer(tokens: HfTokens) -> None:
    (end,) = tokens.ids("<|im_end|>")
    assert tokens.is_special(end)
    ids, offsets = tokens.plain("a<|im_end|>")
    assert end not in ids
    assert not any(tokens.is_special(token) for token in ids)
    assert (offsets[0][0], offsets[-1][1]) == (0, 11)


def test_ids_are_those_of_the_tokenizer_and_no_more(tokens: HfTokens, demo_base_dir: Path) -> None:
    own = Tokenizer.from_file(str(demo_base_dir / "tokenizer.json"))
    text = "def naïve():\n    return '日本'"
    assert tokens.ids(text) == tokens.plain(text)[0] == own.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("content", [b"{", b'"\xff"', b'{"x": ' + b"[" * 100_000])
@pytest.mark.parametrize("name", ["tokenizer_config.json", "tokenizer.json"])
def test_a_malformed_file_is_named(demo_base_dir: Path, tmp_path: Path, name: str, content: bytes) -> None:
    shutil.copy(demo_base_dir / "tokenizer.json", tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError, match=re.escape(f"{name} is malformed")):
        HfTokens(tmp_path)


def test_a_template_that_is_not_utf_8_is_named(demo_base_dir: Path, tmp_path: Path) -> None:
    shutil.copy(demo_base_dir / "tokenizer.json", tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(TrainingError, match=r"chat_template\.jinja is malformed"):
        HfTokens(tmp_path)
