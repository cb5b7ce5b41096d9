"""Oracle: a merge at the scale, which adds t times what the whole DoRA adds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.converters import oracle, other_adapters
from tests.converters.conftest import Family

from laimark_converters.dora_scale import scaled_dora
from laimark_converters.errors import ConversionError
from laimark_converters.merged_gguf import merge

pytestmark = pytest.mark.timeout(180)
FILE = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def dora(unconverted: dict[str, Family], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other_adapters.build_dora(unconverted["llama"].hf, tmp_path_factory.mktemp("dora") / "adapter")


@pytest.mark.parametrize("scale", [0.75, 0.25])
def test_the_scaled_dora_changes_the_weights_by_that_share(
    unconverted: dict[str, Family], dora: Path, scale: float, tmp_path: Path
) -> None:
    gguf = unconverted["llama"].gguf
    changed = scaled_dora(dora, gguf, scale)
    stored = load_file(dora / FILE)
    assert {name for name in stored if "lora_A" not in name} == set(changed)
    assert all(changed[name].shape == stored[name].shape for name in changed)
    shutil.copytree(dora, tmp_path / "scaled")
    save_file(stored | changed, tmp_path / "scaled" / FILE)
    merge(gguf, dora, tmp_path / "expected.gguf", touched="f32", scale=scale)
    merge(gguf, tmp_path / "scaled", tmp_path / "found.gguf", touched="f32")
    expected, found = (oracle.tensors(tmp_path / f"{name}.gguf") for name in ("expected", "found"))
    for name, (_, values) in expected.items():
        np.testing.assert_allclose(found[name][1], values, atol=2e-6, err_msg=name)


def test_at_full_scale_nothing_changes(unconverted: dict[str, Family], dora: Path) -> None:
    stored = load_file(dora / FILE)
    for name, values in scaled_dora(dora, unconverted["llama"].gguf, 1.0).items():
        np.testing.assert_allclose(values, stored[name], rtol=1e-5)


def test_a_row_that_is_turned_round_has_no_such_form(
    unconverted: dict[str, Family], dora: Path, tmp_path: Path
) -> None:
    shutil.copytree(dora, tmp_path / "turned")
    stored = load_file(dora / FILE)
    name = next(name for name in stored if "magnitude" in name)
    save_file(stored | {name: -9.0 * stored[name]}, tmp_path / "turned" / FILE)
    with pytest.raises(ConversionError, match=r"turns a row of .* round"):
        scaled_dora(tmp_path / "turned", unconverted["llama"].gguf, 0.75)


@pytest.mark.parametrize("scale", [0.0, float("inf")])
def test_impossible_scales_are_refused(unconverted: dict[str, Family], dora: Path, scale: float) -> None:
    with pytest.raises(ConversionError, match="must be finite, and 0"):
        scaled_dora(dora, unconverted["llama"].gguf, scale)
