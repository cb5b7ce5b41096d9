"""Homes for commands: made by `init` as a user does, with what earlier days would have left in them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.homes import (
    copy_home,
    opened,
    ready_root,
    record,
    settings,
    small_base_dir,
    take_in,
    trained_root,
)

from laimark_sidecar.cli import run
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.initialise import initialise
from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.registry.version import BaseIdentity, Version

__all__ = ["ready_root", "small_base_dir", "trained_root"]

CORRECTIONS = 6
TRAINING_S = 240
"""The first test with a trained home pays for the training, on a busy machine more than a test may take."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "trained_root" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(TRAINING_S))


class Start(Protocol):
    """Starts a command; returns when its output holds `until`."""

    def __call__(self, *arguments: str, until: str) -> subprocess.Popen[bytes]: ...


@pytest.fixture(scope="session")
def filled_root(small_base_dir: Path, demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose journal holds a few corrections that have been read into the buffer; nothing is trained."""
    root = tmp_path_factory.getbasetemp() / "filled-home"
    if not root.exists():
        home = Home(root=root)
        initialise(home, record=True, settings=settings(small_base_dir, demo_gguf))
        record(home, range(CORRECTIONS))
        take_in(opened(home))
    return root


@pytest.fixture
def filled_home(filled_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home that the commands of this test see: no runner, no daemon, six corrections."""
    home = copy_home(filled_root, tmp_path / "home")
    monkeypatch.setenv("LAIMARK_HOME", str(home.root))
    return home


@pytest.fixture
def trained_home(trained_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home that the commands of this test see: one really trained version that waits for its promotion."""
    home = copy_home(trained_root, tmp_path / "home")
    monkeypatch.setenv("LAIMARK_HOME", str(home.root))
    return home


@pytest.fixture
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home that the commands of this test see: nothing is there yet."""
    monkeypatch.setenv("LAIMARK_HOME", str(tmp_path / "fresh"))
    return Home(root=tmp_path / "fresh")


@pytest.fixture
def versions(filled_home: Home) -> tuple[Version, Version]:
    """Two versions in the registry, the newer one first; their objects are a few bytes."""
    base = opened(filled_home).base.identity
    registry = Registry.open(filled_home.registry, clock=SystemClock(), who="test")
    older = _add(registry, base, "me:2026-11-20-aaaa", parent="", sample_ids=("lesson-1", "lesson-2"))
    newer = _add(registry, base, "me:2026-11-21-bbbb", parent=older.name, sample_ids=("lesson-3",))
    return newer, older


@pytest.fixture
def without_home(fresh_home: Home, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Asserts that a command refuses a home that `init` has not made, and says what to do."""

    def refuses(*arguments: str) -> None:
        assert run(arguments) == 5
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"error: {fresh_home.root} is not set up\nhint: run: laimark-sidecar init\n"
        assert not fresh_home.root.exists()

    return refuses


def _add(
    registry: Registry, base: BaseIdentity, name: str, *, parent: str, sample_ids: tuple[str, ...]
) -> Version:
    version = Version(
        name=name,
        created_s=1_795_000_000.0 + 86_400 * int(name[11:13]),
        parent=parent,
        base=base,
        objects={
            "adapter.gguf": registry.objects.put_bytes(b"GGUF of " + name.encode()),
            "adapter_config.json": registry.objects.put_bytes(b'{"r": 4}'),
        },
        cycle=f"cycle-{name[-4:]}",
        sample_ids=sample_ids,
        seed=7,
        metrics={"gain": 0.25, "kl": 0.0125},
        verdict="accepted",
        tools={"laimark-sidecar": "0.1"},
    )
    registry.add(version)
    return version


@pytest.fixture
def ready_home(ready_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home that the commands of this test see: enough corrections for a cycle."""
    home = copy_home(ready_root, tmp_path / "home")
    monkeypatch.setenv("LAIMARK_HOME", str(home.root))
    return home


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands as processes of their own and waits until their stderr says something; none outlives its test."""
    with contextlib.ExitStack() as stack:

        def started(*arguments: str, until: str) -> subprocess.Popen[bytes]:
            log = tmp_path / f"{arguments[0]}.log"
            out = stack.enter_context(log.open("wb"))
            command = [sys.executable, "-m", "laimark_sidecar", *arguments]
            process = subprocess.Popen(command, stdout=out, stderr=out)
            stack.callback(_end, process)
            deadline = time.monotonic() + 40
            while until not in log.read_text(encoding="utf-8"):
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                time.sleep(0.05)
            return process

        yield started


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
