"""Does the gate see a bad adapter? Regressions planted in real ones, judged as any candidate.

A user's corrections of this project's own sources are learned for real, once. Then, on the same home and the same held-out
items: that adapter as it is; one of its layers replaced by noise of three and of thirty times its size; its scale wrong
(twice, four times, turned round, a fraction); training with labels shuffled among the lessons; training too long and too fast. Each
is converted, scored by llama.cpp on the base that is served, and judged by the gate. A regression that costs nothing and
still gains is no regression: its figures say so. False rejects: the untouched adapter on halves of the held-out items.

The last line of stdout is JSON. `python -m scripts.planted_regressions`
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scripts.user_home import made, record, silent, take_in

from laimark_sidecar.demo.code_base import own_sources, read_code
from laimark_sidecar.pipeline.convert import convert
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.judge import MAX_HELDOUT, gate_of, measure
from laimark_sidecar.pipeline.readiness import judges
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.train import train
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.training.jobfile import read_examples, read_job, write_examples, write_job
from laimark_sidecar.validation.verdict import judge

LINES, SEED = 240, 0
WEIGHTS = "adapter_model.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        rows = run(Path(name))
    bad = [row for row in rows if row["regression"]]
    print(
        json.dumps(
            {
                "rows": rows,
                "regressions": len(bad),
                "accepted_regressions": [row["what"] for row in bad if row["accepted"]],
                "seconds": round(time.perf_counter() - started),
            }
        )
    )


def run(folder: Path) -> list[dict[str, Any]]:
    workshop = made(folder / "home")
    code = read_code(own_sources(), rounds=1, asks=LINES, exam=100, seed=SEED)
    record(workshop, code.work)
    take_in(workshop)
    with workshop.store() as store:
        heldout = list(judges(workshop, store, limit=MAX_HELDOUT))
    good = learned(workshop, folder / "good")
    weights = load_file(good / WEIGHTS)
    rows: list[dict[str, Any]] = []

    def judged(what: str, adapter: Path, items: list[Item], *, regression: bool) -> None:
        rows.append(verdict(workshop, what, adapter, items, folder, regression=regression))
        print(json.dumps(rows[-1]), flush=True)

    judged("as trained", good, heldout, regression=False)
    for half in (0, 1):
        judged(f"as trained, half {half + 1} of the items", good, heldout[half::2], regression=False)
    for size in (3.0, 30.0):
        for layer in (0, 5):
            damaged = changed(good, folder / "bad", noise_in(weights, layer, size))
            # An update is small beside the weights: noise three times as large costs less than the other layers gain.
            judged(f"layer {layer}: noise of {size:g} times its size", damaged, heldout, regression=size > 10)
    for factor in (0.1, 2.0, 4.0, -1.0):
        wrong = changed(good, folder / "bad", scaled(weights, factor))
        # A tenth of a good update is a smaller one, not a worse one; twice it is what the line search would try next.
        judged(f"scale {factor:g}", wrong, heldout, regression=factor in (4.0, -1.0))
    judged("labels shuffled", learned(workshop, folder / "shuffled", shuffled=True), heldout, regression=True)
    judged(
        "five times as long, ten times as fast",
        learned(workshop, folder / "over", steps=300, rate=1e-2),
        heldout,
        regression=True,
    )
    return rows


def learned(
    workshop: Workshop, out: Path, *, shuffled: bool = False, steps: int = 0, rate: float = 0.0
) -> Path:
    """Train an adapter on the user's lessons and return its folder; the cycle leaves nothing else."""
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
    if shuffled:
        examples = list(read_examples(cycle.examples))
        own = [one for one in examples if one.pool != "core"]
        targets = [(one.target, one.spans) for one in own]
        random.Random(SEED).shuffle(targets)
        mixed = [
            replace(one, target=target, spans=spans)
            for one, (target, spans) in zip(own, targets, strict=True)
        ]
        write_examples(cycle.examples, [*mixed, *(one for one in examples if one.pool == "core")])
    job = read_job(cycle.job)
    # What the governor of KL would stop is planted on purpose.
    wild = {"kl_stop": 100.0, "lambda_core": 0.0, "core_weight": 0.0} if steps or shuffled else {}
    write_job(
        cycle.job,
        replace(job, steps=steps or job.steps, learning_rate=rate or job.learning_rate, **wild),  # type: ignore[arg-type] # all floats
    )
    train(cycle, workshop.config, report=silent, should_stop=lambda: False)
    shutil.copytree(cycle.result / "adapter", out)
    shutil.rmtree(cycle.root)
    return out


def changed(
    good: Path, out: Path, change: Callable[[], dict[str, np.ndarray[Any, np.dtype[np.float32]]]]
) -> Path:
    """Return a copy of an adapter with other weights."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(good, out)
    save_file(change(), out / WEIGHTS, metadata={"format": "pt"})
    return out


def noise_in(
    weights: dict[str, np.ndarray[Any, np.dtype[np.float32]]], layer: int, size: float
) -> Callable[[], dict[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    def change() -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        rng = np.random.default_rng(SEED)
        made_new = dict(weights)
        for name, tensor in weights.items():
            if f".layers.{layer}." in name and "lora_B" in name:
                noise = rng.standard_normal(tensor.shape).astype(np.float32)
                made_new[name] = noise * np.float32(size * np.linalg.norm(tensor) / np.linalg.norm(noise))
        return made_new

    return change


def scaled(
    weights: dict[str, np.ndarray[Any, np.dtype[np.float32]]], factor: float
) -> Callable[[], dict[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    return lambda: {
        name: tensor * np.float32(factor) if "lora_B" in name else tensor for name, tensor in weights.items()
    }


def verdict(
    workshop: Workshop, what: str, adapter: Path, heldout: list[Item], folder: Path, *, regression: bool
) -> dict[str, Any]:
    gguf = folder / "candidate.gguf"
    convert(adapter, workshop.base.gguf, gguf)
    evidence = measure(
        workshop,
        heldout,
        gguf,
        None,
        work=folder / "scoring",
        scale=1.0,
        report=silent,
        should_stop=lambda: False,
    )
    found = judge(evidence, gate_of(workshop))
    metrics = found.metrics
    return {
        "what": what,
        "regression": regression,
        "accepted": found.accepted,
        "refused_for": [reason.check for reason in found.reasons if not reason.passed],
        **{name: round(metrics[name], 4) for name in ("gain", "core", "worst_core", "kl") if name in metrics},
    }


if __name__ == "__main__":
    main()
