from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.converters import oracle

from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header
from laimark_converters.merge_plan import Rewritten, merged_kind
from laimark_converters.merged_rows import RowUpdate
from laimark_converters.merged_writer import Merged, Sources, write_merged

ORIGIN = {"base_sha256": "a", "adapter_sha256": "b"}
NAME, NORM = "blk.0.attn_q.weight", "blk.0.attn_norm.weight"


def plus_one(_: str) -> RowUpdate:
    def update(rows: slice, base: NDArray[np.float32]) -> NDArray[np.float64]:
        assert base.shape[0] == rows.stop - rows.start
        return np.ones(base.shape)

    return update


def written(
    base: Path,
    out: Path,
    sources: Sources,
    updates: object = plus_one,
    progress: Callable[[float], None] = lambda _share: None,
) -> Merged:
    header = read_header(base)
    plan = {
        name: Rewritten(
            base=header.tensors[name], kind=merged_kind(header.tensors[name].shape, "f32"), scale=0.5
        )
        for name in (NAME, NORM)
    }
    assert callable(updates)
    return write_merged(
        base, header, plan, updates, origin=ORIGIN, sources=sources, out=out, progress=progress
    )


def test_matrices_and_vectors_are_changed_and_all_else_is_copied(demo_gguf: Path, tmp_path: Path) -> None:
    done = written(demo_gguf, tmp_path / "out.gguf", Sources(demo_gguf))
    before, after = oracle.tensors(demo_gguf), oracle.tensors(tmp_path / "out.gguf")
    assert set(done.residuals) == {NAME, NORM}
    for name, (kind, values) in before.items():
        if name in done.residuals:
            np.testing.assert_allclose(after[name][1], values.astype(np.float32) + 0.5, rtol=1e-6)
        else:
            assert after[name][0] == kind
            np.testing.assert_array_equal(after[name][1], values)


def test_progress_ends_at_the_whole_and_may_give_up(demo_gguf: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    written(demo_gguf, tmp_path / "out.gguf", Sources(demo_gguf), progress=shares.append)
    assert len(shares) == len(read_header(demo_gguf).tensors)
    assert shares == sorted(shares)
    assert shares[-1] == 1

    def give_up(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(demo_gguf, tmp_path / "none.gguf", Sources(demo_gguf), progress=give_up)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.gguf"]


def test_source_that_is_replaced_meanwhile_is_noticed_and_leaves_the_old_file(
    demo_gguf: Path, tmp_path: Path
) -> None:
    base, out = tmp_path / "base.gguf", tmp_path / "out.gguf"
    base.write_bytes(demo_gguf.read_bytes())
    out.write_bytes(b"served today")
    sources = Sources(base)

    def replace_it(name: str) -> RowUpdate:
        other = tmp_path / "other"
        other.write_bytes(demo_gguf.read_bytes())
        other.replace(base)
        return plus_one(name)

    with pytest.raises(ConversionError, match=r"base\.gguf changed while it was read"):
        written(base, out, sources, replace_it)
    assert out.read_bytes() == b"served today"
