"""The finished product: exported, scored, described."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import torch
from scripts.demo_base_training.checkpoint import Progress
from scripts.demo_base_training.core_prompts import core_lines, write_core
from scripts.demo_base_training.evaluation import ExportedBase
from scripts.demo_base_training.export import export_base, replace_folder_files, write_facts
from scripts.demo_base_training.model_card import model_card
from scripts.demo_base_training.network import Llama, NetworkSize
from scripts.demo_base_training.packages import package_versions
from scripts.demo_base_training.preparation import TEST_SHARE, Prepared, held_out, held_out_tasks
from scripts.demo_base_training.recipe import Recipe

from laimark_sidecar.demo.code_tasks import Task

FACTS_VERSION = 2
SCORED = {"complete": 1000, "docstring": 200, "signature": 200}
_SCORE_SEED, _CORE_SEED = 3, 4


def release(
    out: Path,
    *,
    network: Llama,
    size: NetworkSize,
    prepared: Prepared,
    recipe: Recipe,
    progress: Progress,
) -> dict[str, Any]:
    """Export to ``out``, score what was exported, add facts, card and core prompts; return the facts.

    ``out`` changes only after everything has been made.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        device = next(network.parameters()).device
        export_base(folder, network.cpu(), size, prepared.tokenizer)
        facts = {
            "version": FACTS_VERSION,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "weights_bytes": (folder / "model.safetensors").stat().st_size,
            "network": asdict(size),
            "training": _training_facts(recipe, progress, device),
            "data": _data_facts(prepared),
            "scores": scores(folder, prepared),
            "edit_similarity": "difflib.SequenceMatcher.ratio after white space normalisation",
            "held_out_files": [file.path for file in held_out(prepared.files)],
        }
        write_facts(folder, facts)
        write_core(
            folder / "core.jsonl", core_lines(prepared.files, prepared.tokenizer, rng=Random(_CORE_SEED))
        )
        (folder / "README.md").write_text(model_card(facts), encoding="utf-8")
        replace_folder_files(folder, out)
    return facts


def scores(folder: Path, prepared: Prepared) -> dict[str, dict[str, float]]:
    """Score the exported base on held-out tasks of each kind."""
    base = ExportedBase(folder)
    tasks = held_out_tasks(prepared.files)
    found: dict[str, dict[str, float]] = {}
    for kind, count in SCORED.items():
        score = base.score(_sample([task for task in tasks if task.kind == kind], count))
        print(f"{kind}: {score}", file=sys.stderr, flush=True)
        found[kind] = asdict(score)
    return found


def _sample(tasks: Sequence[Task], count: int) -> list[Task]:
    return Random(_SCORE_SEED).sample(tasks, min(count, len(tasks)))


def _training_facts(recipe: Recipe, progress: Progress, device: torch.device) -> dict[str, Any]:
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{torch.get_num_threads()} CPU threads"
    )
    return asdict(recipe) | {
        "device": name,
        "seconds": round(progress.elapsed_s, 1),
        "steps": progress.step,
        "tokens": progress.tokens,
    }


def _data_facts(prepared: Prepared) -> dict[str, Any]:
    files = [file for file in prepared.files if not file.is_held_out]
    return {
        "python": f"CPython {platform.python_version()}",
        "python_licence": "PSF-2.0",
        "packages": [
            {"name": name, "version": version, "licence": licence}
            for name, version, licence in package_versions()
        ],
        "training_files": len(files),
        "training_chars": sum(len(file.text) for file in files),
        "test_share": TEST_SHARE,
    }
