"""What the embedded server is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.journal.writer import SEGMENT_BYTES, Fsync


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Settings of one server process."""

    base_path: Path
    """GGUF of the base model."""
    base_name: str
    """The name that clients use for the untouched base."""
    host: str = "127.0.0.1"
    port: int = 11440
    """0 takes any free port; `on_ready` tells which."""
    token: str = field(default="", repr=False)
    """Bearer token of the administrative calls; empty refuses them all."""
    journal_folder: Path | None = None
    """Where conversations are recorded; None records nothing."""
    record: bool = True
    consent: Path | None = None
    """What the user wants recorded; None asks nobody."""
    fsync: Fsync = "interval"
    """When a line of the log is forced to the disk; see `JournalWriter`."""
    segment_bytes: int = SEGMENT_BYTES
    context: int = 4096
    threads: int = 0
    """0 chooses half of the cores."""
    adapters: Mapping[str, Path] = field(default_factory=dict)
    """Immutable version name to adapter GGUF, served from the start. A bad one is left out with a warning."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Moving name to version (`""` is the base)."""

    def __post_init__(self) -> None:
        if not self.base_name:
            raise ConfigError("the embedded runner needs a name for its base model, got an empty one")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port of the embedded runner must be in 0..65535, got {self.port}")
        if self.context < 16:
            raise ConfigError(
                f"context of the embedded runner must be at least 16 tokens, got {self.context}"
            )
