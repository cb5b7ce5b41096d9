"""Checkpoints that survive a crash: safetensors for tensors, JSON inside its header for the rest."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far training has come: steps, trained tokens and seconds over all runs."""

    step: int = 0
    tokens: int = 0
    elapsed_s: float = 0.0


def save_checkpoint(
    path: Path, network: nn.Module, optimisers: list[torch.optim.Optimizer], progress: Progress
) -> None:
    """Write everything a resumed run needs; the old checkpoint stays whole until the new one is durable."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, optimiser in enumerate(optimisers):
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{number}.{key}": value for key, value in state.items()}
    contents = save(tensors, metadata={"progress": json.dumps(asdict(progress))})
    write_durably(path, contents)


def load_checkpoint(path: Path, network: nn.Module, optimisers: list[torch.optim.Optimizer]) -> Progress:
    """Fill the network and the optimisers from ``path`` and return how far it was."""
    states: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in optimisers]
    weights: dict[str, torch.Tensor] = {}
    with safe_open(path, framework="pt") as file:
        progress = Progress(**json.loads(file.metadata()["progress"]))
        for name in file.keys():  # noqa: SIM118  (not a mapping)
            part, _, rest = name.partition(".")
            if part == "network":
                weights[rest] = file.get_tensor(name)
            else:
                index, number, key = rest.split(".")
                states[int(index)].setdefault(int(number), {})[key] = file.get_tensor(name)
    network.load_state_dict(weights)
    for optimiser, state in zip(optimisers, states, strict=True):
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return progress


def write_durably(path: Path, contents: bytes) -> None:
    """Replace ``path`` by ``contents`` so that a crash leaves the old file or the new one."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
