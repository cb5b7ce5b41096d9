"""The adapted linear layers, as the penalty and the curvature see them: no backend's classes, only tensors.

Legend: R rank, D inputs, O outputs of a layer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.worker.updates import LowRank, Update

_SHARED_INPUT = {
    "q_proj": "qkv",
    "k_proj": "qkv",
    "v_proj": "qkv",
    "gate_proj": "gate_up",
    "up_proj": "gate_up",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One linear layer `W` with its update `D`."""

    name: str
    """Module path in the base model, for example `model.layers.0.self_attn.q_proj`."""
    update: Update
    linear: torch.nn.Module
    """The frozen base linear."""
    adapted: torch.nn.Module | None = None
    """The module around `linear`, where what reaches that, or leaves it, is not yet what the layer reads and writes."""

    @property
    def watched(self) -> torch.nn.Module:
        """Where hooks see the input and the output of the layer `W + D`.

        With a LoRA they are those of `linear` itself, whose output's gradient is the layer's.
        """
        return self.linear if self.adapted is None else self.adapted

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What is trained, by the end of its name in PEFT's file; always in the same order."""
        return self.update.parameters

    @property
    def a_RD(self) -> torch.nn.Parameter:
        return self._low_rank.a_RD

    @property
    def b_OR(self) -> torch.nn.Parameter:
        return self._low_rank.b_OR

    @property
    def scale(self) -> float:
        """The s of `D = s · B · A`."""
        return self._low_rank.scale

    @property
    def _low_rank(self) -> LowRank:
        if not isinstance(self.update, LowRank):
            raise TrainingError(f"the update of {self.name} is no product of two factors")
        return self.update

    @property
    def input_group(self) -> str:
        """Name shared by the layers that read the same input (q, k, v; gate, up)."""
        return input_group(self.name)


def input_group(name: str) -> str:
    """Return `name` with its last component replaced by what the layers with the same input share."""
    parent, _, leaf = name.rpartition(".")
    shared = _SHARED_INPUT.get(leaf, leaf)
    return f"{parent}.{shared}" if parent else shared


def tensor_name(layer_name: str, end: str) -> str:
    """Return a tensor's name in a PEFT file; `end` is one of `Layer.parameters`."""
    return f"base_model.model.{layer_name}.{end}"


def peft_name(layer_name: str, factor: str) -> str:
    """Return the name of a factor of LoRA in a PEFT file; `factor` is `A` or `B`."""
    return tensor_name(layer_name, f"lora_{factor}.weight")


def layer_name(peft_tensor: str) -> str:
    """Undo `peft_name`; a name that is not one comes back empty."""
    match = re.fullmatch(r"base_model\.model\.(.+)\.lora_[AB]\.weight", peft_tensor)
    return match.group(1) if match else ""
