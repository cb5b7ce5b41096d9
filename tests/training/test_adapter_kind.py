from __future__ import annotations

import pytest
from peft import IA3Config, LoraConfig

from laimark_sidecar.errors import DataError
from laimark_sidecar.training.adapter_kind import AdapterKind, AdapterShape, adapter_shape


def test_shape_is_read_as_peft_wrote_it() -> None:
    config = b'{"r": 16, "lora_alpha": 32, "bias": "none"}'
    assert adapter_shape(config) == AdapterShape(kind="lora", rank=16, alpha=32.0)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("lora", LoraConfig(r=4)),
        ("rslora", LoraConfig(r=4, use_rslora=True)),
        ("dora", LoraConfig(r=4, use_dora=True)),
        ("ia3", IA3Config()),
    ],
)
def test_each_kind_is_known_by_what_peft_saves(
    kind: AdapterKind, config: LoraConfig | IA3Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(kind)
    config.save_pretrained(str(folder))
    assert adapter_shape((folder / "adapter_config.json").read_bytes()).kind == kind


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"r": "16", "lora_alpha": 32}',
        b'{"peft_type": "VERA", "r": 16}',
        b'{"r": 16, "lora_alpha": 32, "use_dora": true, "use_rslora": true}',
    ],
)
def test_shape_of_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="adapter_config"):
        adapter_shape(content)
