"""Ollama as a service of systemd: told by a drop-in of ours where to listen, which concerns the service and no client."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import RunnerError, StateError
from laimark_sidecar.files import fsync_dir

UNIT = "ollama.service"
_DROP_IN = "zz-laimark-sidecar.conf"
"""Drop-ins hold in the order of their names: the user's own `override.conf` comes before."""
_MODE = 0o644
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaService:
    """The service on this machine.

    Args:
        root: of the file system; another than `/` in tests.
        address: where Ollama is told to listen, `host:port`.
    """

    address: str
    root: Path = Path("/")

    @property
    def drop_in(self) -> Path:
        """The file that moves it."""
        return self.root / "etc/systemd/system" / f"{UNIT}.d" / _DROP_IN

    @property
    def content(self) -> str:
        return f'[Service]\nEnvironment="OLLAMA_HOST={self.address}"\n'

    def exists(self) -> bool:
        """Whether systemd knows an Ollama here."""
        if shutil.which("systemctl") is None:
            return False
        return _systemctl("cat", UNIT).returncode == 0

    def listens_by(self) -> str:
        """Return the OLLAMA_HOST of the service as systemd has it; empty where it has none."""
        shown = _systemctl("show", UNIT, "--property=Environment", "--value").stdout
        values = [
            part.strip('"').removeprefix("OLLAMA_HOST=") for part in shown.split() if "OLLAMA_HOST=" in part
        ]
        return values[-1] if values else ""

    def moved(self) -> bool:
        """Whether the drop-in is there as it should be."""
        try:
            return self.drop_in.read_text(encoding="utf-8") == self.content
        except FileNotFoundError:
            return False

    def writable(self) -> bool:
        """Whether we may write the drop-in, which mostly only root may."""
        place = self.drop_in.parent
        while not place.exists():
            place = place.parent
        return os.access(place, os.W_OK)

    def move(self) -> None:
        """Write the drop-in and restart the service; models in memory are dropped, answers in flight are cut.

        Raises:
            RunnerError: systemd refused.
            OSError: the drop-in cannot be written.
        """
        self.drop_in.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.drop_in.with_suffix(".new")  # systemd reads names that end in .conf
        temporary.write_text(self.content, encoding="utf-8")
        temporary.chmod(_MODE)  # for root and everybody's `systemctl cat`
        temporary.replace(self.drop_in)
        fsync_dir(self.drop_in.parent)
        self._restart()

    def move_back(self) -> None:
        """Remove the drop-in and restart the service; there is nothing to do where it is not there.

        Raises:
            RunnerError: systemd refused.
        """
        if self.drop_in.exists():
            self.drop_in.unlink()
            fsync_dir(self.drop_in.parent)
        self._restart()

    def commands(self) -> tuple[str, ...]:
        """Return what root types instead of `move`."""
        line = self.content.replace("\n", "\\n")
        return (
            f"sudo mkdir -p {self.drop_in.parent}",
            f"printf '{line}' | sudo tee {self.drop_in}",
            *_RESTART,
        )

    def commands_back(self) -> tuple[str, ...]:
        """Return what root types instead of `move_back`."""
        return (f"sudo rm {self.drop_in}", *_RESTART)

    def _restart(self) -> None:
        for arguments in (("daemon-reload",), ("restart", UNIT)):
            ran = _systemctl(*arguments)
            if ran.returncode != 0:
                raise RunnerError(
                    f"systemctl {' '.join(arguments)} failed: {ran.stderr.strip()[:500]}",
                    hint=f"see: systemctl status {UNIT}",
                )


_RESTART = ("sudo systemctl daemon-reload", f"sudo systemctl restart {UNIT}")


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemctl")
    if program is None:
        raise StateError("systemctl is not there", hint="this needs a Linux with systemd")
    try:
        return subprocess.run(
            [program, *arguments], capture_output=True, encoding="utf-8", check=False, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired as error:
        raise RunnerError(
            f"systemctl {' '.join(arguments)} took longer than {_PATIENCE_S:.0f} s",
            hint=f"see: systemctl status {UNIT}",
        ) from error
