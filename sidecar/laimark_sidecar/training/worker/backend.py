"""What the loop asks of a model with an adapter, and the backend that answers with transformers and PEFT.

A backend for Unsloth comes beside this one: the loop knows only the Protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.training.job import TrainJob
from laimark_sidecar.training.worker.layers import Layer, peft_name

ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"


class TrainerBackend(Protocol):
    """A frozen base model with one trainable LoRA adapter on its linear layers.

    Legend: B batch, T tokens, P positions, V vocabulary.
    """

    @property
    def device(self) -> torch.device: ...

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every adapted layer, in the order of the model."""
        ...

    def logits(self, ids_BT: Tensor, mask_BT: Tensor, positions_P: Tensor) -> Tensor:
        """Return float32 logits (B, P, V) at the given positions of right-padded sequences."""
        ...

    def base_only(self) -> AbstractContextManager[None]:
        """Within it the model is the frozen base, bit for bit."""
        ...

    def generate(self, ids: Sequence[int], *, max_new_tokens: int, end_ids: Sequence[int]) -> list[int]:
        """Return the greedy continuation, its end token included if it came to one."""
        ...

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter in PEFT's format into an existing folder; not fsynced."""
        ...


class PeftBackend:
    """transformers + PEFT: CPU and MPS in float32, CUDA in bfloat16 with the adapter in float32."""

    def __init__(self, job: TrainJob) -> None:
        from peft import LoraConfig, get_peft_model

        self.device = _device(job.device)
        torch.manual_seed(job.seed)
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        # Filling every new tensor with NaN finds reads of what nobody wrote; it takes an eighth of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # set by the module itself
        base = load_base(
            Path(job.base_dir), torch.bfloat16 if self.device.type == "cuda" else torch.float32
        ).to(self.device)
        targets = _linear_leaves(base)
        self._config = LoraConfig(
            r=job.rank,
            lora_alpha=job.alpha,  # type: ignore[arg-type] # PEFT divides it, a float is as good
            target_modules=targets,
            lora_dropout=0.0,
            bias="none",
            task_type="CAUSAL_LM",
        )
        self._model: Any = get_peft_model(base, self._config)
        # The identity of a base is its bytes; a path of this machine has no business in an adapter that may travel.
        self._config.base_model_name_or_path = job.base_sha256
        # No dropout anywhere: evaluation mode is also the training mode, so hooks see what the runner computes.
        self._model.eval()
        self.layers = _find_layers(self._model, job.alpha / job.rank)
        if job.parent_adapter:
            load_adapter(self.layers, Path(job.parent_adapter), rank=job.rank, alpha=job.alpha)

    def logits(self, ids_BT: Tensor, mask_BT: Tensor, positions_P: Tensor) -> Tensor:
        output = self._model(
            input_ids=ids_BT, attention_mask=mask_BT, logits_to_keep=positions_P, use_cache=False
        )
        logits: Tensor = output.logits
        return logits.float()

    def base_only(self) -> AbstractContextManager[None]:
        manager: AbstractContextManager[None] = self._model.disable_adapter()
        return manager

    @torch.no_grad()
    def generate(self, ids: Sequence[int], *, max_new_tokens: int, end_ids: Sequence[int]) -> list[int]:
        # One sequence at a time: what the base answers must not depend on what else was in the batch.
        answer: list[int] = []
        tokens, cache = torch.tensor([list(ids)], device=self.device), None
        while len(answer) < max_new_tokens and not (answer and answer[-1] in end_ids):
            output = self._model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = output.past_key_values
            answer.append(int(output.logits[0, -1].argmax()))
            tokens = torch.tensor([[answer[-1]]], device=self.device)
        return answer

    def save_adapter(self, folder: Path) -> None:
        save_file(adapter_tensors(self.layers), folder / ADAPTER_FILE, metadata={"format": "pt"})
        self._config.inference_mode = True
        self._config.save_pretrained(str(folder))


