from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from laimark_sidecar.training.worker.batches import Pool, Shares
from laimark_sidecar.training.worker.losses import (
    BaseLogits,
    Item,
    PoolWeights,
    coefficients,
    collate,
    kl_to_base,
    token_losses,
    weighted_loss,
)

CPU = torch.device("cpu")
EVEN = PoolWeights(user=1.0, core=1.0)


def item(length: int, *, pool: Pool = "new", weight: float = 1.0, first: int = 1) -> Item:
    ids = tuple(range(first, first + length))
    return Item(pool=pool, ids=ids, positions=tuple(range(length // 2, length - 1)), weight=weight)


def logits(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3


def base_of(logits_NV: Tensor, kept: int) -> BaseLogits:
    leading = logits_NV.topk(kept, dim=-1)
    return BaseLogits(
        token_ids_NK=leading.indices, logits_NK=leading.values, logsumexp_N=logits_NV.logsumexp(dim=-1)
    )


def test_a_batch_pads_on_the_right_and_finds_every_label() -> None:
    batch = collate([item(6), item(4, first=10)], CPU)
    assert batch.ids_BT.tolist() == [[1, 2, 3, 4, 5, 6], [10, 11, 12, 13, 0, 0]]
    assert batch.mask_BT.tolist() == [[1] * 6, [1, 1, 1, 1, 0, 0]]
    assert batch.labels_N.tolist() == [5, 6, 13]
    assert batch.kept_P.tolist() == [2, 3, 4]


def test_selecting_takes_each_rows_own_positions() -> None:
    batch = collate([item(6), item(4, first=10)], CPU)
    full = logits(2, 6, 9)
    chosen = batch.select(full[:, batch.kept_P])
    assert torch.equal(chosen, torch.stack([full[0, 3], full[0, 4], full[1, 2]]))


def test_a_step_is_one_mean_over_its_tokens_however_it_is_split() -> None:
    items = [item(length, weight=weight) for length, weight in ((4, 1.0), (12, 0.5), (7, 1.0), (9, 2.0))]
    factors = coefficients(items, Shares(new=1, user=0, core=0), EVEN)
    table = logits(40, 50)

    def total(size: int) -> float:
        loss = 0.0
        for start in range(0, len(items), size):
            chosen = items[start : start + size]
            batch = collate(chosen, CPU)
            logits_NV = table[batch.labels_N - 1]
            loss += float(weighted_loss(logits_NV, batch, chosen, factors[start : start + size]))
        return loss

    assert total(1) == pytest.approx(total(4), rel=1e-6)
    assert total(2) == pytest.approx(total(4), rel=1e-6)


def test_pools_weigh_by_their_share_and_not_by_their_length() -> None:
    items = [item(4), item(40, pool="user"), item(20, pool="core")]
    shares = Shares(new=0.5, user=0.25, core=0.25)
    factors = coefficients(items, shares, PoolWeights(user=1.0, core=3.0))
    mass = [factor * len(i.positions) for factor, i in zip(factors, items, strict=True)]
    assert mass == pytest.approx([0.5, 0.25, 0.75])


def test_lessons_are_scored_by_cross_entropy_and_core_by_kl() -> None:
    lesson, core = item(6), item(5, pool="core")
    batch = collate([lesson, core], CPU)
    logits_NV = logits(len(batch.labels_N), 50)
    count = len(lesson.positions)
    core = replace(core, base=base_of(logits_NV[count:] + logits(1, 50, seed=4), 5))
    assert core.base is not None
    losses = token_losses(logits_NV, batch, [lesson, core])
    expected = torch.nn.functional.cross_entropy(logits_NV[:count], batch.labels_N[:count], reduction="none")
    torch.testing.assert_close(losses[:count], expected)
    torch.testing.assert_close(losses[count:], kl_to_base(logits_NV[count:], core.base))


def test_kl_over_all_tokens_equals_the_full_kl() -> None:
    """Oracle: torch's own kl_div on the whole vocabulary."""
    model, base = logits(6, 21, seed=1), logits(6, 21, seed=2)
    expected = torch.nn.functional.kl_div(
        model.log_softmax(-1), base.log_softmax(-1), log_target=True, reduction="none"
    ).sum(-1)
    torch.testing.assert_close(kl_to_base(model, base_of(base, 20)), expected, rtol=1e-4, atol=1e-5)


def test_kl_over_leading_tokens_is_a_lower_bound() -> None:
    model, base = logits(50, 100, seed=1), logits(50, 100, seed=2)
    bucketed, full = kl_to_base(model, base_of(base, 5)), kl_to_base(model, base_of(base, 99))
    assert bool((bucketed <= full + 1e-5).all())
    assert bool((bucketed >= -1e-5).all())


def test_kl_to_itself_is_zero_with_a_zero_gradient() -> None:
    model = logits(6, 100).requires_grad_()
    loss = kl_to_base(model, base_of(model.detach(), 20)).sum()
    torch.autograd.backward(loss)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-5)
    assert model.grad is not None
    assert float(model.grad.abs().max()) < 1e-5


def test_a_model_certain_of_one_token_gives_finite_losses() -> None:
    base = torch.zeros(1, 30)
    base[0, 3] = 200.0
    model = (-base).requires_grad_()
    loss = kl_to_base(model, base_of(base, 20)).sum()
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert model.grad is not None
    assert bool(torch.isfinite(model.grad).all())
