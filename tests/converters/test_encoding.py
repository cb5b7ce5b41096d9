from __future__ import annotations

import gguf
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType as Kind
from hypothesis import given
from hypothesis import strategies as st

from laimark_converters.encoding import encode
from laimark_converters.errors import ConversionError

TYPES = (Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0)
LARGEST = {
    Kind.F16: 65504.0,
    Kind.BF16: float(np.uint32(0x7F7F0000).view(np.float32)),
    Kind.Q8_0: 65504.0 * 127,
}


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(TYPES), size=st.floats(1e-3, 1e3))
def test_encoded_values_come_back_within_a_step_of_their_type(seed: int, kind: Kind, size: float) -> None:
    block = (np.random.default_rng(seed).standard_normal((3, 64)) * size).astype(np.float32)
    content = np.frombuffer(encode("t", block, kind), np.uint8).reshape(3, -1)
    found = gguf.quants.dequantize(content, kind)
    steps = {Kind.F32: 0.0, Kind.F16: 2**-11, Kind.BF16: 2**-8, Kind.Q8_0: 0.5 / 127 + 2**-11}
    assert np.abs(found - block).max() <= steps[kind] * np.abs(block).max() + 1e-7


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_value_that_is_not_finite_is_refused(kind: Kind, value: float) -> None:
    with pytest.raises(ConversionError, match="t holds NaN or infinity"):
        encode("t", np.full((1, 32), value, np.float32), kind)


@pytest.mark.parametrize("kind", LARGEST)
def test_largest_value_stays_finite_and_a_larger_one_is_refused(kind: Kind) -> None:
    content = np.frombuffer(encode("t", np.full((1, 32), LARGEST[kind], np.float32), kind), np.uint8)
    assert np.isfinite(gguf.quants.dequantize(content.reshape(1, -1), kind)).all()
    larger = np.nextafter(np.float32(LARGEST[kind]), np.float32(np.inf))
    with pytest.raises(ConversionError, match=f"too large for {kind.name.lower()}") as caught:
        encode("t", np.full((1, 32), larger, np.float32), kind)
    assert "f32" in caught.value.hint
