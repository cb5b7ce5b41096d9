"""Models for tests in this process: the demo base with a small adapter on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

with warnings.catch_warnings():
    # Third parties may warn while they are imported; our own warnings stay errors.
    warnings.simplefilter("ignore")
    import peft
    import transformers

    del peft, transformers

from tests.training.conftest import BASE_SHA256

from laimark_sidecar.training.adapter_kind import AdapterKind
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.worker.backend import PeftBackend, adapter_tensors, set_adapter
from laimark_sidecar.training.worker.losses import Item


@pytest.fixture(scope="session")
def shared_backend(demo_base_dir: Path) -> PeftBackend:
    """The model is loaded once; `backend` puts it back to its first state for each test."""
    job = TrainJob(
        base_dir=str(demo_base_dir),
        base_sha256=BASE_SHA256,
        examples="",
        out_dir="",
        work_dir="",
        cache_dir="",
        device="cpu",
        rank=4,
        alpha=8.0,
    )
    return PeftBackend(job)


@pytest.fixture
def backend(shared_backend: PeftBackend) -> Iterator[PeftBackend]:
    """A fresh adapter (B = 0)."""
    fresh = adapter_tensors(shared_backend.layers)
    yield shared_backend
    set_adapter(shared_backend.layers, fresh, Path("fresh"))
    for layer in shared_backend.layers:
        layer.a_RD.grad = layer.b_OR.grad = None
        layer.linear.requires_grad_(requires_grad=False)


@pytest.fixture
def moved(backend: PeftBackend) -> PeftBackend:
    """An adapter that visibly changes the model."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in backend.layers:
            layer.b_OR.copy_(torch.randn(layer.b_OR.shape, generator=generator) * 0.05)
    return backend


def moved_of_kind(base: Path, kind: AdapterKind) -> PeftBackend:
    """Return the demo base with an adapter of a kind on it that visibly changes the model; loads it anew."""
    backend = PeftBackend(
        TrainJob(
            base_dir=str(base),
            base_sha256=BASE_SHA256,
            examples="",
            out_dir="",
            work_dir="",
            cache_dir="",
            device="cpu",
            adapter=kind,
            rank=4,
            alpha=8.0,
        )
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in backend.layers:
            for end, parameter in layer.parameters.items():
                noise = torch.randn(parameter.shape, generator=generator)
                if end == "lora_B.weight":
                    parameter.copy_(noise * 0.05)
                elif end in ("lora_magnitude_vector", "ia3_l"):
                    parameter.mul_(1.0 + 0.1 * noise)
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
