"""Oracle: PEFT merges the adapter into the weights; the update is what that changed."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
import torch
import transformers
from tests.training.worker.conftest import moved_of_kind
from torch import Tensor

from laimark_sidecar.training.adapter_kind import AdapterKind
from laimark_sidecar.training.worker.updates import Form, Update

KINDS = typing.get_args(AdapterKind)


def dense(update: Update, weight_OD: Tensor) -> Tensor:
    form = update.form()
    built = form.b_OS @ form.a_SD
    return built if form.gains is None else built + form.gains * weight_OD


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_is_what_peft_merges_into_the_weight(kind: AdapterKind, demo_base_dir: Path) -> None:
    backend = moved_of_kind(demo_base_dir, kind)
    with torch.no_grad():
        updates = {
            layer.name: dense(layer.update, layer.linear.get_parameter("weight")) for layer in backend.layers
        }
    before = {
        name: parameter.clone()
        for name, parameter in transformers.AutoModelForCausalLM.from_pretrained(
            demo_base_dir, dtype=torch.float32
        ).named_parameters()
    }
    merged = dict(backend._model.merge_and_unload().named_parameters())
    for name, update in updates.items():
        key = f"{name}.weight"
        changed = merged[key].detach() - before[key].detach()
        torch.testing.assert_close(update, changed, rtol=1e-4, atol=1e-6)
        assert float(changed.abs().max()) > 1e-3
    untouched = before.keys() - {f"{name}.weight" for name in updates}
    assert all(torch.equal(merged[key], before[key]) for key in untouched)


def test_forms_are_subtracted_as_the_matrices_are() -> None:
    generator = torch.Generator().manual_seed(0)

    def form() -> Form:
        a, b, gains = (torch.randn(shape, generator=generator) for shape in ((2, 5), (4, 2), (4, 1)))
        return Form(a_SD=a, b_OS=b, gains=gains)

    one, other, weight = form(), form(), torch.randn(4, 5, generator=generator)

    def built(of: Form) -> Tensor:
        assert of.gains is not None
        return of.b_OS @ of.a_SD + of.gains * weight

    torch.testing.assert_close(built(one.minus(other)), built(one) - built(other))
    copy = one.detached()
    one.a_SD.zero_()
    assert copy.a_SD.any()
