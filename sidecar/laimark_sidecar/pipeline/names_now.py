"""What stands behind a name that a client asks for, by the registry as it is now."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.config.schema import Config
from laimark_sidecar.gateway.exchanges import Answering
from laimark_sidecar.pipeline.connect import driver
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.registry.version import BaseIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesNow:
    """Reads names as the configured runner does."""

    config: Config
    registry: Registry
    base: BaseIdentity

    @property
    def one_model(self) -> bool:
        """Whether one model answers to every name: llama-server in single mode looks at none."""
        return self.config.runner.mode == "single" and self.config.runner.kind == "llama-server"

    def is_tuned(self, model: str) -> bool:
        """Whether a name is a version's or a moving one of this home."""
        return model.startswith(f"{self.config.promotion.name}:")

    def is_own(self, model: str) -> bool:
        """Whether a name is answered by this home's base, with an adapter or without; no name at all is."""
        if not model or (driver(self.config) == "llama-server" and self.config.runner.kind == "llama-server"):
            return True  # it serves nothing else, under whatever name
        return self.is_tuned(model) or _whole(model) in {_whole(self.config.base.name), "base:latest"}

    def answering(self, model: str) -> Answering:
        """Return what answers to a name now; nothing is known of models that are not this home's."""
        if not self.is_own(model):
            return Answering()
        return Answering(base_sha256=self.base.sha256, adapter_version=self._version(model))

    def _version(self, model: str) -> str:
        refs = self.registry.refs()
        if self.config.runner.mode == "single" and driver(self.config) == "llama-server":
            name = refs.get(LATEST, "")
        elif self.is_tuned(model):
            name = refs.get(model.partition(":")[2], model)
        else:
            return ""
        # What was made for another base answers as the base does (see `pipeline.following`).
        known = name in self.registry.names() and self.registry.get(name).base.sha256 == self.base.sha256
        return name if known else ""


def _whole(model: str) -> str:
    """Return a name as Ollama reads it: without a tag it is `:latest`."""
    name = model.lower()
    return name if ":" in name else f"{name}:latest"
