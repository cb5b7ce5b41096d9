from __future__ import annotations

import subprocess
import sys

from gguf import constants

from laimark_converters import ggml_types


def test_types_and_sizes_are_those_of_ggufs_own_table() -> None:
    ours = {t.name: (t.value, ggml_types.GGML_QUANT_SIZES[t]) for t in ggml_types.GGMLQuantizationType}
    theirs = {
        t.name: (t.value, constants.GGML_QUANT_SIZES[t]) for t in constants.GGMLQuantizationType
    }  # fmt: skip
    assert ours == theirs


def test_members_stand_for_ggufs_own() -> None:
    for ours in ggml_types.GGMLQuantizationType:
        theirs = constants.GGMLQuantizationType[ours.name]
        assert ours == theirs
        assert constants.GGML_QUANT_SIZES[ours] == ggml_types.GGML_QUANT_SIZES[theirs]


def test_converting_an_adapter_imports_no_gguf() -> None:
    code = "import sys, laimark_converters.adapter_gguf; sys.exit('gguf' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
