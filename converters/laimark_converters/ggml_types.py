"""ggml's tensor types and the sizes of their blocks, without importing gguf.

The gguf package has the same table, but importing any part of it imports all, for as long as a whole adapter takes
to convert. Members equal gguf's own and hash like them, so each is taken where the other is expected.
Source: ggml `include/ggml.h` enum ggml_type, `src/ggml.c` type_traits, as of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
else:
    _ROWS = """
    F32 0 1 4|F16 1 1 2|Q4_0 2 32 18|Q4_1 3 32 20|Q5_0 6 32 22|Q5_1 7 32 24|Q8_0 8 32 34|Q8_1 9 32 40
    Q2_K 10 256 84|Q3_K 11 256 110|Q4_K 12 256 144|Q5_K 13 256 176|Q6_K 14 256 210|Q8_K 15 256 292
    IQ2_XXS 16 256 66|IQ2_XS 17 256 74|IQ3_XXS 18 256 98|IQ1_S 19 256 50|IQ4_NL 20 32 18|IQ3_S 21 256 110
    IQ2_S 22 256 82|IQ4_XS 23 256 136|I8 24 1 1|I16 25 1 2|I32 26 1 4|I64 27 1 8|F64 28 1 8|IQ1_M 29 256 56
    BF16 30 1 2|TQ1_0 34 256 54|TQ2_0 35 256 66|MXFP4 39 32 17|NVFP4 40 64 36|Q1_0 41 128 18
    """
    _TABLE = [row.split() for line in _ROWS.split("\n") for row in line.split("|") if row.strip()]

    GGMLQuantizationType = IntEnum("GGMLQuantizationType", [(name, int(code)) for name, code, *_ in _TABLE])
    GGML_QUANT_SIZES: Mapping[GGMLQuantizationType, tuple[int, int]] = {
        GGMLQuantizationType[name]: (int(values), int(size)) for name, _, values, size in _TABLE
    }

__all__ = ["GGML_QUANT_SIZES", "GGMLQuantizationType"]
