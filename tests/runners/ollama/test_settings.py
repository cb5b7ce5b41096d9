from __future__ import annotations

from pathlib import Path

from tests.runners.ollama.conftest import BASE, ONE, Starter, runner_at

from laimark_sidecar.runners.ollama.settings import is_like, settings


def test_names_are_alike_when_files_and_settings_are(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    runner_at(server).register(ONE, loras[0])
    server.api.create("same", {"from": BASE, "license": ["another licence"]})
    server.api.create("brief", {"from": BASE, "system": "Be brief."})
    base = server.api.show(BASE)
    assert is_like(server.api.show("same"), base)
    assert not is_like(server.api.show("brief"), base)
    assert not is_like(server.api.show(ONE), base)
    assert settings(server.api.show("brief")) == settings(base) | {"system": "Be brief."}
