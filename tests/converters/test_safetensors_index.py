from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from laimark_converters.errors import ConversionError
from laimark_converters.safetensors_index import read_index, read_model_index


def write_raw(file: Path, header: Any, data: bytes = b"") -> Path:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return file


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_values_are_those_that_torch_wrote(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"b": torch.randn(3, 5).to(dtype), "a": torch.randn(7).to(dtype)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    index = read_index(tmp_path / "x.safetensors")
    assert list(index) == ["a", "b"]
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(index[name].load(), tensor.float().numpy())


def test_shards_are_found_through_the_index(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    save_file({"b": torch.zeros(3)}, tmp_path / "two.safetensors")
    weight_map = {"b": "two.safetensors", "a": "one.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map})
    )
    index = read_model_index(tmp_path)
    assert {name: tensor.shape for name, tensor in index.items()} == {"a": (2,), "b": (3,)}


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"a": "../one.safetensors"}, "not a file of its folder"),
        ({"c": "one.safetensors"}, "lacks the tensor c"),
        ({"a": "gone.safetensors"}, "cannot be read"),
    ],
)
def test_index_that_does_not_hold_is_refused(
    tmp_path: Path, weight_map: dict[str, str], message: str
) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ConversionError, match=message):
        read_model_index(tmp_path)


@pytest.mark.parametrize("content", [b"{", b'{"weight_map": {"t": "\xff"}}'])
def test_damaged_index_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors.index.json").write_bytes(content)
    with pytest.raises(ConversionError, match="is damaged"):
        read_model_index(tmp_path)


def test_folder_with_pickled_weights_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ConversionError, match="neither model") as caught:
        read_model_index(tmp_path)
    assert "safetensors" in caught.value.hint


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}, "type F64"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "is not 4 bytes"),
        ({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "has the shape"),
        ({"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}, "has the shape"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}, "is not 4 bytes"),
        (
            {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 1 << 82]},
            "damaged safetensors header|truncated",
        ),
        ({"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}, "is truncated"),
        ({"dtype": "F32", "shape": [1]}, "damaged safetensors header"),
        ([], "damaged safetensors header"),
    ],
)
def test_entry_that_cannot_be_true_is_refused(tmp_path: Path, entry: Any, message: str) -> None:
    file = write_raw(tmp_path / "x.safetensors", {"t": entry}, bytes(8))
    with pytest.raises(ConversionError, match=message):
        read_index(file)


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"\xff" * 8, b"\xff" * 64, (1 << 62).to_bytes(8, "little") + b"{}"]
)
def test_file_that_is_not_safetensors_is_refused_without_allocating(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ConversionError, match="not a safetensors file"):
        read_index(tmp_path / "x.safetensors")


@pytest.mark.parametrize("header", [b"", b"{", b"[" * 5000, b"\xff\xfe", b'{"t": "' + b"a" * 99])
def test_header_that_is_not_json_is_refused(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(ConversionError, match="damaged safetensors header"):
        read_index(write_raw(tmp_path / "x.safetensors", header))
