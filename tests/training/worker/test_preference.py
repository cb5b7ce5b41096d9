from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.batches import Pool, Shares
from laimark_sidecar.training.worker.losses import Item, PoolWeights, collate
from laimark_sidecar.training.worker.preference import (
    ask_base,
    dpo_loss,
    lengths,
    pair_coefficients,
    pair_of,
    paired_loss,
    sequences,
    widths,
)

CPU = torch.device("cpu")
PROMPT = (7, 8, 9)


def lesson(target: tuple[int, ...], rejected: tuple[int, ...] = (), *, pool: Pool = "new") -> Item:
    """Return a lesson whose every answer token is learned."""
    ids = (*PROMPT, *target)
    pair = pair_of(ids, len(PROMPT), rejected, max_length=64) if rejected else None
    positions = tuple(range(len(PROMPT) - 1, len(ids) - 1))
    return Item(pool=pool, ids=ids, positions=positions, weight=1.0, pair=pair)


def with_margin(item: Item, margin: float) -> Item:
    assert item.pair is not None
    return replace(item, pair=replace(item.pair, base_margin=margin))


def loss_of(backend: PeftBackend, items: tuple[Item, ...], *, task: float, preference: float) -> Tensor:
    batch = collate(sequences(items), backend.device)
    logits_NV = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
    count = len(items)
    return paired_loss(logits_NV, batch, items, [task] * count, [preference] * count, beta=0.1)


@pytest.mark.parametrize(("margin", "base"), [(0.0, 0.0), (3.0, -1.5), (-40.0, 2.0), (500.0, 0.0)])
def test_the_loss_is_that_of_the_paper(margin: float, base: float) -> None:
    """Oracle: eq. 7 of arXiv 2305.18290 in double precision."""
    margin_P = torch.tensor([margin], requires_grad=True)
    loss_P = dpo_loss(margin_P, torch.tensor([base]), beta=0.1)
    torch.autograd.backward(loss_P.sum())
    moved = 0.1 * (margin - base)
    assert float(loss_P.detach()) == pytest.approx(math.log1p(math.exp(-moved)), rel=1e-5, abs=1e-12)
    assert margin_P.grad is not None
    assert float(margin_P.grad) == pytest.approx(-0.1 / (1.0 + math.exp(moved)), rel=1e-5, abs=1e-12)


def test_answers_count_from_where_they_part_and_end_with_their_ends() -> None:
    pair = lesson((1, 2, 3, 0), (1, 5, 0)).pair
    assert pair is not None
    assert pair.ids == (*PROMPT, 1, 5, 0)
    # The token at a position is predicted by it: 3 predicts what stands at 4, the second token of the answer.
    assert (pair.positions, pair.chosen) == ((3, 4), (3, 4, 5))


@pytest.mark.parametrize("rejected", [(1, 2, 0), (1, 2)])
def test_answers_that_do_not_part_are_no_pair(rejected: tuple[int, ...]) -> None:
    assert lesson((1, 2, 0), rejected).pair is None


def test_a_long_rejected_answer_loses_its_end_and_the_prompt_stays() -> None:
    ids = (*PROMPT, 1, 0)
    pair = pair_of(ids, len(PROMPT), tuple(range(20, 40)), max_length=8)
    assert pair is not None
    assert pair.ids == (*PROMPT, 20, 21, 22, 23, 24)
    assert pair_of(ids, len(PROMPT), (1, 0, 5), max_length=5) is None


def test_a_lesson_is_its_two_sequences_and_what_has_no_pair_stays_one() -> None:
    items = (lesson((1, 2, 0), (1, 3, 3, 3, 0)), lesson((4, 0), pool="user"))
    rows = sequences(items)
    assert [row.ids[3:] for row in rows] == [(1, 2, 0), (4, 0), (1, 3, 3, 3, 0)]
    assert (widths(items), lengths(items)) == ([2, 1], [8, 5])
    assert sequences(items[1:]) == items[1:]


