from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf.constants import GGMLQuantizationType
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file

from laimark_converters.errors import ConversionError
from laimark_converters.safetensors_output import SafeTensor, header_bytes, write_safetensors

VALUES = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)


def tensor(name: str, kind: str, *, values: NDArray[np.float32] = VALUES) -> SafeTensor:
    def blocks() -> Iterator[NDArray[np.float32]]:
        yield from np.array_split(values, 3)

    return SafeTensor(name=name, shape=values.shape, kind=GGMLQuantizationType[kind], blocks=blocks)


def test_safetensors_own_reader_finds_every_tensor_in_its_type(tmp_path: Path) -> None:
    written: list[int] = []
    tensors = [tensor("b", "F16"), tensor("a", "F32"), tensor("c", "BF16")]
    file = tmp_path / "x.safetensors"
    write_safetensors(file, tensors, served_types=("F16", "Q4_K"), written=written.append)
    found = load_file(file)
    expected = torch.from_numpy(VALUES)
    assert torch.equal(found["a"], expected)
    assert torch.equal(found["b"], expected.half())
    assert torch.equal(found["c"], expected.bfloat16())
    assert sum(written) == sum(one.size_bytes for one in tensors)
    with safe_open(file, "pt") as handle:
        assert handle.metadata() == {"format": "pt", "served_types": "F16 Q4_K"}


def test_data_begins_where_eight_byte_values_may() -> None:
    for name in ("a", "ab", "abc", "abcdefgh"):
        assert len(header_bytes([tensor(name, "F32")], served_types=())) % 8 == 0


@pytest.mark.parametrize(("kind", "value"), [("F16", 1e5), ("F32", np.nan), ("BF16", np.inf)])
def test_value_that_the_type_cannot_hold_is_refused_by_name(tmp_path: Path, kind: str, value: float) -> None:
    values = VALUES.copy()
    values[5, 7] = value
    with pytest.raises(ConversionError, match=r"^odd holds"):
        write_safetensors(
            tmp_path / "x", [tensor("odd", kind, values=values)], served_types=(), written=lambda _: None
        )
