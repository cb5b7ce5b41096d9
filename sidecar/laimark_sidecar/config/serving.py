"""The settings of what answers: the base, the runner, the names that are served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.config.keys import key
from laimark_sidecar.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Base(Section):
    """The base model: what is trained on, and what is served."""

    name: str = key(
        "demo", "Name of the base model, for people. What identifies it is the sha256 of its GGUF."
    )
    hf: str = key(
        "",
        "Hugging Face folder that training loads. Empty: made from base.gguf, once; without that, the shipped demo model.",
    )
    gguf: str = key("", "GGUF file that the runner serves. Empty: made from the Hugging Face folder, once.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner(Section):
    """The process that answers."""

    kind: Literal["embedded", "llama-server", "ollama"] = key(
        "embedded",
        'Which runner: "embedded" (llama.cpp inside `laimark-sidecar serve`), "llama-server" (llama.cpp\'s own '
        'server, kept by `laimark-sidecar runner`), or "ollama" (yours; base.name is what it calls the model).',
    )
    binary: str = key(
        "",
        "llama-server to start, where runner.kind is that. Empty: LAIMARK_LLAMA_SERVER, or the one on the PATH.",
    )
    mode: Literal["router", "single"] = key(
        "router",
        'How that llama-server runs: "router" (a process for each name, any name in any request), or "single" (one '
        "process; every client gets me:latest, a new version restarts it when it is idle): for less memory, and for "
        "a llama-server from before December 2025.",
    )
    processes: int = key(
        4,
        "Most names that llama-server keeps ready at once. In router mode each has a KV cache of its own, the weights "
        "are shared.",
        least=2,
        most=64,
    )
    kept: int = key(
        8,
        "How many of the newest versions the runner holds ready, beside those that a name points at.",
        least=0,
    )
    host: str = key(
        "127.0.0.1", "Address it listens on. Anything but a loopback address is open to the network."
    )
    port: int = key(
        11440,
        "Port it listens on. Near Ollama's 11434 to be remembered; clear of it, of the ports just above that "
        "second Ollamas and proxies use, and of llama-server's 8080.",
        least=1,
        most=65535,
    )
    context: int = key(2048, "Context window in tokens.", least=128)
    threads: int = key(0, "CPU threads; 0 chooses.", least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ollama(Section):
    """Your Ollama, where runner.kind is that."""

    url: str = key("", "Where it listens. Empty: OLLAMA_HOST, or http://127.0.0.1:11434.")
    route: Literal["auto", "adapter", "merged", "own-server"] = key(
        "auto",
        'How versions reach you: "adapter" beside the base (Ollama up to 0.33), "merged" into a copy of it (any), '
        '"own-server" (a llama-server of the sidecar on Ollama\'s file, at runner.port); "auto" asks Ollama which '
        "of the first two it takes.",
    )
    merged_type: Literal["f16", "bf16", "f32", "q8_0"] = key(
        "f16",
        "Type of the tensors that a merge rewrites. A quantised one loses what is smaller than half of its step.",
    )
    kept_merged: int = key(
        1,
        "How many of the newest versions stay in Ollama as merged models, beside those that a name points at: each "
        "is as big as the base. The others are merged again when they are used.",
        least=0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion(Section):
    """What happens to an accepted candidate."""

    mode: Literal["review", "auto"] = key(
        "review", '"review" waits for `laimark-sidecar promote`; "auto" serves what the gate accepts.'
    )
    name: str = key("me", "First half of the served names: me:latest, me:prev.")
