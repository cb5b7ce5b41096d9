from __future__ import annotations

import gguf
import pytest

from laimark_converters import names

ORACLE = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, 4)
PHI3 = gguf.get_tensor_name_map(gguf.MODEL_ARCH.PHI3, 4)


@pytest.mark.parametrize(
    ("module", "name"), [*names.PROJECTIONS.items(), *names.NORMS.items(), *names.QK_NORMS.items()]
)
def test_names_are_those_of_ggufs_own_table(module: str, name: str) -> None:
    assert ORACLE.get_name(f"model.layers.3.{module}") == f"blk.3.{name}"


@pytest.mark.parametrize(("module", "name"), names.FUSED_PROJECTIONS.items())
def test_fused_names_are_those_of_ggufs_own_table(module: str, name: str) -> None:
    assert PHI3.get_name(f"model.layers.3.{module}") == f"blk.3.{name}"


@pytest.mark.parametrize(
    ("module", "name"),
    [("model.embed_tokens", names.EMBEDDING), ("lm_head", names.OUTPUT), ("model.norm", names.OUTPUT_NORM)],
)
def test_outer_names_are_those_of_ggufs_own_table(module: str, name: str) -> None:
    assert f"{ORACLE.get_name(module)}.weight" == name


def test_only_projections_that_exist_are_permuted_or_biased() -> None:
    assert set(names.PERMUTED) | set(names.BIASED) <= set(names.PROJECTIONS)
