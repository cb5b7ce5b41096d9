from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.rendering import CONVERSATIONS, digest, renderings


def test_every_conversation_can_be_answered_next() -> None:
    for messages in CONVERSATIONS:
        roles = [message.role for message in messages if message.role != "system"]
        assert roles == ["user" if n % 2 == 0 else "assistant" for n in range(len(roles))]
        assert roles[-1] == "user"
    assert len(set(CONVERSATIONS)) == len(CONVERSATIONS)


def test_the_digest_is_of_the_tokens_and_of_what_is_refused() -> None:
    found = [digest(tokens) for tokens in ([[1, 2]], [(1, 2)], [[1], [2]], [[1, 2], None], [[12]])]
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_what_training_reads_is_told_by_another_process(demo_base_dir: Path) -> None:
    found = renderings(demo_base_dir)
    assert found == renderings(demo_base_dir)
    assert len(found.now) == len(CONVERSATIONS)
    first = found.now[0]
    assert first is not None
    assert first.text.startswith("<|im_start|>user\nWhat is the capital of France?<|im_end|>\n")
    # The demo's template prints no date.
    assert found.sha256 == digest([None if one is None else one.tokens for one in found.now])


def test_a_base_that_cannot_be_read_is_told_with_the_reason(demo_base_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"has no tokenizer\.json"):
        renderings(tmp_path)
    with pytest.raises(TrainingError, match="cannot be told"):
        renderings(demo_base_dir, python=str(tmp_path / "no-python"))
