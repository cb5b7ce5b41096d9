from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from laimark_converters.base_plan import plan
from laimark_converters.errors import ConversionError
from laimark_converters.hf_config import ModelShape, read_shape
from laimark_converters.safetensors_index import StoredTensor

CONFIG: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
}
CLASSES = {"LlamaForCausalLM": "LLAMA", "Qwen2ForCausalLM": "QWEN2", "Qwen3ForCausalLM": "QWEN3"}


def shape_of(folder: Path, hf_class: str, **changes: Any) -> ModelShape:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"architectures": [hf_class]} | changes))
    return read_shape(folder)


def stored(shape: ModelShape) -> dict[str, StoredTensor]:
    """Return weights that fit, found by asking for one missing tensor after the other."""
    weights: dict[str, StoredTensor] = {}
    for _ in range(100):
        try:
            plan(shape, weights)
        except ConversionError as error:
            message = str(error)
            if "lack " in message:
                name = message.split("lack ")[1].split(",", maxsplit=1)[0]
                weights[name] = tensor(name, (1, 1, 1))
            else:
                name = message.split(" has", maxsplit=1)[0]
                weights[name] = tensor(name, tuple(json.loads(message.rsplit("says ", 1)[1])))
        else:
            return weights
    raise AssertionError(weights)


def tensor(name: str, shape: tuple[int, ...]) -> StoredTensor:
    return StoredTensor(name=name, file=Path("x"), offset=0, dtype="F32", shape=shape)


@pytest.mark.parametrize("hf_class", CLASSES)
def test_every_planned_name_is_the_one_of_ggufs_own_table(tmp_path: Path, hf_class: str) -> None:
    shape = shape_of(tmp_path, hf_class)
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH[CLASSES[hf_class]], shape.layers)
    planned = plan(shape, stored(shape))
    for entry in planned:
        assert entry.name == table.get_name(entry.source, (".weight", ".bias")), entry.source
    assert len({entry.name for entry in planned}) == len(planned)


def test_families_differ_in_biases_and_norms_only(tmp_path: Path) -> None:
    counts = {}
    for hf_class in CLASSES:
        shape = shape_of(tmp_path, hf_class)
        counts[hf_class] = len(plan(shape, stored(shape)))
    assert counts["Qwen2ForCausalLM"] - counts["LlamaForCausalLM"] == 3 * CONFIG["num_hidden_layers"]
    assert counts["Qwen3ForCausalLM"] - counts["LlamaForCausalLM"] == 2 * CONFIG["num_hidden_layers"]


def test_only_llama_reorders_q_and_k(tmp_path: Path) -> None:
    for hf_class in CLASSES:
        shape = shape_of(tmp_path, hf_class)
        heads = {
            entry.source: entry.permuted_heads for entry in plan(shape, stored(shape)) if entry.permuted_heads
        }
        llama = {
            f"model.layers.{n}.self_attn.{p}_proj.weight": h for n in (0, 1) for p, h in (("q", 4), ("k", 2))
        }
        assert heads == (llama if hf_class == "LlamaForCausalLM" else {})


def test_tied_model_has_no_output_projection(tmp_path: Path) -> None:
    shape = shape_of(tmp_path, "LlamaForCausalLM", tie_word_embeddings=True)
    weights = stored(shape) | {"lm_head.weight": tensor("lm_head.weight", (100, 32))}
    assert "output.weight" not in {entry.name for entry in plan(shape, weights)}


def test_tensor_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    shape = shape_of(tmp_path, "LlamaForCausalLM")
    name = "model.layers.0.self_attn.q_proj.bias"
    with pytest.raises(ConversionError, match=r"q_proj\.bias, which this architecture has no place for"):
        plan(shape, stored(shape) | {name: tensor(name, (32,))})
