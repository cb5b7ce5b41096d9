from __future__ import annotations

import math
import typing
from pathlib import Path

import peft
import pytest
import torch
import transformers
from tests.training.conftest import JobMaker
from tests.training.worker.conftest import moved_of_kind

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.adapter_kind import AdapterKind
from laimark_sidecar.training.worker.adapting import adapt
from laimark_sidecar.training.worker.backend import PeftBackend

KINDS = typing.get_args(AdapterKind)
IDS = torch.tensor([[5, 9, 30, 77, 120, 8, 4, 99]])


def logits_of(backend: PeftBackend) -> torch.Tensor:
    with torch.no_grad():
        return backend.logits(IDS, torch.ones_like(IDS), torch.arange(8))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_begins_as_the_base_and_is_saved_as_peft_reads_it(
    kind: AdapterKind, demo_base_dir: Path, make_job: JobMaker, tmp_path: Path
) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(demo_base_dir, dtype=torch.float32)
    with torch.no_grad():
        plain = base(input_ids=IDS).logits
    torch.testing.assert_close(logits_of(PeftBackend(make_job("fresh", adapter=kind))), plain)
    moved = moved_of_kind(demo_base_dir, kind)
    (tmp_path / "adapter").mkdir()
    moved.save_adapter(tmp_path / "adapter")
    found = peft.PeftModel.from_pretrained(base, str(tmp_path / "adapter"))
    with torch.no_grad():
        torch.testing.assert_close(found(input_ids=IDS).logits, logits_of(moved))
        assert not torch.allclose(logits_of(moved), plain, atol=0.1)
        with moved.base_only():
            torch.testing.assert_close(logits_of(moved), plain, rtol=0, atol=0)
    child = PeftBackend(make_job("child", adapter=kind, parent_adapter=str(tmp_path / "adapter")))
    assert torch.equal(logits_of(child), logits_of(moved))
    other: AdapterKind = "lora" if kind != "lora" else "dora"
    with pytest.raises(TrainingError, match=f"of the kind {kind}, the job trains {other}"):
        PeftBackend(make_job("other", adapter=other, parent_adapter=str(tmp_path / "adapter")))


def test_rank_stabilised_lora_is_scaled_by_the_root_of_its_rank(make_job: JobMaker) -> None:
    backend = PeftBackend(make_job("job", adapter="rslora", rank=4, alpha=8.0))
    assert all(layer.scale == 8.0 / math.sqrt(4) for layer in backend.layers)


def test_a_dora_begins_with_the_lengths_of_the_rows_in_full_precision(demo_base_dir: Path) -> None:
    """A base in bfloat16, as on CUDA: PEFT's own lengths are rounded to that."""
    base = transformers.AutoModelForCausalLM.from_pretrained(demo_base_dir, dtype=torch.bfloat16)
    for layer in adapt(base.requires_grad_(False), kind="dora", rank=4, alpha=8.0).layers:
        gains = layer.update.form().gains
        assert gains is not None
        assert float(gains.detach().abs().max()) < 1e-6


def test_ia3_sits_on_keys_values_and_the_input_of_the_down_projection(make_job: JobMaker) -> None:
    backend = PeftBackend(make_job("job", adapter="ia3"))
    shapes = {
        layer.name.rpartition(".")[2]: layer.parameters["ia3_l"].shape[0] == 1 for layer in backend.layers
    }
    assert shapes == {"k_proj": False, "v_proj": False, "down_proj": True}


class Fused(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv_proj, self.down_proj = torch.nn.Linear(4, 12), torch.nn.Linear(8, 4)


class Biased(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.k_proj, self.v_proj = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
        self.down_proj = torch.nn.Linear(8, 4, bias=False)


@pytest.mark.parametrize(
    ("model", "said"), [(Fused(), "no k_proj and no v_proj"), (Biased(), "k_proj has a bias")]
)
def test_a_base_that_ia3_cannot_sit_on_is_refused_with_the_reason(model: torch.nn.Module, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        adapt(model, kind="ia3", rank=4, alpha=8.0)


def test_a_model_without_linear_layers_is_refused() -> None:
    with pytest.raises(TrainingError, match="no linear layers"):
        adapt(torch.nn.Embedding(3, 4), kind="lora", rank=4, alpha=8.0)
