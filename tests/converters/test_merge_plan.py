from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType as Kind
from numpy.typing import NDArray

from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, read_header
from laimark_converters.merge_plan import Rewritten, plan_merge

Q, EMBEDDING = "blk.0.attn_q.weight", "token_embd.weight"
A, B = np.zeros((4, 64), np.float32), np.zeros((6, 4), np.float32)


def written(
    file: Path,
    tensors: dict[str, NDArray[Any]],
    *,
    architecture: str = "llama",
    alpha: float | None = None,
    **keys: Any,
) -> GgufHeader:
    writer = gguf.GGUFWriter(file, architecture)
    if alpha is not None:
        writer.add_float32("adapter.lora.alpha", alpha)
    for key, value in keys.items():
        writer.add_string(key.replace("__", "."), value)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read_header(file)


def base(folder: Path, rows: Any = None, **keys: Any) -> GgufHeader:
    weights = np.zeros((6, 64), np.float32) if rows is None else rows
    return written(folder / "base.gguf", {Q: weights, EMBEDDING: np.zeros((9, 64), np.float32)}, **keys)


def adapter(
    folder: Path, tensors: dict[str, NDArray[Any]] | None = None, *, alpha: float = 8.0, **options: Any
) -> GgufHeader:
    tensors = {f"{Q}.lora_a": A, f"{Q}.lora_b": B} if tensors is None else tensors
    return written(folder / "adapter.gguf", tensors, alpha=alpha, **options)


def plan(
    base_: GgufHeader, adapter_: GgufHeader, touched: Any = "q8_0", *, scale: float = 1.0
) -> dict[str, Rewritten]:
    return plan_merge(base_, adapter_, touched, base_sha256="ab" * 32, scale=scale)


@pytest.mark.parametrize(
    ("touched", "kind", "row_bytes"),
    [("q8_0", Kind.Q8_0, 68), ("f16", Kind.F16, 128), ("bf16", Kind.BF16, 128), ("f32", Kind.F32, 256)],
)
def test_only_tensors_with_lora_are_rewritten(
    tmp_path: Path, touched: str, kind: Kind, row_bytes: int
) -> None:
    planned = plan(base(tmp_path), adapter(tmp_path), touched)
    assert list(planned) == [Q]
    assert (planned[Q].kind, planned[Q].row_bytes, planned[Q].size_bytes) == (kind, row_bytes, 6 * row_bytes)


def test_rows_that_q8_0_cannot_block_become_f16(tmp_path: Path) -> None:
    odd = {f"{Q}.lora_a": np.zeros((4, 48), np.float32), f"{Q}.lora_b": B}
    planned = plan(base(tmp_path, np.zeros((6, 48), np.float32)), adapter(tmp_path, odd))
    assert planned[Q].kind == Kind.F16


@pytest.mark.parametrize(("alpha", "scale", "expected"), [(8.0, 1.0, 2.0), (8.0, 0.25, 0.5), (0.0, 0.5, 0.5)])
def test_scale_is_the_one_that_llama_cpp_serves(
    tmp_path: Path, alpha: float, scale: float, expected: float
) -> None:
    assert plan(base(tmp_path), adapter(tmp_path, alpha=alpha), scale=scale)[Q].scale == expected


@pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
def test_alpha_that_is_no_number_is_refused(tmp_path: Path, alpha: float) -> None:
    with pytest.raises(ConversionError, match="alpha that is no number"):
        plan(base(tmp_path), adapter(tmp_path, alpha=alpha))


@pytest.mark.parametrize("touched", ["q4_0", "q4_k", ""])
def test_coarse_types_are_refused(tmp_path: Path, touched: str) -> None:
    with pytest.raises(ConversionError, match="must be one of q8_0, f16, bf16, f32"):
        plan(base(tmp_path), adapter(tmp_path), touched)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({}, "holds no tensors"),
        ({f"{Q}.lora_a": A}, f"only one half of the LoRA for {Q}"),
        ({f"{Q}.lora_a": A, f"{Q}.lora_b": B, "blk.0.attn_q.bias": A}, "no half of a LoRA"),
        ({"blk.7.attn_q.weight.lora_a": A, "blk.7.attn_q.weight.lora_b": B}, "no tensor blk.7.attn_q.weight"),
        (
            {f"{EMBEDDING}.lora_a": A, f"{EMBEDDING}.lora_b": np.zeros((9, 4), np.float32)},
            "output projection",
        ),
        ({f"{Q}.lora_a": A[:3], f"{Q}.lora_b": B}, "do not multiply"),
        ({f"{Q}.lora_a": A[:, :32], f"{Q}.lora_b": B}, r"the adapter is for \[6, 32\]"),
        ({f"{Q}.lora_a": A, f"{Q}.lora_b": B[:5]}, r"the adapter is for \[5, 64\]"),
        ({f"{Q}.lora_a": A.astype(np.int32), f"{Q}.lora_b": B}, "has the type I32"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    tmp_path: Path, tensors: dict[str, NDArray[Any]], reason: str
) -> None:
    with pytest.raises(ConversionError, match=reason):
        plan(base(tmp_path), adapter(tmp_path, tensors))


def test_base_of_a_type_that_is_not_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=rf"{Q} in base.gguf has the type I8") as caught:
        plan(base(tmp_path, np.zeros((6, 64), np.int8)), adapter(tmp_path))
    assert "Q8_0" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"architecture": "qwen2"}, "is for 'qwen2', base.gguf is 'llama'"),
        ({"laimark__base_sha256": "cd" * 32}, "made for the base cdcdcdcdcdcd, base.gguf is abababababab"),
        ({"adapter__alora__invocation_tokens": "1"}, "active only after certain tokens"),
    ],
)
def test_adapter_for_something_else_is_refused(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        plan(base(tmp_path), adapter(tmp_path, **options))


def test_adapter_that_names_this_very_base_is_taken(tmp_path: Path) -> None:
    assert plan(base(tmp_path), adapter(tmp_path, laimark__base_sha256="ab" * 32))


def test_merged_model_is_no_base_for_another_merge(tmp_path: Path) -> None:
    merged = base(tmp_path, laimark__merged__base_sha256="cd" * 32)
    with pytest.raises(ConversionError, match="stack on the first") as caught:
        plan(merged, adapter(tmp_path))
    assert "pristine" in caught.value.hint


def test_adapter_named_as_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="of the type 'adapter', not a model"):
        plan(base(tmp_path, general__type="adapter"), adapter(tmp_path))