def adapter_tensors(layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Return the adapter's tensors by their PEFT names, copied to the CPU in float32."""
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        tensors[peft_name(layer.name, "A")] = layer.a_RD.detach().float().cpu().clone()
        tensors[peft_name(layer.name, "B")] = layer.b_OR.detach().float().cpu().clone()
    return tensors


def set_adapter(layers: Sequence[Layer], tensors: dict[str, Tensor], where: Path) -> None:
    """Put tensors by PEFT name into the adapter.

    Raises:
        TrainingError: a tensor is missing, superfluous or of another shape; nothing was changed.
    """
    wanted = {peft_name(layer.name, "A"): layer.a_RD for layer in layers}
    wanted |= {peft_name(layer.name, "B"): layer.b_OR for layer in layers}
    if wanted.keys() != tensors.keys():
        odd = sorted(wanted.keys() ^ tensors.keys())
        raise TrainingError(
            f"adapter {where} does not fit the base: {len(odd)} tensors differ, first {odd[0]!r}"
        )
    for name, parameter in wanted.items():
        if parameter.shape != tensors[name].shape:
            raise TrainingError(
                f"adapter {where} does not fit: {name} is {tuple(tensors[name].shape)}, not {tuple(parameter.shape)}"
            )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(tensors[name])


class _AdapterConfig(msgspec.Struct):
    r: int
    lora_alpha: float
    use_rslora: bool = False
    use_dora: bool = False
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    modules_to_save: list[str] | None = None


def load_adapter(layers: Sequence[Layer], folder: Path, *, rank: int, alpha: float) -> None:
    """Continue from a PEFT folder: safetensors only, same rank and scale, plain LoRA.

    Raises:
        TrainingError: missing, damaged, or an adapter of another kind; names the file.
    """
    path, config_path = folder / ADAPTER_FILE, folder / ADAPTER_CONFIG_FILE
    try:
        config = decode_json(config_path.read_bytes(), _AdapterConfig)
    except (OSError, MalformedError) as error:
        raise TrainingError(f"parent adapter {config_path} cannot be read: {error}") from error
    special = [
        name
        for name in ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save")
        if getattr(config, name)
    ]
    if special:
        raise TrainingError(
            f"parent adapter {config_path} uses {', '.join(special)}; only plain LoRA can be continued"
        )
    if (config.r, config.lora_alpha) != (rank, alpha):
        raise TrainingError(
            f"parent adapter {folder} has rank {config.r} and alpha {config.lora_alpha:g}, "
            f"the job asks for {rank} and {alpha:g}",
            hint="train from the base (no parent_adapter) to change the rank",
        )
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"parent adapter {path} cannot be read: {error}") from error
    set_adapter(layers, tensors, path)


def _device(wanted: str) -> torch.device:
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_base(folder: Path, dtype: torch.dtype) -> torch.nn.Module:
    """Return the frozen base of a folder, on the CPU, every weight as `dtype`.

    Raises:
        TrainingError: the folder holds no model that transformers can load.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    if not (folder / "config.json").is_file():
        raise TrainingError(f"the training base {folder} has no config.json")
    try:
        model: torch.nn.Module = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError(f"the training base {folder} cannot be loaded: {error}") from error
    return model.requires_grad_(requires_grad=False)


def _linear_leaves(model: torch.nn.Module) -> list[str]:
    """Return the last name components of the decoder's linear layers: never the head, never embeddings."""
    leaves = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    leaves -= {"lm_head", "embed_out", "output"}
    if not leaves:
        raise TrainingError(f"{type(model).__name__} has no linear layers that an adapter could go on")
    return sorted(leaves)


def _find_layers(model: torch.nn.Module, scale: float) -> tuple[Layer, ...]:
    from peft.tuners.lora import LoraLayer

    layers: list[Layer] = []
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            a_RD, b_OR = module.lora_A["default"].weight, module.lora_B["default"].weight
            assert isinstance(a_RD, torch.nn.Parameter)
            assert isinstance(b_OR, torch.nn.Parameter)
            layers.append(
                Layer(
                    name=name.removeprefix("base_model.model."),
                    a_RD=a_RD,
                    b_OR=b_OR,
                    scale=scale,
                    linear=module.get_base_layer(),
                )
            )
    return tuple(layers)
