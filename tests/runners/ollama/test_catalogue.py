from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runners.ollama.conftest import BASE, LATEST, ONE, TWO, Starter, runner_at

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
    with pytest.raises(RunnerError, match='has no model "llama9"') as caught:
        Catalogue(server.api, "llama9", ()).local_base()
    assert caught.value.hint == "get it with: ollama pull llama9"
    with pytest.raises(RunnerError, match="tuned already"):
        Catalogue(server.api, ONE, ()).pristine_base()


def test_name_that_is_not_ours_is_never_touched(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    for name in (ONE, LATEST):
        server.api.create(name, {"from": BASE, "system": "You are a pirate."})
    runner = runner_at(server)
    before = {tag.name: tag.digest for tag in server.api.tags()}
    runner.register(TWO, loras[1])
    acts: tuple[Callable[[], None], ...] = (
        lambda: runner.register(ONE, loras[0]),
        lambda: runner.point(LATEST, TWO),
        lambda: runner.point(LATEST, ""),
        lambda: runner.withdraw(LATEST),
    )
    for act in acts:
        with pytest.raises(RunnerError, match="not made by laimark-sidecar") as caught:
            act()
        assert "ollama cp" in caught.value.hint
    assert {name: d for name, d in ((t.name, t.digest) for t in server.api.tags()) if name != TWO} == before
    assert runner.names() == {BASE: "", TWO: TWO}


def test_model_that_the_user_built_from_ours_stays_the_users(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    server.api.create("pirate", {"from": ONE, "system": "You are a pirate."})
    assert "pirate:latest" not in runner.names()
    with pytest.raises(RunnerError, match="not made by laimark-sidecar"):
        runner.withdraw("pirate")
    with pytest.raises(RunnerError, match="tuned already"):
        runner_at(server, ONE).register(TWO, loras[1])


def test_moving_name_that_is_forgotten_already_can_be_withdrawn(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    knowing = runner_at(server, moving=("me:latest", "me:work", "me:play"))
    knowing.register(ONE, loras[0])
    knowing.point("me:work", ONE)
    knowing.point("me:play", "")
    for name in ("me:work", "me:play"):
        runner_at(server).withdraw(name)
    assert knowing.names() == {BASE: "", ONE: ONE}


def test_what_a_user_built_from_ours_under_a_name_of_ours_is_his(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server, moving=("me:latest", "me:mine"))
    runner.register(ONE, loras[0])
    for name in ("me:latest", "me:mine"):
        runner.point(name, ONE)
    server.api.delete("me:mine")
    server.api.create("me:mine", {"from": "me:latest", "system": "my precious prompt"})
    with pytest.raises(RunnerError, match="not made by laimark-sidecar"):
        runner.point("me:mine", "")
    with pytest.raises(RunnerError, match="not made by laimark-sidecar"):
        runner.withdraw("me:mine")
    assert server.api.show("me:mine").system == "my precious prompt"
    assert runner.names() == {BASE: "", ONE: ONE, "me:latest": ONE}


def test_a_moving_name_whose_version_was_built_anew_is_ours_still(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    server.api.delete(ONE)  # by hand
    server.api.create(ONE, {"from": BASE, "license": [server.api.show(LATEST).license, "and more"]})
    server.api.delete(ONE)
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    assert runner.names()[LATEST] == ONE
