from __future__ import annotations

import pytest
import torch

from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.core_answers import ask
from laimark_sidecar.training.worker.distance import measure_kl


def none() -> None:
    """The check of a run that nobody stops."""


def test_kl_is_zero_without_an_adapter_and_grows_with_it(backend: PeftBackend) -> None:
    items = tuple(ask(backend, prompt, weight=1.0, end_ids=[2]) for prompt in ([5, 9, 30], [8, 7, 6, 5, 4]))
    assert measure_kl(backend, items, batch_size=2, check=none) == pytest.approx(0.0, abs=1e-5)
    distances = []
    for size in (0.01, 0.05):
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for layer in backend.layers:
                layer.b_OR.copy_(torch.randn(layer.b_OR.shape, generator=generator) * size)
        distances.append(measure_kl(backend, items, batch_size=1, check=none))
    assert 0.0 < distances[0] < distances[1]


def test_kl_of_no_prompts_is_zero(backend: PeftBackend) -> None:
    assert measure_kl(backend, (), batch_size=2, check=none) == 0.0
