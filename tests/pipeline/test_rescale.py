from __future__ import annotations

import json

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.pipeline.rescale import AdapterShape, adapter_shape, rescaled


def test_alpha_and_its_patterns_carry_the_scale_and_nothing_else_changes() -> None:
    config = {"r": 8, "lora_alpha": 16, "alpha_pattern": {"q_proj": 4}, "target_modules": ["q_proj"]}
    found = json.loads(rescaled(json.dumps(config).encode(), 0.25))
    assert found == {**config, "lora_alpha": 4.0, "alpha_pattern": {"q_proj": 1.0}}


def test_scale_one_keeps_the_very_bytes() -> None:
    content = b'{ "lora_alpha" : 16 }'
    assert rescaled(content, 1.0) is content


def test_missing_pattern_is_no_pattern() -> None:
    assert json.loads(rescaled(b'{"lora_alpha": 2.0, "alpha_pattern": null}', 0.5))["lora_alpha"] == 1.0


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"{}", b'{"lora_alpha": "16"}', b'{"lora_alpha": 16, "alpha_pattern": [1]}']
)
def test_what_is_no_lora_configuration_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="adapter_config"):
        rescaled(content, 0.5)


def test_shape_is_read_as_peft_wrote_it_also_after_a_rescale() -> None:
    config = rescaled(b'{"r": 16, "lora_alpha": 32, "bias": "none"}', 0.75)
    assert adapter_shape(config) == AdapterShape(rank=16, alpha=24.0)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"r": "16", "lora_alpha": 32}'])
def test_shape_of_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="adapter_config"):
        adapter_shape(content)
