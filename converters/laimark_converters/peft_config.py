"""Read PEFT's adapter_config.json, refuse what cannot be converted, and work out each module's scale."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from laimark_converters.errors import ConversionError

Kind = Literal["lora", "dora", "ia3"]
"""What an adapter does to a weight W: adds to it, also sets the length of its rows, or scales its rows or columns."""


class _LoraFile(msgspec.Struct, frozen=True, kw_only=True):
    peft_type: str = ""
    r: int
    lora_alpha: float
    use_rslora: bool = False
    rank_pattern: dict[str, int] | None = None
    alpha_pattern: dict[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """What of adapter_config.json decides the product s*B*A."""

    rank: int
    alpha: float
    rank_stabilised: bool = False
    """Scale is alpha/sqrt(rank) instead of alpha/rank."""
    rank_pattern: Mapping[str, int]
    """Regular expression of a module path's end -> its own rank. The first that matches counts."""
    alpha_pattern: Mapping[str, float]

    def rank_of(self, module: str) -> int:
        """Return the rank of the module at this path, for example `model.layers.0.self_attn.q_proj`."""
        return self.rank_pattern.get(_first_match(self.rank_pattern, module), self.rank)

    def scale_of(self, module: str) -> float:
        """Return s in W + s*B*A for the module at this path."""
        alpha = self.alpha_pattern.get(_first_match(self.alpha_pattern, module), self.alpha)
        rank = self.rank_of(module)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


_TRAINING_ONLY = frozenset(
    {
        "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode",
        "target_modules", "exclude_modules", "lora_dropout", "layers_to_transform", "layers_pattern",
        "megatron_core", "loftq_config", "eva_config", "qalora_group_size", "runtime_config",
        "ensure_weight_tying", "arrow_config", "corda_config", "lora_ga_config",
    }
)  # fmt: skip
"""Settings that decide how an adapter is trained and not what it computes."""

_BASE_CHANGING_INITS = ("pissa", "olora", "corda", "loftq", "lora_ga", "mica")

_Refused = Mapping[str, tuple[Callable[[Any], bool], str]]
_REFUSED: _Refused = {
    "peft_type": (lambda v: v != "LORA", "only LORA has a GGUF form"),
    "use_dora": (bool, "DoRA rescales the base weights; a GGUF adapter cannot"),
    "modules_to_save": (bool, "whole trained modules have no place in a GGUF adapter"),
    "bias": (lambda v: v != "none", "trained biases have no place in a GGUF adapter"),
    "lora_bias": (bool, "trained biases have no place in a GGUF adapter"),
    "fan_in_fan_out": (bool, "the weights are stored transposed"),
    "target_parameters": (bool, "LoRA over stacked expert parameters is not converted"),
    "layer_replication": (bool, "replicated layers do not exist in the base"),
    "trainable_token_indices": (bool, "trained embeddings have no place in a GGUF adapter"),
    "alora_invocation_tokens": (bool, "it would act on every token instead of after its invocation"),
    "use_qalora": (bool, "QA-LoRA pools the input first"),
    "init_lora_weights": (
        lambda v: isinstance(v, str) and v.lower().startswith(_BASE_CHANGING_INITS),
        "that initialisation changes the base weights, so the adapter does not fit the served base",
    ),
}

_REFUSED_IA3: _Refused = {
    "peft_type": (lambda v: v != "IA3", "it is not IA3"),
    "modules_to_save": (bool, "whole trained modules are not merged"),
    "fan_in_fan_out": (bool, "the weights are stored transposed"),
}
_KNOWN_IA3 = _TRAINING_ONLY | {"feedforward_modules", "init_ia3_weights"}


def read_kind(file: Path) -> Kind:
    """Return what kind of adapter this is the configuration of; one that is none of them counts as LoRA.

    Raises:
        ConversionError: the file is missing or damaged.
    """
    settings = _settings(file)
    if settings.get("peft_type") == "IA3":
        return "ia3"
    return "dora" if settings.get("use_dora") else "lora"


def check_ia3_config(file: Path) -> None:
    """Do nothing for an IA3 adapter that only scales weights.

    Raises:
        ConversionError: it is another kind, or a setting changes what it computes in an unknown way.
    """
    _refuse(_settings(file), file.name, _REFUSED_IA3, _KNOWN_IA3)


def read_lora_config(file: Path, *, dora: bool = False) -> LoraConfig:
    """Return the LoRA settings of an adapter.

    Args:
        file: adapter_config.json.
        dora: take a DoRA too, whose magnitudes the caller applies.

    Raises:
        ConversionError: the file is missing or damaged, or a setting changes what the adapter computes in a
            way that a GGUF adapter cannot express; the message names the setting, its value and the reason.
    """
    settings = _settings(file)
    refused = {name: rule for name, rule in _REFUSED.items() if not (dora and name == "use_dora")}
    _refuse(settings, file.name, refused, _TRAINING_ONLY | set(_REFUSED) | set(_LoraFile.__struct_fields__))
    try:
        parsed = msgspec.convert(settings, type=_LoraFile)
    except msgspec.MsgspecError as error:
        raise ConversionError(f"{file} is not a usable PEFT configuration: {error}") from error
    config = LoraConfig(
        rank=parsed.r,
        alpha=parsed.lora_alpha,
        rank_stabilised=parsed.use_rslora,
        rank_pattern=parsed.rank_pattern or {},
        alpha_pattern=parsed.alpha_pattern or {},
    )
    if min(config.rank, *config.rank_pattern.values(), config.rank) < 1:
        raise ConversionError(
            f"{file.name} has the rank {config.rank} {dict(config.rank_pattern)}; it must be positive"
        )
    if not all(map(math.isfinite, (config.alpha, *config.alpha_pattern.values()))):
        raise ConversionError(f"{file.name} has a lora_alpha that is not finite")
    _check_patterns((*config.rank_pattern, *config.alpha_pattern), file.name)
    return config


def _settings(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise ConversionError(f"{file} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ConversionError(f"{file} is not a usable PEFT configuration: {error}") from error


def _refuse(settings: Mapping[str, Any], file_name: str, refused: _Refused, known: Set[str]) -> None:
    settings = {"peft_type": "", **settings}
    for name, value in settings.items():
        applies, reason = refused.get(name, (bool, "this setting is not known here"))
        if (name in refused or name not in known) and applies(value):
            merge = "merge it into the base instead" if name == "use_dora" or value == "IA3" else ""
            raise ConversionError(
                f"{file_name} has {name}={value!r}: {reason}",
                hint=merge or "train the adapter without this setting",
            )


def _check_patterns(patterns: Iterable[str], file_name: str) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConversionError(f"{file_name} has the pattern {pattern!r}: {error}") from error


def _first_match(patterns: Iterable[str], module: str) -> str:
    """Return the first pattern that matches the path's end. Source: peft 0.21 `utils/other.py` get_pattern_key."""
    return next((p for p in patterns if re.match(rf"(.*\.)?({p})$", module)), module)
