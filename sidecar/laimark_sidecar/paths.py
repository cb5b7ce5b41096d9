"""Where everything lives. One home, owner-only; `LAIMARK_HOME` overrides the platform's default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from laimark_sidecar.errors import ConfigError


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
    def deep(self) -> Path:
        """What deep checks found: a folder a version, a file a check, scores alone."""
        return self.root / "deep"

    @property
    def bases(self) -> Path:
        """Derived from base models and safe to delete: GGUF files, core answers, curvature, caches."""
        return self.root / "bases"

    @property
    def core(self) -> Path:
        """The core sets that were built, one file a base: they hold questions of the user's."""
        return self.root / "core"

    @property
    def merged(self) -> Path:
        """Merged models on their way to a runner, gone when it has them, and what each answers."""
        return self.root / "merged"

    @property
    def benchmarks(self) -> Path:
        """Runs of the benchmark, one folder each; nothing else needs them."""
        return self.root / "bench"

    @property
    def recording(self) -> Path:
        """What the user wants recorded."""
        return self.root / "recording.json"

    @property
    def sources(self) -> Path:
        """The logs of other programs that were added."""
        return self.root / "sources.json"

    @property
    def control(self) -> Path:
        """Durable requests to the daemon: `paused`, `train-now`."""
        return self.root / "control"

    @property
    def forgetting(self) -> Path:
        """What is being forgotten, as ids, until nothing of it is left."""
        return self.root / "forget.json"

    @property
    def retention(self) -> Path:
        """Up to which moment the age of the journal was counted."""
        return self.root / "retention.json"

    @property
    def daemon_lock(self) -> Path:
        return self.root / "daemon.lock"

    @property
    def runner_token(self) -> Path:
        """Bearer token of the embedded runner's own administrative calls."""
        return self.root / "runner.token"


def home() -> Home:
    """Return the home named by `LAIMARK_HOME`, else the platform's data folder for this user.

    Raises:
        ConfigError: `LAIMARK_HOME` begins with `~` and a user that this machine does not know.
    """
    override = os.environ.get("LAIMARK_HOME")
    if override:
        # Absolute, because what is said of it, and what children of ours are given, must mean the same folder elsewhere.
        return Home(root=expanded(override, named_by="LAIMARK_HOME").absolute())
    return Home(root=platformdirs.user_data_path("laimark-sidecar"))


def expanded(text: str, *, named_by: str) -> Path:
    """Return the path that a user wrote, a leading `~` or `~user` replaced by that user's folder.

    Args:
        text: as the user wrote it.
        named_by: the variable, option or key that holds it; begins the message.

    Raises:
        ConfigError: this machine knows no folder of that user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # what pathlib raises for a tilde that it cannot resolve
        raise ConfigError(
            f"{named_by}: {text}: this machine knows no home folder of that user",
            hint="write the path in full, beginning with /, or ~/ for your own folder",
        ) from error


def modelfiles() -> Path:
    """Return the folder of shipped data: inside the installed package, else the checkout's `modelfiles/`."""
    packaged = Path(__file__).parent / "modelfiles"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "modelfiles"
