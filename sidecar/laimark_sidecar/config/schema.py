"""Every setting there is, with its default. The names of sections and keys are those of `config.toml`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from laimark_sidecar.config.address import is_host, is_url
from laimark_sidecar.config.keys import Key, key, keys_of
from laimark_sidecar.errors import ConfigError

# The registry's alphabet (registry/names.py): a name that it refuses would be found out only after hours of training.
_SERVED_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


class Section:
    """Checks every value where a section is made, so that a section in hand is a valid one."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for declared in keys_of(type(self).__name__.lower(), type(self)):
            if problem := declared.problem(getattr(self, declared.name)):
                raise ConfigError(problem)


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
class Journal(Section):
    """The conversation log."""

    fsync: Literal["always", "interval", "never"] = key(
        "interval", "When a line is forced to the disk. A crash of the machine loses at most what was not."
    )
    segment_mib: int = key(64, "A new segment file is begun at this size (MiB).", least=1, most=4096)
    record: bool = key(True, "Whether conversations are recorded at all.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay(Section):
    """The replay buffer."""

    capacity: int = key(4096, "How many examples it holds; beyond that the least useful go.", least=16)
    heldout_share: float = key(
        0.2, "Share of conversations that is never trained on and judges instead.", least=0.05, most=0.5
    )
    quarantine_hours: float = key(24.0, "Hours that an example waits before it may be trained on.", least=0)
    per_source: int = key(
        64,
        "How many new examples foreign sources may bring into a cycle, together: a limit for poison.",
        least=1,
    )
    near_duplicates: int = key(3, "How many near copies of an example are kept.", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Section):
    """A training job."""

    device: Literal["auto", "cpu", "cuda", "mps"] = key("auto", "Where to train.")
    python: str = key(
        "", "Python of the training worker, where it is another environment's. Empty: this one's."
    )
    steps: int = key(60, "Optimiser steps a cycle.", least=1, most=100_000)
    batch_size: int = key(8, "Examples an optimiser step.", least=1, most=1024)
    micro_batch_size: int = key(
        4, "Examples in memory at once; divides batch_size. Less needs less memory.", least=1, most=1024
    )
    max_length: int = key(1024, "Tokens an example; a longer prompt loses its oldest.", least=16)
    learning_rate: float = key(1e-4, "Peak learning rate.", above=0, most=1)
    rank: int = key(16, "Rank of the adapter.", least=1, most=1024)
    alpha: float = key(32.0, "Scale of the adapter: alpha / rank.", above=0)
    curvature: Literal["input", "diag"] = key(
        "input", 'Curvature of the penalty: "input" (covariance of the inputs) or "diag" (diagonal Fisher).'
    )
    mode: Literal["ewc", "fresh"] = key(
        "ewc",
        '"ewc" goes on from the last version; "fresh" trains each cycle from the base on the whole buffer.',
    )
    core_weight: float = key(1.0, "Weight of staying with the base's own answers (core replay).", least=0)
    user_weight: float = key(1.0, "Weight of earlier lessons (user replay).", least=0)
    lambda_core: float = key(
        1.0,
        "Strength of the penalty for leaving the base, in nats, at first; from there it follows the measured distance.",
        least=0,
    )
    lambda_user: float = key(
        0.1,
        "Strength of the penalty for leaving the last version, as a share of the task's gradient.",
        least=0,
    )
    threads: int = key(0, "CPU threads; 0 chooses.", least=0)
    core_prompts: int = key(256, "How many prompts stand for what the base can do.", least=1)
    seed: int = key(0, "Seed of everything random: equal data and seed give an equal version.", least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Section):
    """What a candidate must show before it may serve."""

    min_items: int = key(8, "Held-out examples without which nothing is accepted.", least=1)
    min_gain: float = key(0.0, "Gain on held-out examples that must be exceeded, in nats a token.")
    alpha: float = key(0.05, "Level of the test: the chance of accepting what is no gain.", above=0, most=0.5)
    max_core_loss: float = key(0.05, "What may be lost on the core prompts, in nats a token.", least=0)
    kl_alarm: float = key(0.3, "Distance from the base (KL, nats a token) that is reported.", above=0)
    kl_stop: float = key(
        0.8, "Distance from the base at which training stops and the candidate is refused.", above=0
    )
    entropy_floor: float = key(
        0.6,
        "Least entropy of the answers, as a share of the base's: below it they have collapsed.",
        least=0,
        most=1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Section):
    """When the daemon trains by itself."""

    idle_s: float = key(60.0, "Seconds without a request before training may start.", least=0)
    min_new: int = key(16, "New examples before a cycle is worth it.", least=1)
    min_interval_s: float = key(600.0, "Seconds from the end of a cycle to the start of the next.", least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion(Section):
    """What happens to an accepted candidate."""

    mode: Literal["review", "auto"] = key(
        "review", '"review" waits for `laimark-sidecar promote`; "auto" serves what the gate accepts.'
    )
    name: str = key("me", "First half of the served names: me:latest, me:prev.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, valid."""

    base: Base = field(default_factory=Base)
    runner: Runner = field(default_factory=Runner)
    ollama: Ollama = field(default_factory=Ollama)
    journal: Journal = field(default_factory=Journal)
    replay: Replay = field(default_factory=Replay)
    training: Training = field(default_factory=Training)
    gate: Gate = field(default_factory=Gate)
    schedule: Schedule = field(default_factory=Schedule)
    promotion: Promotion = field(default_factory=Promotion)

    def __post_init__(self) -> None:
        if not is_host(self.runner.host):
            raise ConfigError(
                f"runner.host is {self.runner.host!r}, expected an address such as 127.0.0.1 or ::1"
            )
        if self.ollama.url and not is_url(self.ollama.url):
            raise ConfigError(f"ollama.url is {self.ollama.url!r}, expected http://host:port")
        if self.training.batch_size % self.training.micro_batch_size:
            raise ConfigError(
                f"training.micro_batch_size is {self.training.micro_batch_size}, "
                f"which does not divide training.batch_size ({self.training.batch_size})"
            )
        if self.gate.kl_alarm > self.gate.kl_stop:
            raise ConfigError(
                f"gate.kl_alarm is {self.gate.kl_alarm:g}, above gate.kl_stop ({self.gate.kl_stop:g})"
            )
        if not _SERVED_NAME.fullmatch(self.promotion.name) or ".." in self.promotion.name:
            raise ConfigError(
                f"promotion.name is {self.promotion.name!r}, expected at most 40 of a-z 0-9 '.' '_' '-', no capitals "
                "and no '..': it becomes the first half of served names"
            )
        if (served := _clash(self)) is not None:
            raise ConfigError(
                f"base.name is {self.base.name!r} and promotion.name {self.promotion.name!r}: the base would be "
                f"served under {served}, which is to answer with the newest version",
                hint="choose another promotion.name",
            )


def _clash(config: Config) -> str | None:
    """Return the name that base and versions would share; Ollama reads a name without a tag as `:latest`."""
    name = config.base.name.lower()
    whole = name if ":" in name else f"{name}:latest"
    return whole if whole in {f"{config.promotion.name}:{ref}" for ref in ("latest", "prev")} else None


SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("base", Base),
    ("runner", Runner),
    ("ollama", Ollama),
    ("journal", Journal),
    ("replay", Replay),
    ("training", Training),
    ("gate", Gate),
    ("schedule", Schedule),
    ("promotion", Promotion),
)


def all_keys() -> tuple[Key, ...]:
    """Return every key of every section, in the order of the written file."""
    return tuple(declared for name, kind in SECTIONS for declared in keys_of(name, kind))


def section_doc(name: str) -> str:
    """Return the one-line meaning of a section."""
    return (dict(SECTIONS)[name].__doc__ or "").strip()


def make(values: dict[str, dict[str, object]]) -> Config:
    """Build a configuration from checked values by section and key; what is absent has its default."""
    sections: dict[str, Any] = {name: kind(**values.get(name, {})) for name, kind in SECTIONS}
    return Config(**sections)
