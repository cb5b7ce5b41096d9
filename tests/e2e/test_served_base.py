"""A user who names nothing but the quantised file that is served: one real cycle, and what it makes is what was trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.converters import served_models
from tests.converters.llama_cpp_logits import mean_kl, served_logits, tokens
from tests.converters.tiny_models import torch_logits
from tests.support.homes import never, only_version, opened, reconfigure, served

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.training_base import NOTE, compared_before

TEXT = "def river_stone(cloud):\n    stone = cloud.river(7)\n    raise LaimarkUnreachable(state, seen=True)\n"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_adapter_trained_on_the_folder_made_from_a_quantised_gguf_does_the_same_on_that_gguf(
    ready_home: Home, demo_gguf: Path, tmp_path: Path
) -> None:
    gguf = served_models.quantise(demo_gguf, tmp_path / "base.gguf", "q8_0")
    reconfigure(ready_home, "base", hf="", gguf=str(gguf))
    workshop = opened(ready_home)
    told: list[str] = []
    with served(workshop):
        closed = advance(
            workshop, open_cycle(workshop), report=lambda what, _share: told.append(what), should_stop=never
        )
    assert closed.ending == "awaiting-review"
    assert "making the training base" in told
    compared = compared_before(workshop.base.cache / NOTE)
    assert compared is not None
    assert compared.fidelity.flaw() == ""

    version = only_version(workshop)
    adapter = workshop.registry.objects.path(version.objects["adapter.gguf"])
    workshop.registry.checkout(version, tmp_path / "adapter")
    ids = tokens(gguf, TEXT)
    base, adapted = served_logits(gguf, ids), served_logits(gguf, ids, adapter)
    trained = torch_logits(workshop.base.hf_dir, ids, tmp_path / "adapter")
    effect = mean_kl(adapted, base)
    assert effect > 0.05, "the adapter must matter here"
    # What is left is llama.cpp's rounding of activations, 8e-4 on this base without an adapter.
    assert mean_kl(adapted, trained) < 3e-3 < 0.1 * effect
