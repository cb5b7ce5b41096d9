from __future__ import annotations

import pytest
import transformers

from laimark_converters.errors import ConversionError
from laimark_converters.training_families import FAMILIES, training_family


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_a_class_of_transformers_with_that_type(name: str) -> None:
    family = training_family(name)
    model = getattr(transformers, family.hf_class)
    assert model.config_class.model_type == family.model_type


@pytest.mark.parametrize("name", ["mamba", "qwen3moe", "llama4", ""])
def test_unknown_architecture_is_refused_by_name_with_the_way_out(name: str) -> None:
    with pytest.raises(ConversionError, match=f"architecture '{name}'") as caught:
        training_family(name)
    assert "base.hf" in caught.value.hint
