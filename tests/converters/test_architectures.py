from __future__ import annotations

import gguf
import pytest

from laimark_converters.architectures import ARCHITECTURES, HF_CLASSES, REFUSED, for_gguf, for_hf_class
from laimark_converters.errors import ConversionError


def test_every_architecture_is_one_that_llama_cpp_knows() -> None:
    assert set(ARCHITECTURES) | set(REFUSED) <= set(gguf.MODEL_ARCH_NAMES.values())


def test_no_architecture_is_both_converted_and_refused() -> None:
    assert not set(ARCHITECTURES) & set(REFUSED)


def test_every_base_class_has_an_architecture() -> None:
    assert set(HF_CLASSES.values()) <= set(ARCHITECTURES)
    assert for_hf_class("MistralForCausalLM").gguf == "llama"


@pytest.mark.parametrize(
    ("name", "reason"), [("falcon", "q, k and v are one tensor"), ("qwen3moe", "experts")]
)
def test_known_unfit_architecture_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(ConversionError, match=rf"'{name}'.*{reason}"):
        for_gguf(name)


def test_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="'brand-new'") as caught:
        for_gguf("brand-new")
    assert "llama" in caught.value.hint


def test_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="'MixtralForCausalLM'"):
        for_hf_class("MixtralForCausalLM")
