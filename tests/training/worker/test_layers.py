from __future__ import annotations

import pytest

from laimark_sidecar.training.worker.layers import input_group, layer_name, peft_name


@pytest.mark.parametrize(
    ("leaves", "group"),
    [(("q_proj", "k_proj", "v_proj"), "qkv"), (("gate_proj", "up_proj"), "gate_up"), (("o_proj",), "o_proj")],
)
def test_layers_that_read_the_same_input_share_a_group(leaves: tuple[str, ...], group: str) -> None:
    assert {input_group(f"model.layers.3.block.{leaf}") for leaf in leaves} == {
        f"model.layers.3.block.{group}"
    }


def test_a_layer_without_a_parent_is_its_own_group() -> None:
    assert input_group("dense") == "dense"


@pytest.mark.parametrize("factor", ["A", "B"])
def test_peft_names_are_undone(factor: str) -> None:
    assert layer_name(peft_name("model.layers.0.mlp.down_proj", factor)) == "model.layers.0.mlp.down_proj"


def test_a_name_that_is_no_factor_of_lora_is_nothing() -> None:
    assert layer_name("base_model.model.lm_head.weight") == ""
