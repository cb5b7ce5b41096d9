from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.converters import synthetic
from tests.converters.synthetic import LLAMA

from laimark_converters.architectures import for_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header
from laimark_converters.ia3 import ia3_changes
from laimark_converters.merged_rows import RowUpdate
from laimark_converters.rotary import permute_rows
from laimark_converters.safetensors_index import read_index

ROOT = "base_model.model.model.layers.0."
K, V, DOWN = (f"{ROOT}{name}.ia3_l" for name in ("self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj"))
OUT, INTO = synthetic.SHAPES["attn_k"]


def changes_of(folder: Path, tensors: dict[str, NDArray[np.float32]]) -> dict[str, RowUpdate]:
    base = read_header(synthetic.write_header_only(LLAMA, folder / "base.gguf"))
    adapter = synthetic.write_adapter(folder / "adapter", tensors)
    stored = read_index(adapter / "adapter_model.safetensors")
    return {name: load() for name, load in ia3_changes(stored, for_gguf("llama"), base).items()}


def test_factors_of_an_output_scale_rows_in_ggmls_order_and_those_of_an_input_columns(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows, columns = random.standard_normal((OUT, 1)), random.standard_normal((1, synthetic.INTERMEDIATE))
    tensors = {K: rows, V: rows, DOWN: columns}
    changes = changes_of(tmp_path, {key: values.astype(np.float32) for key, values in tensors.items()})
    ones, wide = np.ones((OUT, INTO), np.float32), np.ones((4, synthetic.INTERMEDIATE), np.float32)
    permuted = permute_rows(rows, synthetic.KV_HEADS)
    for name, expected in (("attn_k", permuted), ("attn_v", rows)):
        update = changes[f"blk.0.{name}.weight"](slice(0, OUT), ones)
        np.testing.assert_allclose(update, np.tile(expected - 1, INTO), atol=1e-6)
        part = changes[f"blk.0.{name}.weight"](slice(3, 7), ones[3:7])
        np.testing.assert_array_equal(part, update[3:7])
    update = changes["blk.0.ffn_down.weight"](slice(8, 12), wide)
    np.testing.assert_allclose(update, np.tile(columns - 1, (4, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({}, "holds no tensors"),
        ({K: np.ones((5, 1))}, r"has the shape \[5, 1\]; blk\.0\.attn_k\.weight is \[16, 32\]"),
        ({K: np.ones((OUT,))}, r"has the shape \[16\]"),
        ({K.replace("0", "7"): np.ones((OUT, 1))}, r"no tensor blk\.7\.attn_k\.weight"),
        ({f"{ROOT}mlp.experts.ia3_l": np.ones((OUT, 1))}, "over experts"),
        ({f"{ROOT}mlp.other.ia3_l": np.ones((OUT, 1))}, "are converted for self_attn.q_proj"),
        ({f"{ROOT}self_attn.k_proj.lora_A.weight": np.ones((4, INTO))}, "are converted for"),
        (
            {
                K: np.ones((OUT, 1)),
                K.replace("model.layers", "model.language_model.layers"): np.ones((OUT, 1)),
            },
            "two sets of factors",
        ),
        ({K: np.full((OUT, 1), np.inf)}, "holds NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    tmp_path: Path, tensors: dict[str, NDArray[np.float64]], reason: str
) -> None:
    with pytest.raises(ConversionError, match=reason):
        changes_of(tmp_path, {key: values.astype(np.float32) for key, values in tensors.items()})
