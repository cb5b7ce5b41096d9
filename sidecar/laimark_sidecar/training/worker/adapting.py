"""Puts an adapter of a kind on a frozen base, by PEFT, and finds the layers that it sits on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.adapter_kind import AdapterKind
from laimark_sidecar.training.worker.layers import Layer
from laimark_sidecar.training.worker.updates import Directed, Gains, LowRank

_HEADS = frozenset({"lm_head", "embed_out", "output"})
_IA3_OUTPUTS, _IA3_INPUTS = ("k_proj", "v_proj"), ("down_proj",)
_NAME = "default"
"""PEFT's, of the one adapter."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapted:
    """A model with an adapter that changes nothing yet."""

    model: Any
    """PEFT's."""
    config: Any
    layers: tuple[Layer, ...]
    """In the order of the model."""


def adapt(base: torch.nn.Module, *, kind: AdapterKind, rank: int, alpha: float) -> Adapted:
    """Put an adapter on the base's linear layers, never on its head or embeddings; draws A from torch's random state.

    Args:
        base: frozen; becomes part of the model.
        kind: `ia3` sits on k, v and down projections alone.
        rank: ignored by `ia3`.
        alpha: ignored by `ia3`.

    Raises:
        TrainingError: the base has no layers that such an adapter could sit on.
    """
    from peft import IA3Config, LoraConfig, get_peft_model

    leaves = _linear_leaves(base)
    config: LoraConfig | IA3Config
    if kind == "ia3":
        _require_ia3(base, leaves)
        config = IA3Config(
            target_modules=[*_IA3_OUTPUTS, *_IA3_INPUTS],
            feedforward_modules=[*_IA3_INPUTS],
            task_type="CAUSAL_LM",
        )
    else:
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type] # PEFT divides it, a float is as good
            target_modules=sorted(leaves),
            lora_dropout=0.0,
            bias="none",
            task_type="CAUSAL_LM",
            use_rslora=kind == "rslora",
            use_dora=kind == "dora",
        )
    model = get_peft_model(base, config)
    return Adapted(model=model, config=config, layers=tuple(_layers(model)))


def _linear_leaves(model: torch.nn.Module) -> set[str]:
    """Return the last name components of the decoder's linear layers."""
    leaves = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    leaves -= _HEADS
    if not leaves:
        raise TrainingError(f"{type(model).__name__} has no linear layers that an adapter could go on")
    return leaves


def _require_ia3(model: torch.nn.Module, leaves: set[str]) -> None:
    missing = {*_IA3_OUTPUTS, *_IA3_INPUTS} - leaves
    biased = [
        name
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in _IA3_OUTPUTS and getattr(module, "bias", None) is not None
    ]
    if missing:
        what = f"it has no {' and no '.join(sorted(missing))} of its own"
    elif biased:
        # The gains of an output scale its bias too: no update of the weight tells the penalty what that changes.
        what = f"{biased[0]} has a bias, which it would scale and the penalty does not see"
    else:
        return
    raise TrainingError(
        f"an adapter of the kind ia3 cannot be trained on {type(model).__name__}: {what}",
        hint='set training.adapter to "lora"',
    )


def _layers(model: torch.nn.Module) -> Iterator[Layer]:
    from peft.tuners.ia3 import IA3Layer
    from peft.tuners.lora import LoraLayer

    for name, module in model.named_modules():
        if not isinstance(module, (LoraLayer, IA3Layer)):
            continue
        # PEFT mixes them into modules.
        assert isinstance(module, torch.nn.Module)
        linear = module.get_base_layer()
        weight = linear.get_parameter("weight")
        path = name.removeprefix("base_model.model.")
        if isinstance(module, IA3Layer):
            update = Gains(gains=_parameter(module.ia3_l[_NAME]), weight_OD=weight)
            yield Layer(name=path, update=update, linear=linear, adapted=module)
            continue
        low_rank = LowRank(
            a_RD=_parameter(module.lora_A[_NAME].weight),
            b_OR=_parameter(module.lora_B[_NAME].weight),
            scale=module.scaling[_NAME],
        )
        if module.use_dora.get(_NAME):
            magnitude = _parameter(module.lora_magnitude_vector[_NAME].weight)
            with torch.no_grad():
                # PEFT rounds them to the base's precision: in half that would rescale rows before anything was learned.
                magnitude.copy_(torch.linalg.vector_norm(weight.float(), dim=1))
            directed = Directed(low_rank=low_rank, magnitude_O=magnitude, weight_OD=weight)
            yield Layer(name=path, update=directed, linear=linear, adapted=module)
        else:
            yield Layer(name=path, update=low_rank, linear=linear)


def _parameter(found: object) -> torch.nn.Parameter:
    assert isinstance(found, torch.nn.Parameter)
    return found
