"""Question: what share of a training step does the EWC penalty cost, and how much memory do its anchors take?

Regime: the demo base (or `--base DIR`), rank 16, batch 8 of 200 tokens, both anchors on, the device of `--device`.
Ceiling: the penalty works on 2r x 2r matrices a layer, so its cost does not grow with the tokens; a few percent
of a step where the step is large. Warm-up steps are left out; median and spread (half the interquartile range).
The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import get_args

import torch

from laimark_sidecar.paths import modelfiles
from laimark_sidecar.training.job import Curvature, TrainJob
from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.batches import Shares
from laimark_sidecar.training.worker.curvature import Anchor, compacted
from laimark_sidecar.training.worker.fisher import measure
from laimark_sidecar.training.worker.losses import Item, PoolWeights, coefficients, collate, weighted_loss
from laimark_sidecar.training.worker.penalty import Reference, add_gradients, penalty, standing

_SHARES = Shares(new=1.0, user=0.0, core=0.0)


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        backend = PeftBackend(_job(options.base, folder, options.device))
    vocabulary = min(
        1000, json.loads((Path(options.base) / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    )
    items = _items(8, options.tokens, vocabulary)
    with torch.no_grad():
        for layer in backend.layers:
            layer.b_OR.normal_(std=0.01)
    anchors = {kind: _anchor(backend, items, kind) for kind in get_args(Curvature)}
    references = standing(backend.layers)
    _step(backend, items, options.micro)
    task_s = [_timed(lambda: _step(backend, items, options.micro), backend) for _ in range(options.repeats)]
    report: dict[str, object] = {
        "device": str(backend.device),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "layers": len(backend.layers),
        "batch": len(items),
        "tokens": options.tokens,
        "task_ms": _summary(task_s),
    }
    for kind, anchor in anchors.items():
        penalty_s = [
            _timed(lambda a=anchor: _penalties(backend, a, references), backend)
            for _ in range(options.repeats)
        ]
        share = statistics.median(penalty_s) / (statistics.median(task_s) + statistics.median(penalty_s))
        report[kind] = {
            "penalty_ms": _summary(penalty_s),
            "share_of_step": round(share, 4),
            "anchor_bytes": anchor.size_bytes(),
        }
    print(json.dumps(report))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--base", default=str(modelfiles() / "demo_base"))
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--micro", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=10)
    return parser.parse_args()


def _job(base: str, folder: str, device: str) -> TrainJob:
    return TrainJob(
        base_dir=base,
        base_sha256="0" * 64,
        examples=f"{folder}/examples.jsonl",
        out_dir=f"{folder}/out",
        work_dir=f"{folder}/work",
        cache_dir=f"{folder}/cache",
        device=device,  # type: ignore[arg-type] # argparse checked the choices
    )


def _items(count: int, tokens: int, vocabulary: int) -> tuple[Item, ...]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, vocabulary, (count, tokens), generator=generator).tolist()
    positions = tuple(range(tokens // 2, tokens - 1))
    return tuple(Item(pool="new", ids=tuple(row), positions=positions, weight=1.0) for row in ids)


def _anchor(backend: PeftBackend, items: tuple[Item, ...], kind: Curvature) -> Anchor:
    anchor = measure(backend, items, kind=kind, batch_size=4, seed=0, check=lambda: None)
    return compacted(anchor, backend.device)


def _step(backend: PeftBackend, items: tuple[Item, ...], micro: int) -> None:
    for layer in backend.layers:
        layer.a_RD.grad, layer.b_OR.grad = torch.zeros_like(layer.a_RD), torch.zeros_like(layer.b_OR)
    factors = coefficients(items, _SHARES, PoolWeights(user=1.0, core=1.0))
    for start in range(0, len(items), micro):
        chosen = items[start : start + micro]
        batch = collate(chosen, backend.device)
        logits = batch.select(backend.logits(batch.ids_BT, batch.mask_BT, batch.kept_P))
        torch.autograd.backward(weighted_loss(logits, batch, chosen, factors[start : start + micro]))


def _penalties(backend: PeftBackend, anchor: Anchor, references: tuple[Reference, ...]) -> None:
    """Both anchors of a step: the core one at 0 and the user one at its reference."""
    add_gradients(backend.layers, penalty(backend.layers, anchor, [None] * len(backend.layers)), 1.0)
    add_gradients(backend.layers, penalty(backend.layers, anchor, references), 1.0)


def _timed(work: object, backend: PeftBackend) -> float:
    assert callable(work)
    begun = time.perf_counter()
    work()
    if backend.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _summary(seconds: list[float]) -> dict[str, float]:
    quarters = statistics.quantiles(seconds, n=4)
    return {
        "median": round(statistics.median(seconds) * 1e3, 2),
        "spread": round((quarters[2] - quarters[0]) / 2 * 1e3, 2),
    }


if __name__ == "__main__":
    main()
