"""The training loop: a wall-clock budget, a learning rate that follows it, checkpoints on the way."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scripts.demo_base_training.checkpoint import Progress, load_checkpoint, save_checkpoint
from scripts.demo_base_training.conversations import (
    ANSWER,
    CONTEXT,
    Batch,
    Conversations,
    batch_order,
    collate,
)
from scripts.demo_base_training.network import Llama, NetworkSize
from scripts.demo_base_training.optimiser import Muon
from scripts.demo_base_training.recipe import Recipe

LOG_EVERY_S = 20.0
VALIDATE_EVERY_S = 300.0
CHECKPOINT_EVERY_S = 240.0


def train(
    recipe: Recipe,
    *,
    size: NetworkSize,
    training: Conversations,
    validation: Conversations,
    checkpoint: Path,
    device: torch.device,
    start: Path | None = None,
) -> tuple[Llama, Progress]:
    """Train until the budget is spent, resuming from ``checkpoint`` where it exists.

    A fresh run begins with the weights of the base in the folder ``start``, or with random ones.
    """
    torch.manual_seed(recipe.seed)
    network = Llama(size)
    if start is not None:
        network.load_exported(start)
    network.to(device)
    optimisers = _optimisers(network, recipe)
    progress = load_checkpoint(checkpoint, network, optimisers) if checkpoint.exists() else Progress()
    batches = _batches(training, recipe, skip=progress.step)
    clock = _Clock(progress.elapsed_s)
    log_due, validation_due, checkpoint_due = 0.0, VALIDATE_EVERY_S, clock.elapsed_s() + CHECKPOINT_EVERY_S
    losses: list[float] = []
    while (elapsed_s := clock.elapsed_s()) < recipe.minutes * 60:
        done = elapsed_s / (recipe.minutes * 60)
        batch = next(batches)
        losses.append(_step(network, optimisers, batch, recipe, step=progress.step, done=done, device=device))
        progress = Progress(
            step=progress.step + 1, tokens=progress.tokens + batch.tokens.size, elapsed_s=clock.elapsed_s()
        )
        if elapsed_s >= log_due:
            _log(recipe, progress, float(np.mean(losses[-50:])))
            log_due = elapsed_s + LOG_EVERY_S
        if elapsed_s >= validation_due:
            context, answer = mean_losses(network, validation, device=device)
            _say(f"held-out NLL: context {context:.3f} answer {answer:.3f}")
            validation_due = elapsed_s + VALIDATE_EVERY_S
        if elapsed_s >= checkpoint_due:
            save_checkpoint(checkpoint, network, optimisers, progress)
            checkpoint_due = elapsed_s + CHECKPOINT_EVERY_S
    save_checkpoint(checkpoint, network, optimisers, progress)
    return network, progress


@torch.no_grad()
def mean_losses(
    network: Llama, conversations: Conversations, *, device: torch.device, count: int = 320
) -> tuple[float, float]:
    """Return the mean negative log likelihood, in nats, of context tokens and of answer tokens.

    Measured on ``count`` conversations spread evenly over all of them.
    """
    picked = np.linspace(0, len(conversations) - 1, min(count, len(conversations))).astype(np.int64)
    picked = picked[np.argsort(conversations.lengths()[picked])]
    sums, counts = np.zeros(3), np.zeros(3)
    for rows in np.array_split(picked, max(1, len(picked) // 16)):
        batch = collate(conversations, rows)
        for role in (CONTEXT, ANSWER):
            wanted = batch.roles == role
            weights = torch.from_numpy(wanted.astype(np.float32)).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                loss = network.weighted_loss(torch.from_numpy(batch.tokens).to(device), weights)
            sums[role] += loss.item() * wanted[:, 1:].sum()
            counts[role] += wanted[:, 1:].sum()
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
    device: torch.device,
) -> float:
    weights = torch.from_numpy(recipe.role_weights(done)[batch.roles]).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        loss = network.weighted_loss(torch.from_numpy(batch.tokens).to(device), weights)
    torch.autograd.backward(loss)
    factor = recipe.lr_factor(step, done)
    for optimiser, peak in zip(optimisers, (recipe.muon_lr, recipe.adam_lr), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = peak * factor
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return loss.item()


def _batches(conversations: Conversations, recipe: Recipe, *, skip: int) -> Iterator[Batch]:
    """Yield batches for ever, a new order each epoch; the first ``skip`` were trained on before a restart."""
    epoch = 0
    while True:
        order = batch_order(conversations, batch_tokens=recipe.batch_tokens, seed=recipe.seed + epoch)
        for rows in order[skip:]:
            yield collate(conversations, rows)
        skip = max(0, skip - len(order))
        epoch += 1


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
