"""What an anchor remembers of each layer: input covariance as low rank + diagonal, and the Fisher of its outputs.

Three kinds behind one interface. `input`: C = E[x xᵀ] over answer tokens, G = I. `diag`: the diagonal Fisher of the
layer's weights, factored F ≈ u ⊗ v, so C = diag(v) and G = diag(u). `kfac` (Martens and Grosse 2015, arXiv 1503.05671):
C as in `input`, G the damped Fisher of the layer's outputs. An anchor is normalised to mean diagonal 1 as a whole, which
keeps how much the layers matter relative to each other.

Legend: D inputs, O outputs, K rows of the low-rank part, N rows to compress.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.training.job import Curvature
from laimark_sidecar.training.worker.layers import Layer

LOW_RANK = 64
FORMAT_VERSION = 2
"""1 kept the diagonal of G alone, as `NAME.output`."""
_HALF_MAX = 65504.0
_NOTE_KEY = "laimark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """C = rowsᵀ rows + diag(diagonal); positive semi-definite by construction."""

    rows_KD: Tensor
    diagonal_D: Tensor

    def right_multiply(self, a_SD: Tensor) -> Tensor:
        """Return `a C` in the precision of `a`, whatever C is stored in."""
        rows_KD, diagonal_D = self.rows_KD.to(a_SD.dtype), self.diagonal_D.to(a_SD.dtype)
        return (a_SD @ rows_KD.T) @ rows_KD + a_SD * diagonal_D

    def full_diagonal_D(self) -> Tensor:
        """Return the diagonal of C in float32."""
        return self.rows_KD.float().square().sum(0) + self.diagonal_D.float()

    def scaled(self, factor: float) -> Covariance:
        """Return `factor · C`."""
        return Covariance(
            rows_KD=self.rows_KD.float() * factor**0.5, diagonal_D=self.diagonal_D.float() * factor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Curvature of every adapted layer. C is kept by input group (`input`, `kfac`) or by layer (`diag`)."""

    kind: Curvature
    covariances: Mapping[str, Covariance]
    outputs: Mapping[str, Covariance]
    """Layer name to its G, (O, O); empty for `input`."""
    examples: int
    nats_per_omega: float = 0.0
    """c and λ of the core penalty travel along, so that c is fitted once per consolidation."""
    lambda_core: float = 0.0

    def covariance_of(self, layer: Layer) -> Covariance:
        """Return C of the layer.

        Raises:
            TrainingError: the anchor was made for a model that has no such layer.
        """
        key = covariance_key(self.kind, layer)
        if key not in self.covariances:
            raise TrainingError(f"the anchor's curvature has no layer {key!r}: it was made for another base")
        return self.covariances[key]

    def output_of(self, layer: Layer) -> Covariance | None:
        """Return G of the layer, or None for the identity."""
        return self.outputs.get(layer.name)

    def size_bytes(self) -> int:
        """Return the memory that the anchor's tensors take."""
        kept = (*self.covariances.values(), *self.outputs.values())
        tensors = [tensor for one in kept for tensor in (one.rows_KD, one.diagonal_D)]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def covariance_key(kind: Curvature, layer: Layer) -> str:
    """Return where the layer's C is kept: once for q, k, v (and gate, up) where they share it."""
    return layer.name if kind == "diag" else layer.input_group


def compress(rows_ND: Tensor, diagonal_D: Tensor, *, rank: int = LOW_RANK) -> Covariance:
    """Return the covariance with `rank` leading directions of rowsᵀ rows kept and the rest's diagonal exact.

    Args:
        rows_ND: rows whose Gram matrix holds the directions.
        diagonal_D: the whole diagonal that the result must have.
        rank: how many directions to keep.
    """
    rows = rows_ND.double()
    # The smaller Gram matrix has the same eigenvalues: never D x D where D is large.
    if rows.shape[0] < rows.shape[1]:
        values, left = torch.linalg.eigh(rows @ rows.T)
        kept_KD = left[:, -rank:].T @ rows
    else:
        values, right = torch.linalg.eigh(rows.T @ rows)
        kept_KD = right[:, -rank:].T * values[-rank:].clamp_min(0.0).sqrt()[:, None]
    rest_D = (diagonal_D.double() - kept_KD.square().sum(0)).clamp_min(0.0)
    return Covariance(rows_KD=kept_KD.float(), diagonal_D=rest_D.float())


def blend(old: Covariance, new: Covariance, gamma: float) -> Covariance:
    """Return gamma·old + (1 - gamma)·new, compressed again (online EWC)."""
    a, b = old.scaled(gamma), new.scaled(1.0 - gamma)
    total_D = a.full_diagonal_D() + b.full_diagonal_D()
    return (
        compress(torch.cat([a.rows_KD, b.rows_KD]), total_D)
        if a.rows_KD.shape[0] + b.rows_KD.shape[0]
        else replace(a, diagonal_D=total_D)
    )


def blend_anchors(old: Anchor, new: Anchor, gamma: float) -> Anchor:
    """Return the online update of a user anchor, normalised again.

    Raises:
        TrainingError: the old one has other layers.
    """
    if old.covariances.keys() != new.covariances.keys() or old.outputs.keys() != new.outputs.keys():
        raise TrainingError(
            "the parent's curvature has other layers than this model: it was made for another base"
        )
    covariances = {key: blend(old.covariances[key], new.covariances[key], gamma) for key in new.covariances}
    outputs = {key: blend(old.outputs[key], new.outputs[key], gamma) for key in new.outputs}
    return normalised(
        replace(new, covariances=covariances, outputs=outputs, examples=old.examples + new.examples)
    )


