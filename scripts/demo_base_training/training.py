"""The training loop: a wall-clock budget, a learning rate that follows it, checkpoints on the way."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scripts.demo_base_training.checkpoint import Progress, load_checkpoint, save_checkpoint
from scripts.demo_base_training.network import Batch, Llama, NetworkSize
from scripts.demo_base_training.optimiser import Muon
from scripts.demo_base_training.preparation import Prepared
from scripts.demo_base_training.recipe import Recipe
from scripts.demo_base_training.trees import ANSWER, CONTEXT, Rows

LOG_EVERY_S = 20.0
VALIDATE_EVERY_S = 300.0
CHECKPOINT_EVERY_S = 240.0


def train(
    recipe: Recipe, *, size: NetworkSize, prepared: Prepared, checkpoint: Path, device: torch.device
) -> tuple[Llama, Progress]:
    """Train until the budget is spent, resuming from ``checkpoint`` where it exists."""
    torch.manual_seed(recipe.seed)
    network = Llama(size).to(device)
    optimisers = _optimisers(network, recipe)
    progress = load_checkpoint(checkpoint, network, optimisers) if checkpoint.exists() else Progress()
    network.model.compile()
    batches = _batches(prepared, recipe, skip=progress.step)
    clock = _Clock(progress.elapsed_s)
    log_due, validation_due, checkpoint_due = 0.0, VALIDATE_EVERY_S, clock.elapsed_s() + CHECKPOINT_EVERY_S
    losses: list[float] = []
    while (elapsed_s := clock.elapsed_s()) < recipe.minutes * 60:
        done = elapsed_s / (recipe.minutes * 60)
        rows = next(batches)
        batch = batch_of(rows, recipe.role_weights(done), device)
        losses.append(_step(network, optimisers, batch, recipe, step=progress.step, done=done))
        progress = Progress(
            step=progress.step + 1, tokens=progress.tokens + rows.tokens.size, elapsed_s=clock.elapsed_s()
        )
        if elapsed_s >= log_due:
            _log(recipe, progress, float(np.mean(losses[-50:])))
            log_due = elapsed_s + LOG_EVERY_S
        if elapsed_s >= validation_due:
            context, answer = mean_losses(network, prepared.validation, recipe, device=device)
            _say(f"held-out NLL: context {context:.3f} answer {answer:.3f}")
            validation_due = elapsed_s + VALIDATE_EVERY_S
        if elapsed_s >= checkpoint_due:
            save_checkpoint(checkpoint, network, optimisers, progress)
            checkpoint_due = elapsed_s + CHECKPOINT_EVERY_S
    save_checkpoint(checkpoint, network, optimisers, progress)
    return network, progress


def batch_of(rows: Rows, role_weights: NDArray[np.float32], device: torch.device) -> Batch:
    """Return rows as tensors, with the weight of every target by its role."""

    def whole(array: NDArray[np.uint16]) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.int64)).to(device)

    return Batch(
        tokens=whole(rows.tokens),
        targets=whole(rows.targets),
        weights=torch.from_numpy(role_weights[rows.target_roles]).to(device),
        positions=whole(rows.positions),
        trees=whole(rows.trees),
        branches=whole(rows.branches),
        limits=whole(rows.limits),
    )


@torch.no_grad()
def mean_losses(
    network: Llama, rows: Rows, recipe: Recipe, *, device: torch.device, batches: int = 24
) -> tuple[float, float]:
    """Return the mean negative log likelihood, in nats, of context tokens and of answer tokens.

    Measured on ``batches`` batches spread evenly over all rows.
    """
    size = recipe.batch_rows
    starts = np.linspace(0, len(rows) - size, min(batches, len(rows) // size)).astype(np.int64)
    sums, counts = np.zeros(3), np.zeros(3)
    for start in starts:
        part = rows[slice(start, start + size)]
        for role in (CONTEXT, ANSWER):
            only = np.eye(3, dtype=np.float32)[role]
            with torch.autocast(device.type, torch.bfloat16):
                loss = network.weighted_loss(batch_of(part, only, device))
            count = (part.target_roles == role).sum()
            sums[role] += loss.item() * count
            counts[role] += count
    return float(sums[CONTEXT] / counts[CONTEXT]), float(sums[ANSWER] / counts[ANSWER])


def _optimisers(network: Llama, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in network.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in network.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        Muon(matrices, lr=recipe.muon_lr, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(
            others, lr=recipe.adam_lr, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0, fused=True
        ),
    ]


def _step(
    network: Llama,
    optimisers: list[torch.optim.Optimizer],
    batch: Batch,
    recipe: Recipe,
    *,
    step: int,
    done: float,
) -> float:
    with torch.autocast(batch.tokens.device.type, torch.bfloat16):
        loss = network.weighted_loss(batch)
    torch.autograd.backward(loss)
    factor = recipe.lr_factor(step, done)
    for optimiser, peak in zip(optimisers, (recipe.muon_lr, recipe.adam_lr), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = peak * factor
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return loss.item()


def _batches(prepared: Prepared, recipe: Recipe, *, skip: int) -> Iterator[Rows]:
    """Yield batches for ever, epoch after epoch; the first ``skip`` were trained on before a restart."""
    number = 0
    while True:
        rows = prepared.epoch(number)
        order = np.random.default_rng(recipe.seed + number).permutation(len(rows))
        count = len(rows) // recipe.batch_rows
        for picked in order[: count * recipe.batch_rows].reshape(count, -1)[skip:]:
            yield rows[picked]
        skip = max(0, skip - count)
        number += 1


class _Clock:
    """Seconds of training, counted on from an earlier run."""

    def __init__(self, before_s: float) -> None:
        self._start = time.monotonic() - before_s

    def elapsed_s(self) -> float:
        return time.monotonic() - self._start


def _log(recipe: Recipe, progress: Progress, loss: float) -> None:
    minutes = progress.elapsed_s / 60
    rate = progress.tokens / max(1.0, progress.elapsed_s)
    _say(
        f"{minutes:6.1f} min, {max(0.0, recipe.minutes - minutes):5.1f} left: step {progress.step}, "
        f"{progress.tokens / 1e6:.2f}M tokens, {rate:.0f}/s, loss {loss:.3f}"
    )


def _say(message: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(message, file=sys.stderr, flush=True)
