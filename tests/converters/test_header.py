from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.converters import synthetic
from tests.converters.synthetic import LLAMA

from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header


def test_header_agrees_with_ggufs_own_reader(demo_gguf: Path) -> None:
    header, reader = read_header(demo_gguf), gguf.GGUFReader(demo_gguf)
    assert header.architecture == "llama"
    assert set(header.tensors) == {tensor.name for tensor in reader.tensors}
    for tensor in reader.tensors:
        info = header.tensors[tensor.name]
        assert (info.shape, info.kind) == (tuple(int(n) for n in tensor.shape[::-1]), tensor.tensor_type)
        assert (info.offset, info.size_bytes) == (tensor.data_offset, tensor.n_bytes)
    for key, field in reader.fields.items():
        if key in header.keys:
            contents = field.contents()
            assert header.keys[key] == (tuple(contents) if isinstance(contents, list) else contents)


def write(file: Path, **numbers: int | list[int]) -> Path:
    writer = gguf.GGUFWriter(file, "llama")
    for key, value in numbers.items():
        name = f"llama.attention.{key}"
        if isinstance(value, list):
            writer.add_array(name, value)
        else:
            writer.add_uint32(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_heads_may_differ_by_layer(tmp_path: Path) -> None:
    header = read_header(write(tmp_path / "x.gguf", head_count=[8, 4], head_count_kv=[2, 1]))
    assert [header.heads(0), header.heads(1), header.kv_heads(0), header.kv_heads(1)] == [8, 4, 2, 1]
    with pytest.raises(ConversionError, match=r"head_count of layer 2"):
        header.heads(2)


def test_key_value_heads_default_to_the_query_heads(tmp_path: Path) -> None:
    assert read_header(write(tmp_path / "x.gguf", head_count=8)).kv_heads(1) == 8


def test_missing_heads_are_an_error_only_when_asked_for(tmp_path: Path) -> None:
    header = read_header(write(tmp_path / "x.gguf"))
    with pytest.raises(ConversionError, match=r"does not say llama\.attention\.head_count"):
        header.heads(0)


def test_part_of_a_split_model_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_uint16("split.count", 3)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ConversionError, match="one part of a split GGUF"):
        read_header(tmp_path / "x.gguf")


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 a zip", b'{"json": 1}'])
def test_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ConversionError, match="is not a GGUF file"):
        read_header(tmp_path / "x.gguf")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGUF", "it ends here"),
        (struct.pack("<4sI", b"GGUF", 1), "version 1"),
        (struct.pack(">4sI", b"GGUF", 3), "big endian"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 60, 0), "it announces 1152921504606846976 tensors"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 60), "it announces 1152921504606846976 keys"),
        (struct.pack("<4sIQQQ4sII", b"GGUF", 3, 0, 1, 4, b"name", 99, 0), "value type 99"),
    ],
)
def test_hostile_header_is_refused_without_allocating(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ConversionError, match=message):
        read_header(tmp_path / "x.gguf")


def tensor_entry(name: bytes, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    dims = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return struct.pack("<Q", len(name)) + name + dims + struct.pack("<IQ", kind, offset)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([tensor_entry(b"t", (4, 4, 4, 4, 4), 0, 0)], "5 dimensions"),
        ([tensor_entry(b"t", (4,), 200, 0)], "unknown type 200"),
        ([tensor_entry(b"t", (33,), 8, 0)], "rows of 33 values in blocks of 32"),
        ([tensor_entry(b"t", (1 << 40, 1 << 40), 0, 0)], "ends at byte"),
        ([tensor_entry(b"t", (4,), 0, 1 << 63)], "ends at byte"),
        ([tensor_entry(b"t", (1,), 0, 0), tensor_entry(b"t", (1,), 0, 0)], "stands twice"),
    ],
)
def test_tensor_that_cannot_be_true_is_refused(tmp_path: Path, entries: list[bytes], message: str) -> None:
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(entries), 0)
    (tmp_path / "x.gguf").write_bytes(head + b"".join(entries) + bytes(128))
    with pytest.raises(ConversionError, match=message):
        read_header(tmp_path / "x.gguf")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = synthetic.write_header_only(LLAMA, tmp_path / "base.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in [*range(0, 1500, 7), *range(1500, len(content) - 32, 997)]:
        cut.write_bytes(content[:length])
        with pytest.raises(ConversionError):
            read_header(cut)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_harmless_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    content = bytearray(synthetic.write_header_only(LLAMA, folder / "base.gguf").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, 1200))] = data.draw(st.integers(0, 255))
    (folder / "base.gguf").write_bytes(content)
    try:
        header = read_header(folder / "base.gguf")
    except ConversionError:
        return
    assert all(info.offset + info.size_bytes <= len(content) for info in header.tensors.values())


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="cannot be read"):
        read_header(tmp_path / "none.gguf")


def test_numbers_and_texts_are_told_apart(tmp_path: Path) -> None:
    header = read_header(write(tmp_path / "x.gguf", head_count=8))
    assert header.number("llama.attention.head_count") == 8
    assert header.number("general.architecture") is None
    assert header.text("llama.attention.head_count") == ""
    assert np.isclose(header.version, 3)
