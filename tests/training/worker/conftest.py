"""Models for tests in this process: the demo base with a small adapter on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch

with warnings.catch_warnings():
    # Third parties may warn while they are imported; our own warnings stay errors.
    warnings.simplefilter("ignore")
    import peft
    import transformers

    del peft, transformers

from tests.training.conftest import JobMaker

from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.losses import Item


@pytest.fixture
def backend(make_job: JobMaker) -> PeftBackend:
    """A fresh adapter (B = 0)."""
    return PeftBackend(make_job("backend"))


@pytest.fixture
def moved(backend: PeftBackend) -> PeftBackend:
    """An adapter that visibly changes the model."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in backend.layers:
            layer.b_OR.copy_(torch.randn(layer.b_OR.shape, generator=generator) * 0.05)
    return backend


@pytest.fixture
def make_items() -> Callable[[int], tuple[Item, ...]]:
    """Return a maker of items of unequal lengths."""

    def make(count: int) -> tuple[Item, ...]:
        generator = torch.Generator().manual_seed(2)
        items: list[Item] = []
        for number in range(count):
            length = 8 + 3 * number
            ids = tuple(torch.randint(3, 500, (length,), generator=generator).tolist())
            items.append(Item(pool="new", ids=ids, positions=tuple(range(3, length - 1)), weight=1.0))
        return tuple(items)

    return make
