"""Train the demo base from this Python's standard library and some packages, and export it.

    $ python -m scripts.make_demo_base --minutes 90 --out demo_base

Run it from the repository root, in the environment that ``./scripts/test`` sets up. An interrupted run goes on from
its last checkpoint when started again with the same options; a finished one is only exported and scored again.
Progress goes to stderr; the last line of stdout is the facts of the model as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from platformdirs import user_cache_path
from scripts.demo_base_training.corpus import standard_library
from scripts.demo_base_training.network import NetworkSize
from scripts.demo_base_training.packages import package_folders
from scripts.demo_base_training.preparation import prepare
from scripts.demo_base_training.recipe import Recipe
from scripts.demo_base_training.release import release
from scripts.demo_base_training.training import train

BATCH_ROWS = {"cpu": 8, "cuda": 64}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    cache = user_cache_path("laimark-sidecar") / "demo-base-training"
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument(
        "--minutes", type=float, default=90.0, help="wall-clock budget of training (default: 90)"
    )
    options.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    options.add_argument("--device", choices=sorted(BATCH_ROWS), default="cpu")
    options.add_argument("--threads", type=int, default=None, help="CPU threads (default: torch decides)")
    options.add_argument(
        "--work-dir", type=Path, default=cache, help=f"checkpoints and tokens (default: {cache})"
    )
    options.add_argument("--seed", type=int, default=0)
    return options


def main() -> None:
    """Prepare, train, export, score."""
    options = parser().parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    recipe = Recipe(minutes=options.minutes, batch_rows=BATCH_ROWS[options.device], seed=options.seed)
    size = NetworkSize()
    prepared = prepare(standard_library(), package_folders(), options.work_dir)
    network, progress = train(
        recipe,
        size=size,
        prepared=prepared,
        checkpoint=prepared.folder / f"checkpoint-{options.seed}.safetensors",
        device=torch.device(options.device),
    )
    facts = release(
        options.out, network=network, size=size, prepared=prepared, recipe=recipe, progress=progress
    )
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
