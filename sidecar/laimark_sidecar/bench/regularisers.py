"""The seam between the benchmark and a penalty: how its curvature is measured, blended, kept, and paid for."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import msgspec
import torch
from safetensors import safe_open
from safetensors.torch import save

from laimark_sidecar.bench.arms import Metric
from laimark_sidecar.bench.baselines import DenseAnchor, apart_penalty, blended, dense_anchor, dense_penalty
from laimark_sidecar.bench.dense_fisher import factor_fisher, weight_fisher
from laimark_sidecar.decoding import decode_json
from laimark_sidecar.files import write_atomic
from laimark_sidecar.training.job import Curvature
from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.curvature import (
    Anchor,
    Covariance,
    blend_anchors,
    compacted,
    load_anchor,
    normalised,
    save_anchor,
)
from laimark_sidecar.training.worker.fisher import measure
from laimark_sidecar.training.worker.loop import Penalise
from laimark_sidecar.training.worker.losses import Item
from laimark_sidecar.training.worker.penalty import penalty

_SHA256 = "0" * 64
"""Anchors of a run stay in its folder, which is bound to its base already."""


class Regulariser(Protocol):
    """One metric."""

    @property
    def penalise(self) -> Penalise: ...

    def measure(self, backend: TrainerBackend, items: Sequence[Item], *, seed: int) -> Anchor:
        """Return the curvature at the model as it stands."""
        ...

    def blend(self, old: Anchor, new: Anchor, gamma: float) -> Anchor: ...

    def save(self, path: Path, anchor: Anchor) -> None: ...

    def load(self, path: Path, device: torch.device) -> Anchor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A curvature of the product, through the product's own code."""

    kind: Curvature
    penalise: Penalise = penalty

    def measure(self, backend: TrainerBackend, items: Sequence[Item], *, seed: int) -> Anchor:
        anchor = measure(backend, items, kind=self.kind, batch_size=8, seed=seed, check=lambda: None)
        return compacted(anchor, backend.device)

    def blend(self, old: Anchor, new: Anchor, gamma: float) -> Anchor:
        return blend_anchors(old, new, gamma)

    def save(self, path: Path, anchor: Anchor) -> None:
        save_anchor(path, anchor, base_sha256=_SHA256)

    def load(self, path: Path, device: torch.device) -> Anchor:
        return load_anchor(path, kind=self.kind, base_sha256=_SHA256, device=device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Engine):
    """L2 on the update D: the engine's penalty with C = G = I."""

    kind: Curvature = "input"

    def measure(self, backend: TrainerBackend, items: Sequence[Item], *, seed: int) -> Anchor:
        covariances = {
            layer.input_group: Covariance(
                rows_KD=torch.zeros(0, layer.a_RD.shape[1]), diagonal_D=torch.ones(layer.a_RD.shape[1])
            )
            for layer in backend.layers
        }
        anchor = Anchor(kind="input", covariances=covariances, outputs={}, examples=len(items))
        return compacted(normalised(anchor), backend.device)


class _Note(msgspec.Struct, kw_only=True):
    examples: int
    nats_per_omega: float
    lambda_core: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """Diagonal Fisher of the whole update D."""

    penalise: Penalise = dense_penalty

    def measure(self, backend: TrainerBackend, items: Sequence[Item], *, seed: int) -> Anchor:
        return dense_anchor(weight_fisher(backend, items, seed=seed), examples=len(items))

    def blend(self, old: Anchor, new: Anchor, gamma: float) -> Anchor:
        return blended(cast("DenseAnchor", old), cast("DenseAnchor", new), gamma)

    def save(self, path: Path, anchor: Anchor) -> None:
        dense = cast("DenseAnchor", anchor)
        tensors = {f"fisher.{name}": tensor.contiguous() for name, tensor in dense.fisher.items()}
        tensors |= {f"first_a.{name}": tensor.contiguous() for name, tensor in dense.first_a.items()}
        note = _Note(
            examples=dense.examples, nats_per_omega=dense.nats_per_omega, lambda_core=dense.lambda_core
        )
        write_atomic(path, save(tensors, metadata={"note": msgspec.json.encode(note).decode()}))

    def load(self, path: Path, device: torch.device) -> Anchor:
        with safe_open(path, framework="pt", device=str(device)) as file:
            note = decode_json(file.metadata()["note"], _Note)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        return DenseAnchor(
            kind="diag",
            covariances={},
            outputs={},
            examples=note.examples,
            nats_per_omega=note.nats_per_omega,
            lambda_core=note.lambda_core,
            fisher={n.removeprefix("fisher."): t for n, t in tensors.items() if n.startswith("fisher.")},
            first_a={n.removeprefix("first_a."): t for n, t in tensors.items() if n.startswith("first_a.")},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart(Dense):
    """Diagonal Fisher of A and B apart: at B = 0 that of A is zero, so the core anchor holds B alone."""

    penalise: Penalise = apart_penalty

    def measure(self, backend: TrainerBackend, items: Sequence[Item], *, seed: int) -> Anchor:
        anchor = dense_anchor(factor_fisher(backend, items, seed=seed), examples=len(items))
        first_a = {layer.name: layer.a_RD.detach().clone() for layer in backend.layers}
        return DenseAnchor(
            kind="diag",
            covariances={},
            outputs={},
            examples=anchor.examples,
            fisher=anchor.fisher,
            first_a=first_a,
        )


def regulariser(metric: Metric) -> Regulariser:
    """Return the implementation of a metric."""
    if metric == "l2":
        return Identity()
    if metric == "ewc_dense":
        return Dense()
    if metric == "ewc_ab":
        return Apart()
    kinds: dict[str, Curvature] = {kind: kind for kind in typing.get_args(Curvature)}
    return Engine(kind=kinds[metric])
