from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import quants
from gguf.constants import GGMLQuantizationType

from laimark_converters import dequantise
from laimark_converters.errors import ConversionError
from laimark_converters.header import TensorInfo, read_header

KINDS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q5_1")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "x.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    values = np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32)
    for name in KINDS:
        kind = GGMLQuantizationType[name]
        writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("vector", values[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("block_values", "whole_rows"), [(1 << 20, 1), (64 * 7, 1), (64 * 7, 5)])
def test_blocks_are_the_whole_tensor_as_ggufs_own_reader_has_it(
    stored: Path, name: str, block_values: int, whole_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dequantise, "BLOCK_VALUES", block_values)
    oracle = next(tensor for tensor in gguf.GGUFReader(stored).tensors if tensor.name == name)
    expected = quants.dequantize(oracle.data, oracle.tensor_type)
    blocks = list(dequantise.row_blocks(stored, read_header(stored).tensors[name], whole_rows=whole_rows))
    assert all(len(block) % whole_rows == 0 for block in blocks)
    assert all(block.size <= max(block_values, 64 * whole_rows) for block in blocks)
    assert np.array_equal(np.concatenate(blocks), expected)


def test_a_vector_comes_as_it_is(stored: Path) -> None:
    vector = dequantise.vector(stored, read_header(stored).tensors["vector"])
    assert vector.shape == (64,)
    assert np.array_equal(vector, next(t.data for t in gguf.GGUFReader(stored).tensors if t.name == "vector"))


@pytest.mark.parametrize("name", KINDS)
def test_types_that_are_decoded_are_told_so_without_any_data(stored: Path, name: str) -> None:
    dequantise.require_decodable(read_header(stored).tensors[name])


def test_a_type_that_is_not_decoded_is_named(stored: Path) -> None:
    odd = TensorInfo(name="odd", shape=(4,), kind=GGMLQuantizationType.I32, offset=32, size_bytes=16)
    with pytest.raises(ConversionError, match="odd is of the type I32"):
        dequantise.vector(stored, odd)
    with pytest.raises(ConversionError, match="odd is of the type I32"):
        dequantise.require_decodable(odd)
