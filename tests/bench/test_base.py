from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from laimark_sidecar.bench.base import digest, left_out, require_base, text_of
from laimark_sidecar.errors import DataError


def test_what_is_missing_in_a_folder_is_named(tmp_path: Path, demo_base_dir: Path) -> None:
    require_base(demo_base_dir)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"it has no tokenizer\.json, no \*\.safetensors"):
        require_base(tmp_path)
    with pytest.raises(DataError, match="there is no base"):
        require_base(tmp_path / "nowhere")
    with pytest.raises(DataError, match="a file to serve"):
        require_base(tmp_path / "model.gguf")


def test_the_digest_is_of_all_weights(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(b"one")
    assert digest(tmp_path) == hashlib.sha256(b"one").hexdigest()
    (tmp_path / "model-2.safetensors").write_bytes(b"two")
    both = digest(tmp_path)
    (tmp_path / "model-2.safetensors").write_bytes(b"2")
    assert len({hashlib.sha256(b"one").hexdigest(), both, digest(tmp_path)}) == 3


def test_a_base_says_what_it_was_not_trained_on_or_nobody_knows(tmp_path: Path, demo_base_dir: Path) -> None:
    found = left_out(demo_base_dir)
    assert found
    assert left_out(tmp_path) is None
    (tmp_path / "facts.json").write_text("{}")
    with pytest.raises(DataError, match=r"facts\.json is damaged"):
        left_out(tmp_path)


def test_tokens_become_the_text_that_they_were(demo_base_dir: Path) -> None:
    from laimark_sidecar.training.worker.tokens import ChatTokenizer

    line = "return self.width * 2"
    assert text_of(demo_base_dir)(ChatTokenizer(demo_base_dir).tokens.ids(line)) == line
