"""The contract between the sidecar and its training worker: files only, so either side may die at any point.

`job.json` in, JSON progress lines on stdout, a result folder renamed into place out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Span

FORMAT_VERSION = 1
Curvature = Literal["input", "diag", "kfac"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One line of `examples.jsonl`: a prompt and a target with its loss spans.

    `pool` core: `target` is empty until the worker has asked the frozen base.
    """

    id: str
    pool: Literal["new", "user", "core"]
    messages: tuple[Message, ...]
    target: str
    spans: tuple[Span, ...] = ()
    weight: float = 1.0
    """Importance weight of the example's loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """Everything that decides a cycle's result. Paths are absolute strings; equal jobs give equal losses."""

    base_dir: str
    """Hugging Face directory of the training base."""
    base_sha256: str
    """Of the served GGUF: names the cache of core answers and core curvature."""
    examples: str
    """JSONL of `Example`."""
    out_dir: str
    """Result folder; appears complete or not at all."""
    work_dir: str
    """Checkpoints; survives a yield or a crash and is resumed from."""
    cache_dir: str
    """Per base: core answers (top-20 logits) and the core anchor's curvature."""
    prompts: str = ""
    """The prompts as the runner itself renders them, where it has a template of its own; empty: the base's template."""
    parent_adapter: str = ""
    """PEFT folder to go on from; empty for a fresh adapter."""
    parent_curvature: str = ""
    """`curvature.safetensors` of the parent: the user anchor. Empty: no user anchor yet."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = 0
    steps: int = 60
    """0: only ask the frozen base and measure the core anchor, both of which stay in the cache for a job with steps."""
    batch_size: int = 8
    micro_batch_size: int = 4
    max_length: int = 1024
    """Tokens a sequence; longer prompts lose their oldest tokens, targets are never cut (the example is left out)."""
    learning_rate: float = 1e-4
    warmup_steps: int = 5
    clip_norm: float = 1.0
    rank: int = 16
    alpha: float = 32.0
    new_share: float = 0.5
    user_share: float = 0.25
    core_share: float = 0.25
    core_weight: float = 1.0
    """a_c: weight of KL(base || model) on core replay."""
    user_weight: float = 1.0
    """a_u: weight of cross-entropy on user replay."""
    curvature: Curvature = "input"
    lambda_core: float = 1.0
    """Penalty in nats: multiplies c * Omega at the core anchor."""
    lambda_user: float = 0.1
    """Share of the task gradient's norm that the user anchor's gradient is scaled to."""
    gamma: float = 0.95
    average: float = 0.0
    """Share of the parent's update in the moving average that is served; 0: the trained adapter itself."""
    kl_soft: float = 0.02
    """Soft budget of mean next-token KL to the base on the fixed core prompts, nats."""
    kl_alarm: float = 0.3
    kl_stop: float = 0.8
    checkpoint_every_steps: int = 10
    version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One JSON line on the worker's stdout."""

    step: int
    steps: int
    phase: Literal["load", "core", "anchor", "train", "curvature", "done"]
    loss: float = 0.0
    task_loss: float = 0.0
    penalty: float = 0.0
    kl_core: float = 0.0
    seconds: float = 0.0
    """Since the worker started."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """`result.json` in the result folder, beside `adapter/` (PEFT) and `curvature.safetensors`."""

    steps: int
    losses: tuple[float, ...]
    """Total loss of each optimiser step, in nats per token."""
    kl_core: float
    stopped: Literal["", "kl_stop"] = ""
    """Why it ended early, if it did."""
    average_left_out: float = 0.0
    """Share of the moving average's squared norm that the adapter's rank had no room for."""
    seconds: float = 0.0
    penalty_seconds: float = 0.0
    peak_memory_bytes: int = 0
    rendering_sha256: str = ""
    """Of the tokens that training makes of a fixed set of conversations (`training.rendering`)."""
    tools: dict[str, str] | None = None
    version: int = FORMAT_VERSION