def test_what_is_not_to_be_learned_of_a_target_counts_in_the_pair_alone() -> None:
    """Oracle: log-softmax by hand. Only the last token of the target carries cross-entropy."""
    item = with_margin(replace(lesson((1, 2, 0), (3, 0)), positions=(4,)), 0.25)
    batch = collate(sequences([item]), CPU)
    logits_NV = torch.randn(len(batch.labels_N), 12, generator=torch.Generator().manual_seed(3))
    log_p = logits_NV.log_softmax(-1).gather(1, batch.labels_N[:, None])[:, 0]
    assert batch.labels_N.tolist() == [
        0,
        1,
        2,
        3,
        0,
    ]  # the loss position first, then the rest of both answers
    margin = log_p[:3].sum() - log_p[3:].sum()
    expected = -2.0 * log_p[0] - 0.5 * torch.nn.functional.logsigmoid(0.1 * (margin - 0.25))
    found = paired_loss(logits_NV, batch, [item], [2.0], [0.5], beta=0.1)
    torch.testing.assert_close(found, expected)


def test_a_pair_counts_as_one_example_of_its_pool_however_many_others_have_none() -> None:
    paired, bare = lesson((1, 0), (2, 0)), lesson((1, 0))
    items = [paired, bare, bare, replace(paired, weight=0.5), replace(paired, pool="user")]
    shares = Shares(new=0.5, user=0.25, core=0.25)
    factors = pair_coefficients(items, shares, PoolWeights(user=2.0, core=1.0), 3.0)
    assert factors == pytest.approx((0.375, 0.0, 0.0, 0.1875, 1.5))


@pytest.fixture(scope="module")
def base_margin(demo_base_dir: Path) -> Callable[[Item], float]:
    """Oracle: the base loaded alone, without any adapter, one sequence at a time, whole answers."""
    model = transformers.AutoModelForCausalLM.from_pretrained(demo_base_dir, dtype=torch.float32)

    @torch.no_grad()
    def log_likelihood(ids: tuple[int, ...]) -> float:
        log_p = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        return sum(float(log_p[at - 1, ids[at]]) for at in range(len(PROMPT), len(ids)))

    def margin(item: Item) -> float:
        assert item.pair is not None
        return log_likelihood(item.ids) - log_likelihood(item.pair.ids)

    return margin


PAIRS = (lesson((40, 41, 42, 5), (40, 90, 91, 92, 93, 5)), lesson((60, 5), (61, 62, 5)))


def test_the_reference_is_the_base_while_an_adapter_is_on_the_model(
    moved: PeftBackend, base_margin: Callable[[Item], float]
) -> None:
    """A reference that follows the adapter makes the loss log 2 for ever: compare with a base that never had one."""
    bare = lesson((70, 5))
    asked = ask_base(moved, (PAIRS[0], bare, PAIRS[1]), batch_size=4, check=lambda: None)
    assert asked[1] is bare
    for item, expected in zip((asked[0], asked[2]), map(base_margin, PAIRS), strict=True):
        assert item.pair is not None
        assert item.pair.base_margin == pytest.approx(expected, abs=1e-4)
    preference = float(loss_of(moved, (asked[0], asked[2]), task=0.0, preference=0.5).detach())
    assert preference != pytest.approx(math.log(2.0), abs=0.05)


def test_an_adapter_that_does_nothing_prefers_what_the_base_prefers(backend: PeftBackend) -> None:
    asked = ask_base(backend, PAIRS, batch_size=2, check=lambda: None)
    loss = loss_of(backend, asked, task=0.0, preference=0.5)
    assert float(loss.detach()) == pytest.approx(math.log(2.0), abs=1e-5)


def test_the_gradient_lifts_what_was_chosen_over_what_was_rejected(backend: PeftBackend) -> None:
    asked = ask_base(backend, PAIRS[:1], batch_size=2, check=lambda: None)
    parameters = [parameter for layer in backend.layers for parameter in (layer.a_RD, layer.b_OR)]

    @torch.no_grad()
    def margin() -> float:
        batch = collate(sequences(asked), CPU)
        log_p = backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P).log_softmax(-1)
        of_labels = batch.select(log_p).gather(1, batch.labels_N[:, None])[:, 0]
        target = len(asked[0].positions)
        return float(of_labels[:target].sum() - of_labels[target:].sum())

    before = margin()
    torch.autograd.backward(loss_of(backend, asked, task=0.0, preference=1.0))
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=-0.05)
    assert margin() > before + 0.01
