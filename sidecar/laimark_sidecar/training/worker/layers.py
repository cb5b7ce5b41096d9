"""The adapted linear layers, as the penalty and the curvature see them: no backend's classes, only tensors.

Legend: R rank, D inputs, O outputs of a layer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

_SHARED_INPUT = {
    "q_proj": "qkv",
    "k_proj": "qkv",
    "v_proj": "qkv",
    "gate_proj": "gate_up",
    "up_proj": "gate_up",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One linear layer `W` with its update `D = scale · B · A`."""

    name: str
    """Module path in the base model, for example `model.layers.0.self_attn.q_proj`."""
    a_RD: torch.nn.Parameter
    b_OR: torch.nn.Parameter
    scale: float
    """alpha / rank."""
    linear: torch.nn.Module
    """The frozen base linear: its input and output are what hooks look at."""

    @property
    def input_group(self) -> str:
        """Name shared by the layers that read the same input (q, k, v; gate, up)."""
        return input_group(self.name)


def input_group(name: str) -> str:
    """Return `name` with its last component replaced by what the layers with the same input share."""
    parent, _, leaf = name.rpartition(".")
    shared = _SHARED_INPUT.get(leaf, leaf)
    return f"{parent}.{shared}" if parent else shared


def peft_name(layer_name: str, factor: str) -> str:
    """Return the tensor's name in a PEFT file; `factor` is `A` or `B`."""
    return f"base_model.model.{layer_name}.lora_{factor}.weight"


def layer_name(peft_tensor: str) -> str:
    """Undo `peft_name`; a name that is not one comes back empty."""
    match = re.fullmatch(r"base_model\.model\.(.+)\.lora_[AB]\.weight", peft_tensor)
    return match.group(1) if match else ""
