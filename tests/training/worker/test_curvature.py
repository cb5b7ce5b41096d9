from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.worker.curvature import (
    Anchor,
    Covariance,
    blend,
    blend_anchors,
    compacted,
    compress,
    load_anchor,
    normalised,
    save_anchor,
)

CPU = torch.device("cpu")
SHA = "ab" * 32


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(covariance: Covariance) -> Tensor:
    rows = covariance.rows_KD.double()
    return rows.T @ rows + torch.diag(covariance.diagonal_D.double())


def input_anchor(*, seed: int = 0) -> Anchor:
    covariances = {
        "small": Covariance(rows_KD=normal(3, 8, seed=seed), diagonal_D=normal(8, seed=seed + 1).abs()),
        "large": Covariance(rows_KD=9 * normal(3, 12, seed=seed), diagonal_D=normal(12, seed=seed + 2).abs()),
    }
    return Anchor(kind="input", covariances=covariances, outputs={}, examples=4)


def diag_anchor() -> Anchor:
    covariances = {"layer": Covariance(rows_KD=torch.zeros(0, 8), diagonal_D=normal(8).abs().float())}
    return Anchor(
        kind="diag", covariances=covariances, outputs={"layer": diagonal(normal(5).abs().float())}, examples=4
    )


def kfac_anchor() -> Anchor:
    outputs = {
        name: Covariance(rows_KD=normal(2, 5, seed=7), diagonal_D=normal(5, seed=8).abs())
        for name in ("q", "k")
    }
    return replace(input_anchor(), kind="kfac", outputs=outputs)


def diagonal(values: Tensor) -> Covariance:
    return Covariance(rows_KD=values.new_zeros((0, values.numel())), diagonal_D=values)


@pytest.mark.parametrize("rows", [5, 40])
def test_compression_without_loss_of_rank_is_exact(rows: int) -> None:
    data = normal(rows, 6)
    kept = compress(data, data.square().sum(0), rank=6)
    torch.testing.assert_close(dense(kept), data.T @ data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("rows", "width"), [(10, 30), (50, 20)])
def test_compression_keeps_the_diagonal_and_the_leading_directions(rows: int, width: int) -> None:
    data = normal(rows, width) * torch.logspace(1, -1, width, dtype=torch.float64)
    whole = data.T @ data
    kept = compress(data, whole.diagonal(), rank=4)
    assert kept.rows_KD.shape == (4, width)
    torch.testing.assert_close(kept.full_diagonal_D().double(), whole.diagonal(), rtol=1e-4, atol=1e-4)
    values, vectors = torch.linalg.eigh(whole)
    leading = vectors[:, -4:] @ torch.diag(values[-4:]) @ vectors[:, -4:].T
    rows_KD = kept.rows_KD.double()
    torch.testing.assert_close(rows_KD.T @ rows_KD, leading, rtol=1e-3, atol=1e-3)


def test_blending_is_the_weighted_mean() -> None:
    old, new = input_anchor().covariances["small"], input_anchor(seed=7).covariances["small"]
    torch.testing.assert_close(
        dense(blend(old, new, 0.75)), 0.75 * dense(old) + 0.25 * dense(new), rtol=1e-4, atol=1e-4
    )


def test_blending_diagonals_stays_diagonal() -> None:
    old = diag_anchor().covariances["layer"]
    mixed = blend(old, old.scaled(3.0), 0.5)
    assert mixed.rows_KD.shape[0] == 0
    torch.testing.assert_close(mixed.diagonal_D, 2.0 * old.diagonal_D)


def test_an_input_anchor_has_mean_diagonal_one_and_keeps_how_layers_compare() -> None:
    raw, scaled = input_anchor(), normalised(input_anchor())
    diagonals = torch.cat([covariance.full_diagonal_D() for covariance in scaled.covariances.values()])
    assert float(diagonals.mean()) == pytest.approx(1.0, rel=1e-5)

    def ratio(anchor: Anchor) -> float:
        large, small = anchor.covariances["large"], anchor.covariances["small"]
        return float(large.full_diagonal_D().sum() / small.full_diagonal_D().sum())

    assert ratio(scaled) == pytest.approx(ratio(raw), rel=1e-5)


def test_a_diagonal_fisher_has_mean_one_over_all_weights() -> None:
    anchor = normalised(diag_anchor())
    fisher = anchor.outputs["layer"].full_diagonal_D()[:, None] * anchor.covariances["layer"].diagonal_D
    assert float(fisher.mean()) == pytest.approx(1.0, rel=1e-5)


def test_nothing_measured_stays_zero() -> None:
    zero = {"layer": Covariance(rows_KD=torch.zeros(0, 4), diagonal_D=torch.zeros(4))}
    for kind, outputs in (("input", {}), ("diag", {"layer": diagonal(torch.zeros(3))})):
        anchor = normalised(Anchor(kind=kind, covariances=zero, outputs=outputs, examples=0))  # type: ignore[arg-type]
        assert float(anchor.covariances["layer"].diagonal_D.sum()) == 0.0


