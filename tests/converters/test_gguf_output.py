from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from laimark_converters import gguf_output
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import Dtype, OutputTensor

KINDS = get_args(Dtype)


def tensor(name: str, values: NDArray[np.float32], dtype: Any, step: int = 3) -> OutputTensor:
    def blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(values), step):
            yield values[start : start + step]

    return OutputTensor(name=name, shape=values.shape, dtype=dtype, blocks=blocks)


def test_streamed_file_is_byte_for_byte_what_gguf_writes_at_once(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = {name: random.standard_normal((7, 64)).astype(np.float32) for name in KINDS}
    ours = gguf_output.new_writer("llama")
    ours.add_block_count(3)
    size = gguf_output.write(ours, tmp_path / "ours.gguf", [tensor(k, v, k) for k, v in values.items()])
    theirs = gguf.GGUFWriter(tmp_path / "theirs.gguf", "llama")
    theirs.add_block_count(3)
    for name, value in values.items():
        kind = gguf.GGMLQuantizationType[name.upper()]
        theirs.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
    theirs.write_header_to_file()
    theirs.write_kv_data_to_file()
    theirs.write_tensors_to_file()
    theirs.close()
    assert (tmp_path / "ours.gguf").read_bytes() == (tmp_path / "theirs.gguf").read_bytes()
    assert size == (tmp_path / "ours.gguf").stat().st_size


@pytest.mark.parametrize(
    ("shape", "asked", "stored"),
    [((64,), "f16", "f32"), ((2, 64), "q8_0", "q8_0"), ((64, 4), "q8_0", "f16"), ((2, 4), "f32", "f32")],
)
def test_type_falls_back_where_a_tensor_cannot_have_it(
    shape: tuple[int, ...], asked: Any, stored: str
) -> None:
    assert gguf_output.storable(shape, asked) == stored


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_value_that_is_not_finite_is_refused(tmp_path: Path, dtype: Any, value: float) -> None:
    values = np.full((4, 32), value, np.float32)
    with pytest.raises(ConversionError, match="t holds NaN or infinity"):
        gguf_output.write(gguf_output.new_writer("llama"), tmp_path / "x", [tensor("t", values, dtype)])


@pytest.mark.parametrize(("dtype", "largest"), [("f16", 65504.0), ("q8_0", 65504.0 * 127)])
def test_value_that_the_type_cannot_hold_is_refused_with_a_way_out(
    tmp_path: Path, dtype: Any, largest: float
) -> None:
    fits, too_large = np.full((4, 32), largest, np.float32), np.full((4, 32), largest * 1.01, np.float32)
    gguf_output.write(gguf_output.new_writer("llama"), tmp_path / "fits", [tensor("t", fits, dtype)])
    with pytest.raises(ConversionError, match=f"too large for {dtype}") as caught:
        gguf_output.write(gguf_output.new_writer("llama"), tmp_path / "x", [tensor("t", too_large, dtype)])
    assert "f32" in caught.value.hint


@pytest.mark.parametrize(("rows", "row_values"), [(1, 1), (1000, 4096), (3, 1 << 22)])
def test_blocks_cover_every_row_once(rows: int, row_values: int) -> None:
    covered = [
        row for rows_ in gguf_output.row_blocks(rows, row_values) for row in range(rows_.start, rows_.stop)
    ]
    assert covered == list(range(rows))
