"""`python -m laimark_sidecar.training.worker.fidelity FOLDER GGUF RESULT CONTEXT THREADS` writes a `Fidelity` to RESULT.

The weights stay in half precision and are widened layer by layer: memory is 2 bytes a weight and one layer in float32.
llama.cpp's logits are computed first and its model is closed, so the two never lie in memory together.

Legend: T tokens, V vocabulary, B blocks, N values of a block.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import torch
from safetensors import safe_open
from torch import Tensor

from laimark_sidecar.errors import LaimarkError, TrainingError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.training.fidelity import Fidelity
from laimark_sidecar.training.launch import PARENT_PID_VARIABLE
from laimark_sidecar.training.worker.backend import load_base
from laimark_sidecar.training.worker.stop import watch_parent

MOST_TOKENS = 512
TEXT = """def merge(left: list[int], right: list[int]) -> list[int]:
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]

The ferry left at 6.45 in the morning. On deck, an old man read yesterday's paper; a child counted gulls aloud and got
as far as twenty-three. "Will it rain?" she asked. Nobody answered, because nobody knew, and because the wind had turned
to the north-west an hour before. Später wurde es doch noch schön. À midi, le soleil brillait sur les toits. 東京は晴れ、
気温は二十度です。 Цена выросла на 12,5 %. 🚢 ∑ x² ≤ 4π

{"name": "Ada", "born": 1815, "tags": ["maths", "engines"], "score": 99.5, "ok": true}
1. Preheat the oven to 200 degrees. 2. Peel 500 g of potatoes. 3. Cut them into slices of 3 mm and salt them.
Question: If a train covers 180 km in two hours and then 90 km in one hour and a half, what is its mean speed?
Answer: It covers 270 km in three hours and a half, so its mean speed is about 77 km/h.
"""
_WIDE_BLOCK, _NARROW_BLOCK = 256, 32
_NARROW = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "MXFP4")
_FLOATS = ("F32", "F16", "BF16")

Rounding = Callable[[Tensor], Tensor]


def measure(folder: Path, gguf: Path, *, context: int, threads: int) -> Fidelity:
    """Return how the folder's logits differ from those of llama.cpp on the GGUF in a window of `context` tokens.

    Raises:
        RunnerError: llama.cpp cannot load the GGUF.
        TrainingError: transformers cannot load the folder.
    """
    with Base(gguf, context=context, threads=threads) as base:
        ids = base.vocabulary.tokenize(TEXT, bos=True)[: min(MOST_TOKENS, base.context)]
        served_TV = torch.from_numpy(base.decode(ids, logits_from=0))
    model = load_base(folder, torch.float16).eval()
    widen(model, lambda x: x)
    found_TV = _logits(model, ids)
    kl, difference = compare(served_TV, found_TV)
    del served_TV
    block = activation_block(_served_types(folder))
    if not block:
        return Fidelity(tokens=len(ids), kl=kl, difference=difference)
    widen(model, functools.partial(rounded, block=block))
    noise_kl, noise_difference = compare(_logits(model, ids), found_TV)
    return Fidelity(
        tokens=len(ids),
        kl=kl,
        difference=difference,
        noise_kl=noise_kl,
        noise_difference=noise_difference,
    )


def compare(expected_TV: Tensor, found_TV: Tensor) -> tuple[float, float]:
    """Return mean KL(expected || found) in nats a token, and the largest difference of any logit."""
    total = 0.0
    for expected_V, found_V in zip(expected_TV, found_TV, strict=True):  # a token at a time: in float64
        p_V, q_V = torch.log_softmax(expected_V.double(), -1), torch.log_softmax(found_V.double(), -1)
        total += float((p_V.exp() * (p_V - q_V)).sum())
    return total / len(expected_TV), float((expected_TV - found_TV).abs().max())


def widen(model: torch.nn.Module, rounding: Rounding) -> None:
    """Make every linear layer compute in float32, on inputs that `rounding` has been over; replaces an earlier call."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.forward = functools.partial(_wide_linear, module, rounding)  # type: ignore[method-assign]
        elif isinstance(module, torch.nn.Embedding) and not module._forward_hooks:
            module.register_forward_hook(lambda _module, _inputs, output: output.float())


def rounded(x: Tensor, *, block: int) -> Tensor:
    """Return x rounded to 8 bits in blocks of its last dimension, as ggml rounds activations (Q8_0, Q8_K).

    x = d * round(x / d), d = max |x| / 127 of the block. Source: ggml `src/ggml-cpu/quants.c`.
    """
    if x.shape[-1] % block:
        block = _NARROW_BLOCK
    x_BN = x.reshape(*x.shape[:-1], -1, block)
    scale_B = (x_BN.abs().amax(-1, keepdim=True) / 127).clamp_min(torch.finfo(x.dtype).tiny)
    return (torch.round(x_BN / scale_B) * scale_B).reshape(x.shape)


def activation_block(served_types: Sequence[str]) -> int:
    """Return in blocks of how many values ggml rounds activations for these weight types; 0: it does not."""
    quantised = [kind for kind in served_types if kind not in _FLOATS]
    if not quantised:
        return 0
    return _NARROW_BLOCK if all(kind in _NARROW for kind in quantised) else _WIDE_BLOCK


def _wide_linear(module: torch.nn.Linear, rounding: Rounding, x: Tensor) -> Tensor:
    bias: Tensor | None = getattr(module, "bias", None)
    bias = None if bias is None else bias.float()
    return torch.nn.functional.linear(rounding(x.float()), module.weight.float(), bias)


@torch.no_grad()
def _logits(model: torch.nn.Module, ids: Sequence[int]) -> Tensor:
    logits_TV: Tensor = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].float()
    return logits_TV


def _served_types(folder: Path) -> list[str]:
    with safe_open(folder / "model.safetensors", "pt") as weights:
        return str((weights.metadata() or {}).get("served_types", "")).split()


def main(arguments: list[str]) -> int:
    """Run the child's side; the reason of a failure is the last line on stderr."""
    folder, gguf, result = map(Path, arguments[:3])
    if hasattr(os, "nice"):
        os.nice(10)
    parent = os.environ.get(PARENT_PID_VARIABLE, "")
    if parent.isdigit():
        watch_parent(int(parent))
    try:
        fidelity = measure(folder, gguf, context=int(arguments[3]), threads=int(arguments[4]))
    except (torch.OutOfMemoryError, MemoryError):
        sys.stderr.write("error: out of memory: comparing takes 2 bytes a weight\n")
        return TrainingError.exit_code
    except LaimarkError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    write_atomic(result, msgspec.json.encode(fidelity))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
