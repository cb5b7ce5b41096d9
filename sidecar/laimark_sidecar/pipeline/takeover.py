"""The gateway at Ollama's own port, so that no client changes: Ollama moves one port up, and can always move back.

A note in the home says what was before, from ahead of the first step until all is as it was: whatever is interrupted is
carried on by asking again, or undone.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from laimark_sidecar.config.edit import edit, written
from laimark_sidecar.config.keys import Value
from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.errors import RunnerError, StateError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.ollama_service import UNIT, OllamaService
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection

FORMAT_VERSION = 1
_KEYS = {"gateway": ("port",), "ollama": ("url",)}
_ANSWERS_WITHIN_S = 30.0
_POLL_S = 0.1
_BY_HAND = (
    "leave Ollama where it is and give the clients the gateway's address: OLLAMA_HOST=http://127.0.0.1:11436, "
    "where `laimark-sidecar gateway` listens"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where Ollama is, and where it moves."""

    taken: int = 11434
    moved: int = 11435

    @property
    def moved_url(self) -> str:
        return f"http://127.0.0.1:{self.moved}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """`takeover.json`: what the configuration said before, which `undo` brings back."""

    config: dict[str, dict[str, Value | None]]
    version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done, or would be."""

    steps: tuple[str, ...]
    by_root: tuple[str, ...] = ()
    """Commands that root has to type first; nothing was changed then."""


def service_at(ports: Ports, root: Path = Path("/")) -> OllamaService:
    """Return the service that listens where these ports say once it is moved."""
    return OllamaService(address=f"127.0.0.1:{ports.moved}", root=root)


def take_over(home: Home, service: OllamaService, *, ports: Ports, dry_run: bool) -> Done:
    """Move Ollama to another port of the loopback interface and give the gateway its own.

    Raises:
        StateError: this machine's Ollama is no service of systemd, or the port that it would move to is taken.
        RunnerError: systemd refused, or Ollama does not answer there; everything is as it was then.
    """
    _require_service(service)
    steps = [
        f"write {service.drop_in}: OLLAMA_HOST={service.address}, for the service only",
        f"restart {UNIT}; models in memory are dropped, answers in flight are cut",
        f"write {home.config}: gateway.port = {ports.taken}, ollama.url = {ports.moved_url}",
        *_warnings(service),
    ]
    if dry_run:
        return Done(steps=tuple(steps))
    there = service.moved() and _answers(ports.moved_url)
    if not there:
        if not service.moved() and _listens(ports.moved):
            raise StateError(
                f"port {ports.moved}, where Ollama would go, is taken by another program",
                hint="stop it first",
            )
        if not service.writable():
            return Done(steps=tuple(steps), by_root=service.commands())
    _remember(home)
    try:
        if not there:
            service.move()
            _wait_for(ports.moved_url)
    except RunnerError:
        undo(home, service)
        raise
    edit(home.config, {"gateway": {"port": ports.taken}, "ollama": {"url": ports.moved_url}})
    return Done(steps=tuple(steps))


def undo(home: Home, service: OllamaService, *, dry_run: bool = False) -> Done:
    """Bring everything back to what it was, however far `take_over` came; nothing to undo is not an error.

    Raises:
        StateError: the note of what was before is damaged.
        RunnerError: systemd refused.
    """
    before = _before(home)
    there = service.drop_in.exists()
    steps = [f"remove {service.drop_in} and restart {UNIT}"] if there else []
    steps += [f"write {home.config} as it was: {_told(before)}"] if before else []
    if dry_run or not steps:
        return Done(steps=tuple(steps))
    if there and not service.writable():
        return Done(steps=tuple(steps), by_root=service.commands_back())
    if there:
        service.move_back()
    if before:
        edit(home.config, before.config)
        _note(home).unlink()
    return Done(steps=tuple(steps))


def _require_service(service: OllamaService) -> None:
    if sys.platform != "linux":
        raise StateError(
            "OLLAMA_HOST moves both Ollama and its clients on this system, so the port cannot be taken over cleanly",
            hint=_BY_HAND,
        )
    if service.exists():
        return
    if container := _container():
        raise StateError(
            f"Ollama runs in Docker ({container}), which only you can start anew",
            hint="start it with -p 127.0.0.1:11435:11434 instead of -p 11434:11434; then set gateway.port = 11434 and "
            'ollama.url = "http://127.0.0.1:11435" in config.toml',
        )
    raise StateError(f"systemd knows no {UNIT} here", hint=_BY_HAND)


def _container() -> str:
    """Return name and ports of a container that looks like Ollama; empty where there is none, or no Docker."""
    docker = shutil.which("docker")
    if docker is None:
        return ""
    try:
        shown = subprocess.run(
            [docker, "ps", "--format", "{{.Image}}\t{{.Names}}: {{.Ports}}"],
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=10.0,
        ).stdout
    except subprocess.TimeoutExpired:
        return ""
    rows = (line.partition("\t") for line in shown.splitlines())
    return next((what for image, _, what in rows if "ollama" in image), "")


def _warnings(service: OllamaService) -> list[str]:
    now = service.listens_by()
    if not now or now.startswith(("127.", "localhost", "http://127.", service.address)):
        return []
    return [f"note: Ollama listens by OLLAMA_HOST={now}; others reach the gateway only with gateway.host set"]


def _note(home: Home) -> Path:
    return home.root / "takeover.json"


def _before(home: Home) -> Before | None:
    try:
        content = _note(home).read_bytes()
    except FileNotFoundError:
        return None
    return decode_versioned(
        content,
        Before,
        newest=FORMAT_VERSION,
        what=str(_note(home)),
        hint="remove it, and set gateway.port and ollama.url in config.toml by hand",
    )


def _remember(home: Home) -> None:
    if _before(home) is None:  # else an interrupted one, whose changes must not be taken for what was before
        write_atomic(_note(home), msgspec.json.encode(Before(config=written(home.config, _KEYS))))


def _told(before: Before) -> str:
    return ", ".join(
        f"{section}.{key} = {'default' if value is None else value!r}"
        for section, keys in before.config.items()
        for key, value in keys.items()
    )


def _answers(url: str) -> bool:
    try:
        return bool(OllamaApi(Connection(url, timeout_s=2.0)).version())
    except RunnerError:
        return False


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while not _answers(url):
        if time.monotonic() > deadline:
            raise RunnerError(
                f"Ollama does not answer at {url} after its restart; it was moved back",
                hint=f"see: journalctl -u {UNIT} -n 50",
            )
        time.sleep(_POLL_S)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
