"""Where everything lives. One home, owner-only; `LAIMARK_HOME` overrides the platform's default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The state home. Paths only: nothing is created by asking for one."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def journal(self) -> Path:
        """Folder of the conversation log's segments."""
        return self.root / "journal"

    @property
    def replay(self) -> Path:
        return self.root / "replay.db"

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def cycles(self) -> Path:
        """One folder per learning cycle: job, checkpoints, evidence."""
        return self.root / "cycles"

    @property
    def bases(self) -> Path:
        """Derived from base models and safe to delete: GGUF files, core answers, curvature, caches."""
        return self.root / "bases"

    @property
    def control(self) -> Path:
        """Durable requests to the daemon: `paused`, `train-now`."""
        return self.root / "control"

    @property
    def daemon_lock(self) -> Path:
        return self.root / "daemon.lock"

    @property
    def runner_token(self) -> Path:
        """Bearer token of the embedded runner's own administrative calls."""
        return self.root / "runner.token"


def home() -> Home:
    """Return the home named by `LAIMARK_HOME`, else the platform's data folder for this user."""
    override = os.environ.get("LAIMARK_HOME")
    return Home(
        root=Path(override).expanduser() if override else platformdirs.user_data_path("laimark-sidecar")
    )


def modelfiles() -> Path:
    """Return the folder of shipped data: inside the installed package, else the checkout's `modelfiles/`."""
    packaged = Path(__file__).parent / "modelfiles"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "modelfiles"
