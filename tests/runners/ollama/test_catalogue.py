from __future__ import annotations

from pathlib import Path

import pytest
from tests.runners.ollama.conftest import BASE, ONE, Starter, runner_at

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.ollama.api import OllamaApi, Shown
from laimark_sidecar.runners.ollama.catalogue import Catalogue
from laimark_sidecar.runners.ollama.connection import Connection


def test_names_are_told_as_the_caller_spells_them(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    runner = runner_at(server, base="Demo-Base:latest", moving=("Me", "base"))
    runner.register("me:2026-11-22-3F9A", loras[0])
    runner.point("Me", "me:2026-11-22-3F9A")
    runner.point("base", "")
    assert runner.names() == {
        "Demo-Base:latest": "",
        "me:2026-11-22-3F9A": "me:2026-11-22-3F9A",
        "Me": "me:2026-11-22-3F9A",
        "base": "",
    }


def test_names_of_others_are_read_but_not_served_and_not_free(start: Starter) -> None:
    server = start()
    server.api.create("pirate", {"from": BASE, "system": "You are a pirate."})
    catalogue = Catalogue(server.api, BASE, ("pirate",))
    names = catalogue.read()
    assert set(names) == {"demo-base:latest", "pirate:latest"}
    assert catalogue.served(names) == {BASE: ""}
    with pytest.raises(RunnerError, match="not made by laimark-sidecar"):
        catalogue.check_free("Pirate", names)
    catalogue.check_free("pirate:free", names)
    with pytest.raises(RunnerError, match="unlike all names of ours") as caught:
        catalogue.check_free("free", names)
    assert caught.value.hint == "such as pirate"


def test_only_names_that_may_be_ours_are_asked_about(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    runner_at(server).register(ONE, loras[0])
    asked: list[str] = []

    class Watched(OllamaApi):
        def show(self, model: str) -> Shown:
            asked.append(model)
            return super().show(model)

    catalogue = Catalogue(Watched(Connection(server.url)), BASE, ("me:latest",))
    for _ in range(2):
        assert catalogue.served(catalogue.read()) == {BASE: "", ONE: ONE}
    assert asked == [ONE]


def test_base_must_be_there_and_untouched(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    runner_at(server).register(ONE, loras[0])
    assert Catalogue(server.api, BASE, ()).pristine_base().license == "The base's own licence"
    with pytest.raises(RunnerError, match="has no llama9") as caught:
        Catalogue(server.api, "llama9", ()).local_base()
    assert caught.value.hint == "get it with: ollama pull llama9"
    with pytest.raises(RunnerError, match="tuned already"):
        Catalogue(server.api, ONE, ()).pristine_base()
