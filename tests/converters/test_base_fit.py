from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tests.converters import raw_gguf
from tests.converters.raw_gguf import TEXT, UINT32, RawGguf, RawTensor, text

from laimark_converters.base_fit import check_model, check_pair, check_readable, check_shapes
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader, read_header

NAME = "blk.0.attn_q.weight"


def header(folder: Path, raw: RawGguf, name: str = "base.gguf") -> GgufHeader:
    return read_header(raw.write(folder / name))


def base(folder: Path, **keys: tuple[int, bytes]) -> GgufHeader:
    raw = RawGguf(
        keys={"general.architecture": (TEXT, text("llama"))}
        | {key.replace("__", "."): value for key, value in keys.items()},
        tensors=[RawTensor(name=NAME, dims=(32, 8), data=bytes(1024))],
    )
    return header(folder, raw)


def test_pristine_model_and_its_adapter_fit(tmp_path: Path) -> None:
    adapter = header(tmp_path, raw_gguf.adapter({NAME: (8, 32)}), "adapter.gguf")
    check_pair(base(tmp_path), adapter)
    a, b = adapter.tensors.values()
    info = check_shapes(NAME, a, b, base(tmp_path))
    assert info.shape == (8, 32)
    check_readable(info, base(tmp_path))


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"general__type": (TEXT, text("mmproj"))}, "of the type 'mmproj', not a model"),
        ({"laimark__merged__base_sha256": (TEXT, text("ab"))}, "merged model already"),
    ],
)
def test_what_is_no_pristine_model_is_refused(
    tmp_path: Path, keys: dict[str, tuple[int, bytes]], reason: str
) -> None:
    with pytest.raises(ConversionError, match=reason):
        check_model(base(tmp_path, **keys))


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("general.architecture", (TEXT, text("gemma3")), "is for 'gemma3', base.gguf is 'llama'"),
        ("adapter.alora.invocation_tokens", (UINT32, struct.pack("<I", 3)), "only after certain tokens"),
    ],
)
def test_adapter_for_something_else_is_refused(
    tmp_path: Path, key: str, value: tuple[int, bytes], reason: str
) -> None:
    raw = raw_gguf.adapter({NAME: (8, 32)})
    raw.keys[key] = value
    with pytest.raises(ConversionError, match=reason):
        check_pair(base(tmp_path), header(tmp_path, raw, "adapter.gguf"))


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        (NAME, (9, 32), r"the adapter is for \[9, 32\], base\.gguf has \[8, 32\]"),
        (NAME, (8, 64), r"the adapter is for \[8, 64\]"),
        ("blk.1.attn_q.weight", (8, 32), r"has no tensor blk\.1\.attn_q\.weight"),
    ],
)
def test_shape_of_another_base_is_refused(
    tmp_path: Path, name: str, shape: tuple[int, int], reason: str
) -> None:
    a, b = header(tmp_path, raw_gguf.adapter({name: shape}), "adapter.gguf").tensors.values()
    with pytest.raises(ConversionError, match=reason) as caught:
        check_shapes(name, a, b, base(tmp_path))
    assert "another base" in caught.value.hint


def test_halves_that_do_not_multiply_are_refused(tmp_path: Path) -> None:
    adapter = header(tmp_path, raw_gguf.adapter({NAME: (8, 32)}), "adapter.gguf")
    a = adapter.tensors[f"{NAME}.lora_a"]
    with pytest.raises(ConversionError, match="do not multiply"):
        check_shapes(NAME, a, a, base(tmp_path))


def test_type_that_is_not_decoded_is_refused_with_the_way_out(tmp_path: Path) -> None:
    raw = RawGguf(keys={}, tensors=[RawTensor(name=NAME, dims=(32, 1), kind=raw_gguf.I32, data=bytes(128))])
    found = header(tmp_path, raw)
    with pytest.raises(ConversionError, match="has the type I32") as caught:
        check_readable(found.tensors[NAME], found)
    assert "Q4_K_M" in caught.value.hint
