from __future__ import annotations

from laimark_sidecar.llamacpp.base import Base


def test_values_come_as_text_and_missing_keys_as_nothing(base: Base) -> None:
    assert base.metadata("general.architecture") == "llama"
    assert int(base.metadata("llama.block_count")) > 0
    assert base.metadata("no.such.key") == ""


def test_a_value_longer_than_a_line_is_whole(base: Base) -> None:
    template = base.metadata("tokenizer.chat_template")
    assert template == base.template
    assert len(template) > 100
