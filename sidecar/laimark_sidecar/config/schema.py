"""Every setting there is, with its default. The names of sections and keys are those of `config.toml`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from laimark_sidecar.config.address import is_host, is_url
from laimark_sidecar.config.capture import Gateway, Journal
from laimark_sidecar.config.keys import Key, keys_of
from laimark_sidecar.config.learning import Gate, Privacy, Replay, Schedule, Training
from laimark_sidecar.config.section import Section
from laimark_sidecar.config.serving import Base, Ollama, Promotion, Runner
from laimark_sidecar.errors import ConfigError

# The registry's alphabet (registry/names.py): a name that it refuses would be found out only after hours of training.
_SERVED_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, valid."""

    base: Base = field(default_factory=Base)
    runner: Runner = field(default_factory=Runner)
    ollama: Ollama = field(default_factory=Ollama)
    gateway: Gateway = field(default_factory=Gateway)
    journal: Journal = field(default_factory=Journal)
    privacy: Privacy = field(default_factory=Privacy)
    replay: Replay = field(default_factory=Replay)
    training: Training = field(default_factory=Training)
    gate: Gate = field(default_factory=Gate)
    schedule: Schedule = field(default_factory=Schedule)
    promotion: Promotion = field(default_factory=Promotion)

    def __post_init__(self) -> None:
        for path, host in (("runner.host", self.runner.host), ("gateway.host", self.gateway.host)):
            if not is_host(host):
                raise ConfigError(f"{path} is {host!r}, expected an address such as 127.0.0.1 or ::1")
        for path, url in (("ollama.url", self.ollama.url), ("gateway.upstream", self.gateway.upstream)):
            if url and not is_url(url):
                raise ConfigError(f"{path} is {url!r}, expected http://host:port")
        _require_consistent(self.training)
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


def _require_consistent(training: Training) -> None:
    if training.batch_size % training.micro_batch_size:
        raise ConfigError(
            f"training.micro_batch_size is {training.micro_batch_size}, "
            f"which does not divide training.batch_size ({training.batch_size})"
        )
    if training.average and training.adapter in ("dora", "ia3"):
        raise ConfigError(
            f"training.average is {training.average:g} with training.adapter {training.adapter!r}: an average is taken of "
            "products, which that kind is not",
            hint='set training.average to 0, or training.adapter to "lora"',
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
    ("gateway", Gateway),
    ("journal", Journal),
    ("privacy", Privacy),
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
