from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from laimark_sidecar.errors import DataError
from laimark_sidecar.pipeline.rescale import replaced, rescaled

A, B = "base_model.model.q_proj.lora_A.weight", "base_model.model.q_proj.lora_B.weight"


def factors(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return {
        A: rng.standard_normal((4, 7)).astype(np.float32),
        B: rng.standard_normal((5, 4)).astype(np.float32),
    }


@pytest.mark.parametrize("scale", [0.75, 0.5, 0.25])
def test_product_is_scaled_and_nothing_else_changes(scale: float) -> None:
    before = factors()
    content = save(before, metadata={"format": "pt"})
    found = rescaled(content, scale)
    after = load(found)
    assert np.array_equal(after[A], before[A])
    assert np.array_equal(after[B], before[B] * np.float32(scale))
    whole = before[B].astype(np.float64) @ before[A].astype(np.float64)
    np.testing.assert_allclose(after[B].astype(np.float64) @ after[A], scale * whole, rtol=1e-5, atol=1e-6)
    header = 8 + int.from_bytes(content[:8], "little")
    assert found[:header] == content[:header]
    assert len(found) == len(content)


def test_half_and_quarter_lose_not_a_bit() -> None:
    content = save(factors())
    assert rescaled(rescaled(content, 0.5), 0.5) == rescaled(content, 0.25)
    assert rescaled(rescaled(content, 0.5), 2.0) == content


def test_equal_input_gives_equal_bytes() -> None:
    content = save(factors(), metadata={"format": "pt", "a": "1", "b": "2"})
    assert rescaled(content, 0.75) == rescaled(bytes(bytearray(content)), 0.75)


def test_scale_one_keeps_the_very_bytes() -> None:
    content = b"whatever it is"
    assert rescaled(content, 1.0) is content


def test_other_values_are_put_in_place_and_what_does_not_fit_is_refused() -> None:
    content = save(factors(), metadata={"format": "pt"})
    new = factors(1)
    assert load(replaced(content, {B: new[B]}))[B].tobytes() == new[B].tobytes()
    assert replaced(content, {B: factors()[B]}) == content
    for wrong in ({B: new[A]}, {"other": new[B]}):
        with pytest.raises(DataError, match="is not there in this size"):
            replaced(content, wrong)


def damaged() -> bytes:
    return save(factors())[:-9]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\2\0\0\0\0\0\0\0[]",
        b"\2\0\0\0\0\0\0\0{}",
        save({A: factors()[A]}),
        save({B: factors()[B].astype(np.float16)}),
        damaged(),
        save(factors() | {"base_model.model.q_proj.lora_magnitude_vector": np.ones(5, np.float32)}),
    ],
    ids=["empty", "list", "nothing", "no B", "half precision", "cut", "a DoRA"],
)
def test_what_is_no_adapter_of_the_worker_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"adapter_model\.safetensors"):
        rescaled(content, 0.5)


@pytest.mark.parametrize("scale", [0.75, 0.5, 0.25])
def test_of_an_ia3_the_change_of_the_weights_is_scaled(scale: float) -> None:
    name = "base_model.model.k_proj.ia3_l"
    gains = np.array([[1.25], [0.5], [1.0]], np.float32)
    found = load(rescaled(save({name: gains}), scale))[name]
    np.testing.assert_allclose(found - 1.0, scale * (gains - 1.0), rtol=1e-6)