@pytest.mark.parametrize(
    "anchor",
    [normalised(input_anchor()), normalised(diag_anchor()), normalised(kfac_anchor())],
    ids=["input", "diag", "kfac"],
)
def test_an_anchor_survives_the_file_in_half_precision(anchor: Anchor, tmp_path: Path) -> None:
    anchor = replace(anchor, nats_per_omega=0.1234567890123, lambda_core=2.5)
    path = tmp_path / "curvature.safetensors"
    save_anchor(path, anchor, base_sha256=SHA)
    found = load_anchor(path, kind=anchor.kind, base_sha256=SHA, device=CPU)
    assert (found.nats_per_omega, found.lambda_core, found.examples) == (0.1234567890123, 2.5, 4)
    assert found.covariances.keys() == anchor.covariances.keys()
    for key, covariance in anchor.covariances.items():
        torch.testing.assert_close(dense(found.covariances[key]), dense(covariance), rtol=5e-3, atol=5e-3)
    for key, output in anchor.outputs.items():
        torch.testing.assert_close(dense(found.outputs[key]), dense(output), rtol=5e-3, atol=5e-3)


def test_a_file_of_the_first_format_is_read_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "curvature.safetensors"
    tensors = {
        "layer.rows": torch.zeros(0, 3, dtype=torch.float16),
        "layer.diagonal": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16),
        "layer.output": torch.tensor([0.5, 1.5]),
    }
    note = f'{{"format":1,"kind":"diag","base_sha256":"{SHA}","examples":4,"nats_per_omega":0.5,"lambda_core":1.0}}'
    path.write_bytes(save(tensors, metadata={"laimark": note}))
    found = load_anchor(path, kind="diag", base_sha256=SHA, device=CPU)
    assert found.covariances.keys() == found.outputs.keys() == {"layer"}
    assert found.outputs["layer"].full_diagonal_D().tolist() == [0.5, 1.5]
    assert found.covariances["layer"].full_diagonal_D().tolist() == [1.0, 2.0, 3.0]


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curvature.safetensors"
    note = f'{{"format":3,"kind":"input","base_sha256":"{SHA}","examples":4,"nats_per_omega":0.5,"lambda_core":1.0}}'
    path.write_bytes(save({"x": torch.zeros(1)}, metadata={"laimark": note}))
    with pytest.raises(TrainingError, match="of format 3"):
        load_anchor(path, kind="input", base_sha256=SHA, device=CPU)


def test_what_is_trained_with_is_what_is_saved(tmp_path: Path) -> None:
    anchor = normalised(input_anchor())
    path = tmp_path / "curvature.safetensors"
    save_anchor(path, anchor, base_sha256=SHA)
    kept, found = compacted(anchor, CPU), load_anchor(path, kind="input", base_sha256=SHA, device=CPU)
    for key, covariance in kept.covariances.items():
        assert torch.equal(covariance.rows_KD, found.covariances[key].rows_KD)
    assert kept.size_bytes() == found.size_bytes()


def test_numbers_beyond_half_precision_are_clamped_not_infinite() -> None:
    huge = Anchor(
        kind="input",
        covariances={"x": Covariance(rows_KD=torch.zeros(0, 2), diagonal_D=torch.tensor([1e9, 1.0]))},
        outputs={},
        examples=1,
    )
    assert torch.isfinite(compacted(huge, CPU).covariances["x"].diagonal_D).all()


@pytest.mark.parametrize(("kind", "base"), [("diag", SHA), ("input", "cd" * 32)])
def test_an_anchor_of_another_kind_or_base_is_refused(tmp_path: Path, kind: str, base: str) -> None:
    path = tmp_path / "curvature.safetensors"
    save_anchor(path, input_anchor(), base_sha256=SHA)
    with pytest.raises(TrainingError, match="this job needs") as caught:
        load_anchor(path, kind=kind, base_sha256=base, device=CPU)  # type: ignore[arg-type] # parametrised literal
    assert "parent_curvature" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"not a file of tensors"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "curvature.safetensors"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"curvature\.safetensors cannot be read"):
        load_anchor(path, kind="input", base_sha256=SHA, device=CPU)


def test_anchors_of_different_models_do_not_blend() -> None:
    other = replace(input_anchor(), covariances={"small": input_anchor().covariances["small"]})
    with pytest.raises(TrainingError, match="another base"):
        blend_anchors(other, input_anchor(), 0.9)


def test_the_online_update_is_normalised_and_counts_its_examples() -> None:
    mixed = blend_anchors(input_anchor(), input_anchor(seed=5), 0.9)
    diagonals = torch.cat([covariance.full_diagonal_D() for covariance in mixed.covariances.values()])
    assert float(diagonals.mean()) == pytest.approx(1.0, rel=1e-4)
    assert mixed.examples == 8