def normalised(anchor: Anchor) -> Anchor:
    """Return the anchor scaled so that the mean of its diagonal over all weights is 1; all zeros stay zeros."""
    if anchor.kind != "diag":  # the damped G of `kfac` has mean diagonal 1 by itself
        diagonals = [covariance.full_diagonal_D() for covariance in anchor.covariances.values()]
        mean = float(torch.cat(diagonals).mean()) if diagonals else 0.0
        if mean <= 0.0:
            return anchor
        return replace(anchor, covariances={k: c.scaled(1.0 / mean) for k, c in anchor.covariances.items()})
    total, weights = 0.0, 0
    for name, covariance in anchor.covariances.items():
        v_D, u_O = covariance.full_diagonal_D(), anchor.outputs[name].full_diagonal_D()
        total += float(u_O.double().sum() * v_D.double().sum())
        weights += u_O.numel() * v_D.numel()
    if total <= 0.0:
        return anchor
    factor = (weights / total) ** 0.5
    return replace(
        anchor,
        covariances={name: covariance.scaled(factor) for name, covariance in anchor.covariances.items()},
        outputs={name: output.scaled(factor) for name, output in anchor.outputs.items()},
    )


def compacted(anchor: Anchor, device: torch.device) -> Anchor:
    """Return the anchor as it is kept in memory and on disk: in half precision, the diagonal of G in single."""

    def half(tensor: Tensor) -> Tensor:
        return tensor.clamp(-_HALF_MAX, _HALF_MAX).to(device, torch.float16)

    return replace(
        anchor,
        covariances={
            key: Covariance(rows_KD=half(c.rows_KD), diagonal_D=half(c.diagonal_D))
            for key, c in anchor.covariances.items()
        },
        outputs={
            key: Covariance(rows_KD=half(g.rows_KD), diagonal_D=g.diagonal_D.to(device, torch.float32))
            for key, g in anchor.outputs.items()
        },
    )


class _Note(msgspec.Struct, kw_only=True):
    format: int
    kind: str
    base_sha256: str
    examples: int
    nats_per_omega: float
    lambda_core: float


def save_anchor(path: Path, anchor: Anchor, *, base_sha256: str) -> None:
    """Write the anchor as safetensors; durable when it returns."""
    compact = compacted(anchor, torch.device("cpu"))
    named = {**compact.covariances, **{f"{key}.output": output for key, output in compact.outputs.items()}}
    tensors = {
        f"{key}.{part}": tensor.contiguous()
        for key, kept in named.items()
        for part, tensor in (("rows", kept.rows_KD), ("diagonal", kept.diagonal_D))
    }
    note = _Note(
        format=FORMAT_VERSION,
        kind=anchor.kind,
        base_sha256=base_sha256,
        examples=anchor.examples,
        nats_per_omega=anchor.nats_per_omega,
        lambda_core=anchor.lambda_core,
    )
    # One entry only: safetensors writes several in no fixed order, and the registry names files by their content.
    metadata = {_NOTE_KEY: msgspec.json.encode(note).decode()}
    write_atomic(path, save(tensors, metadata=metadata))


def anchor_kind(path: Path) -> str:
    """Return the kind of curvature that a file holds.

    Raises:
        TrainingError: missing or damaged.
    """
    return _read(path)[0].kind


def load_anchor(path: Path, *, kind: Curvature, base_sha256: str, device: torch.device) -> Anchor:
    """Read an anchor onto `device`.

    Raises:
        TrainingError: missing, damaged, of another kind, or made for another base; names the file.
    """
    note, tensors = _read(path)
    found, expected = (note.kind, note.base_sha256), (kind, base_sha256)
    if note.format > FORMAT_VERSION or found != expected:
        raise TrainingError(
            f"curvature file {path} of format {note.format} has (kind, base) {found}, this job needs {expected}",
            hint="leave parent_curvature empty to begin a new user anchor",
        )
    kept = {
        name.removesuffix(".diagonal"): Covariance(
            rows_KD=tensors[f"{name.removesuffix('.diagonal')}.rows"].to(device),
            diagonal_D=diagonal.to(device),
        )
        for name, diagonal in _upgraded(note, tensors).items()
        if name.endswith(".diagonal")
    }
    return Anchor(
        kind=kind,
        covariances={name: one for name, one in kept.items() if not name.endswith(".output")},
        outputs={name.removesuffix(".output"): one for name, one in kept.items() if name.endswith(".output")},
        examples=note.examples,
        nats_per_omega=note.nats_per_omega,
        lambda_core=note.lambda_core,
    )


def _upgraded(note: _Note, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write what format 1 kept of G as a covariance without rows; changes `tensors` and returns it."""
    for name in [name for name in tensors if note.format == 1 and name.endswith(".output")]:
        u_O = tensors.pop(name)
        tensors |= {f"{name}.rows": u_O.new_zeros((0, u_O.numel())), f"{name}.diagonal": u_O}
    return tensors


def _read(path: Path) -> tuple[_Note, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            note = decode_json((file.metadata() or {})[_NOTE_KEY], _Note)
            return note, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, KeyError, MalformedError) as error:
        raise TrainingError(f"curvature file {path} cannot be read: {error}") from error
