from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.converters import oracle

from laimark_converters.ggml_types import GGML_QUANT_SIZES, GGMLQuantizationType
from laimark_converters.gguf_header import Listed, encoded_keys, file_start, padding
from laimark_converters.header import read_header

KEYS = st.dictionaries(
    st.text("abcdefghij.", min_size=1, max_size=12),
    st.one_of(st.text(max_size=20), st.integers(0, 2**32 - 1), st.floats(width=32, allow_nan=False)),
    max_size=6,
)


@given(
    keys=KEYS,
    rows=st.lists(st.integers(1, 9), max_size=4),
    kind=st.sampled_from([GGMLQuantizationType.F32, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_K]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str | int | float], rows: list[int], kind: int
) -> None:
    file = tmp_path_factory.mktemp("header") / "x.gguf"
    kind_ = GGMLQuantizationType(kind)
    values, size = GGML_QUANT_SIZES[kind_]
    tensors = [
        Listed(name=f"t{n}", shape=(count, 2 * values), kind=kind_, size_bytes=count * 2 * size)
        for n, count in enumerate(rows)
    ]
    start = file_start(encoded_keys(keys), len(keys), tensors)
    data_bytes = sum(t.size_bytes + padding(t.size_bytes, 32) for t in tensors)
    file.write_bytes(start + b"\0" * data_bytes)
    header = read_header(file)
    assert header.keys == keys
    assert [(t.name, t.shape, t.kind, t.size_bytes) for t in header.tensors.values()] == [
        (t.name, t.shape, t.kind, t.size_bytes) for t in tensors
    ]


def test_gguf_reads_the_same(tmp_path: Path) -> None:
    keys: dict[str, str | int | float] = {"general.architecture": "llama", "a.b": "ünicode", "c": 7, "d": 0.5}
    tensor = Listed(name="t", shape=(3, 32), kind=GGMLQuantizationType.F32, size_bytes=384)
    (tmp_path / "x.gguf").write_bytes(file_start(encoded_keys(keys), 4, [tensor]) + bytes(384))
    assert oracle.keys(tmp_path / "x.gguf") == keys
    ((kind, values),) = oracle.tensors(tmp_path / "x.gguf").values()
    assert (kind, values.shape) == ("F32", (3, 32))


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 31), (32, 0), (33, 31)])
def test_padding_reaches_the_next_multiple(size: int, expected: int) -> None:
    assert padding(size, 32) == expected
