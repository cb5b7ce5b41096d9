"""What the managed llama-server is started with, and where it keeps what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.llamacpp.library import default_threads
from laimark_sidecar.runners.llama_server.sections import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What both modes of one managed llama-server have in common. `folder` is its own; the other files are only read."""

    folder: Path
    """Names, adapters, log and pid of this server."""
    base_path: Path
    """GGUF of the base model."""
    base_name: str
    """The name that clients use for the untouched base."""
    host: str = "127.0.0.1"
    port: int = 11440
    binary: str = ""
    """Path of llama-server; empty: `LAIMARK_LLAMA_SERVER`, else the one on the PATH."""
    context: int = 4096
    threads: int = 0
    """0 chooses half of the cores."""
    preloaded: int = 4
    """Most names that are ready at once; the one that was idle longest makes room. In router mode each has a process
    with a KV cache of its own, in single mode it is an adapter in the one process; the base's weights are shared."""

    def __post_init__(self) -> None:
        if self.preloaded < 2:
            raise ConfigError(
                f"llama-server must be allowed 2 names at least, got {self.preloaded}: "
                "a new version is tried while the old one answers"
            )

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def adapters(self) -> Path:
        """Copies of the adapters, by sha256: a process may be started again long after a version was registered."""
        return self.folder / "adapters"

    @property
    def log(self) -> Path:
        return self.folder / "llama-server.log"

    @property
    def pid(self) -> Path:
        return self.folder / "llama-server.pid"

    @property
    def observed(self) -> Path:
        return self.folder / "observed.json"

    @property
    def options(self) -> Options:
        return Options(model=self.base_path, context=self.context, threads=self.threads or default_threads())


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings(ServerSettings):
    """A llama-server in router mode: a process for each name."""

    @property
    def preset(self) -> Path:
        """The preset file: one section a name."""
        return self.folder / "models.ini"


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSettings(ServerSettings):
    """A llama-server that loads one model: one process, one KV cache, for binaries without router mode."""

    answering: str
    """The moving name that every client gets, whatever it asks for; for example `me:latest`."""

    @property
    def state(self) -> Path:
        """What is served under which name."""
        return self.folder / "names.json"

    @property
    def model(self) -> Path:
        """A link to the base, so that the command line tells whose server it is."""
        return self.folder / "base.gguf"
