from __future__ import annotations

from pathlib import Path

from gguf.constants import GGMLQuantizationType as Kind
from tests.converters import oracle

from laimark_converters.gguf_header import padding
from laimark_converters.header import read_header
from laimark_converters.merged_header import merged_header


def test_header_is_read_by_gguf_with_the_bases_keys_and_the_added_ones(
    demo_gguf: Path, tmp_path: Path
) -> None:
    base = read_header(demo_gguf)
    raw_keys = demo_gguf.read_bytes()[base.keys_start : base.keys_end]
    stored = {name: (info.kind, info.size_bytes) for name, info in base.tensors.items()}
    widened = "blk.0.attn_q.weight"
    rows, values = base.tensors[widened].shape
    stored[widened] = (Kind.F32, rows * values * 4)
    added = {"laimark.z": "last", "laimark.a": "ünicode"}
    content = merged_header(base, raw_keys, added, stored)
    data_bytes = sum(size + padding(size, base.alignment) for _, size in stored.values())
    file = tmp_path / "x.gguf"
    file.write_bytes(content + b"\0" * data_bytes)
    assert oracle.keys(file) == oracle.keys(demo_gguf) | added
    found = read_header(file)
    assert list(found.tensors) == list(base.tensors)
    assert {name: (t.kind, t.size_bytes) for name, t in found.tensors.items()} == stored
    assert [t.shape for t in found.tensors.values()] == [t.shape for t in base.tensors.values()]
    assert min(t.offset for t in found.tensors.values()) == len(content)
