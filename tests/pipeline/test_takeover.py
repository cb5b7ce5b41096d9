"""Oracle: what really answers on the two ports, and the bytes of the configuration before."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.homes import free_port
from tests.support.processes import wait_until
from tests.support.systemctl_stand_in import installed, systemctl

from laimark_sidecar.config.load import load
from laimark_sidecar.config.render import render_default
from laimark_sidecar.errors import RunnerError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.ollama_service import OllamaService
from laimark_sidecar.pipeline.takeover import Ports, service_at, take_over, undo
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@pytest.fixture
def ports() -> Ports:
    return Ports(taken=free_port(), moved=free_port())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(root=tmp_path / "home")
    home.root.mkdir()
    home.config.write_text(render_default(), encoding="utf-8")
    return home


@pytest.fixture
def service(tmp_path: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaService]:
    root = tmp_path / "root"
    with installed(root, ports.taken) as programs:
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        wait_for(ports.taken)
        yield service_at(ports, root)


def answers(port: int) -> bool:
    try:
        return OllamaApi(Connection(f"http://127.0.0.1:{port}", timeout_s=2.0)).version() == "0.33.0"
    except RunnerError:
        return False


def wait_for(port: int) -> None:
    wait_until(lambda: answers(port), f"Ollama answers on port {port}")


def state(home: Home, service: OllamaService) -> tuple[str, list[str], bool]:
    """Everything that a takeover changes on the disk."""
    text = home.config.read_text(encoding="utf-8")
    return text, sorted(path.name for path in home.root.iterdir()), service.drop_in.exists()


def test_ollama_moves_and_comes_back_and_the_configuration_with_it(
    home: Home, service: OllamaService, ports: Ports
) -> None:
    before = state(home, service)
    take_over(home, service, ports=ports, dry_run=False)
    assert (answers(ports.taken), answers(ports.moved)) == (False, True)
    config = load(home.config, {})
    assert (config.gateway.port, config.ollama.url) == (ports.taken, ports.moved_url)
    take_over(home, service, ports=ports, dry_run=False)  # again changes nothing
    undo(home, service)
    wait_for(ports.taken)
    assert not answers(ports.moved)
    assert state(home, service) == before
    assert undo(home, service).steps == ()


def test_a_dry_run_tells_the_steps_and_takes_none(home: Home, service: OllamaService, ports: Ports) -> None:
    before = state(home, service)
    done = take_over(home, service, ports=ports, dry_run=True)
    assert str(service.drop_in) in done.steps[0]
    assert state(home, service) == before
    assert answers(ports.taken)


def test_what_was_cut_off_after_the_restart_is_carried_on_or_undone(
    home: Home, service: OllamaService, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(home, service)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("laimark_sidecar.pipeline.takeover.edit", cut)
        with pytest.raises(KeyboardInterrupt):
            take_over(home, service, ports=ports, dry_run=False)
    assert answers(ports.moved)
    take_over(home, service, ports=ports, dry_run=False)
    assert load(home.config, {}).ollama.url == ports.moved_url
    undo(home, service)
    assert state(home, service) == before


def test_a_refusing_systemd_leaves_everything_as_it_was(
    home: Home, service: OllamaService, ports: Ports
) -> None:
    before = state(home, service)
    (service.root / "refuses").touch()
    with pytest.raises(RunnerError, match="Access denied"):
        take_over(home, service, ports=ports, dry_run=False)
    (service.root / "refuses").unlink()
    undo(home, service)
    wait_for(ports.taken)
    assert state(home, service) == before


def test_who_is_not_root_is_told_what_root_types_and_that_is_enough(
    home: Home, service: OllamaService, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(home, service)
    monkeypatch.setattr(OllamaService, "writable", lambda _: False)
    done = take_over(home, service, ports=ports, dry_run=False)
    assert state(home, service) == before
    for line in done.by_root:
        words = line.replace("sudo ", "")
        assert os.system(words) == 0
    wait_for(ports.moved)
    assert take_over(home, service, ports=ports, dry_run=False).by_root == ()
    assert load(home.config, {}).gateway.port == ports.taken


def test_the_port_of_another_program_is_not_taken(home: Home, service: OllamaService, ports: Ports) -> None:
    other = Ports(taken=ports.moved, moved=ports.taken)
    with pytest.raises(StateError, match="is taken by another program"):
        take_over(home, service_at(other, service.root), ports=other, dry_run=False)


def test_without_systemd_it_is_refused_with_advice(
    home: Home, tmp_path: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StateError, match=r"knows no ollama\.service") as raised:
        take_over(home, service_at(ports, tmp_path), ports=ports, dry_run=False)
    assert "OLLAMA_HOST" in raised.value.hint


def test_a_container_is_named_with_the_mapping_to_change(
    home: Home, tmp_path: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nprintf 'ollama/ollama\\tbox: 0.0.0.0:11434->11434/tcp\\n'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StateError, match=r"box: 0\.0\.0\.0:11434->11434/tcp") as raised:
        take_over(home, service_at(ports, tmp_path), ports=ports, dry_run=False)
    assert "-p 127.0.0.1:11435:11434" in raised.value.hint


def test_an_ollama_for_the_whole_network_is_told(home: Home, service: OllamaService, ports: Ports) -> None:
    unit = service.drop_in.parent.parent / "ollama.service"
    unit.write_text(unit.read_text().replace("127.0.0.1", "0.0.0.0"))
    assert systemctl(service.root, ["daemon-reload"]) == 0
    done = take_over(home, service, ports=ports, dry_run=True)
    assert "gateway.host" in done.steps[-1]
