from __future__ import annotations

from typing import Any

import pytest

from laimark_converters.errors import ConversionError
from laimark_converters.gguf_keys import ArchitectureKeys
from laimark_converters.header import GgufHeader


def keys(**values: Any) -> ArchitectureKeys:
    known = {"general.architecture": "llama", **{f"llama.{name}": value for name, value in values.items()}}
    return ArchitectureKeys(
        GgufHeader(
            file_name="x.gguf",
            version=3,
            keys=known,
            tensors={},
            key_count=len(known),
            keys_start=24,
            keys_end=24,
            alignment=32,
        )
    )


def test_values_are_read_and_missing_ones_have_the_default() -> None:
    found = keys(block_count=2, eps=1e-5, kind="yarn", swa=(True, False))
    assert (found.whole("block_count"), found.whole("heads", 4)) == (2, 4)
    assert (found.real("eps", 0.0), found.real("base", 1e4)) == (1e-5, 1e4)
    assert (found.text("kind"), found.text("nothing")) == ("yarn", "")
    assert (found.flags("swa"), found.flags("nothing")) == ((True, False), None)


def test_a_list_counts_when_every_layer_has_the_same() -> None:
    assert keys(heads=(4, 4, 4)).whole("heads") == 4
    with pytest.raises(ConversionError, match=r"x\.gguf: llama\.heads differs between layers"):
        keys(heads=(4, 2, 4)).whole("heads")


@pytest.mark.parametrize("value", [None, 0, -1, 2.5, "2", True, ()])
def test_what_is_no_whole_number_is_named(value: object) -> None:
    with pytest.raises(ConversionError, match=r"x\.gguf: llama\.heads"):
        keys(heads=value).whole("heads")


def test_a_number_that_is_none_is_named() -> None:
    for value in ("small", True, (1.0,), float("inf")):
        with pytest.raises(ConversionError, match=r"llama\.eps is .*, not a finite number"):
            keys(eps=value).real("eps", 0.0)
