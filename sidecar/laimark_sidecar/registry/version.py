"""A version of the adapter: immutable, dated, content-addressed, with lineage and evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseIdentity:
    """Which base model: the very bytes that the runner serves."""

    sha256: str
    """Of the GGUF file."""
    architecture: str
    """`general.architecture` of the GGUF, for example `llama`."""
    template_sha256: str
    tokenizer_sha256: str
    name: str = ""
    """For people; identity is the sha256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What `registry/versions/<name>.json` holds.

    `objects` maps a role to the sha256 of a content-addressed object:
    `adapter.gguf`, `adapter_model.safetensors`, `adapter_config.json`, `curvature.safetensors`, and its grounds:
    `evidence.json`, `verdict.json`, `learned.json`.
    """

    name: str
    """`me:2026-11-22-3f9a`: never reused, never moved."""
    created_s: float
    parent: str
    """Name of the version it was trained from; empty when trained from the base."""
    consolidation: str = ""
    """Why it was trained from the base although another version served; empty otherwise."""
    base: BaseIdentity
    objects: dict[str, str]
    cycle: str
    """The cycle that made it: its folder under `cycles/`."""
    sample_ids: tuple[str, ...] = ()
    adapter: str = "lora"
    """Kind of what was trained: `lora`, `rslora`, `dora` or `ia3`. `adapter.gguf` is a LoRA in any case."""
    seed: int = 0
    scale: float = 1.0
    """The line search's factor, already folded into the objects."""
    core: str = ""
    """First 16 hex digits of the sha256 of the core set that judged it; empty in earlier releases."""
    core_records: tuple[str, ...] = ()
    """Exchanges whose question was replayed, with the frozen base's own answer to it, beside `sample_ids`."""
    metrics: dict[str, float] = field(default_factory=dict)
    verdict: str = ""
    """`accepted`, or why not."""
    expected: str = ""
    """JSON of the post-condition: prompt, expected token and log-probs of the served artefact."""
    rendering_sha256: str = ""
    """Of the tokens that training made of a fixed set of conversations. Versions of earlier releases do not tell: empty
    means unknown, and is not compared."""
    tools: dict[str, str] = field(default_factory=dict)
    """Versions of what made it: torch, peft, llama.cpp, laimark-sidecar."""
    format: int = FORMAT_VERSION
