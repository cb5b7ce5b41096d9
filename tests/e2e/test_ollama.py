"""The whole loop through the user's own Ollama, of a release that takes adapters and of one that refuses them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support import llama_server, ollama, rest
from tests.support.homes import (
    add_twin,
    answer,
    never,
    only_version,
    opened,
    reconfigure,
    silent,
)
from tests.support.ollama import Server
from tests.support.ollama_homes import BASE, beside

from laimark_sidecar.errors import BaseChangedError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.merging import merge_to
from laimark_sidecar.pipeline.moving import synchronise
from laimark_sidecar.pipeline.naming import copy, removal, remove
from laimark_sidecar.pipeline.promote import promote, rollback, use
from laimark_sidecar.pipeline.router import managed_server, start_router
from laimark_sidecar.training.jobfile import read_job
from laimark_sidecar.training.rendering import renderings

pytestmark = pytest.mark.timeout(240)
QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n```"
TWIN = "me:2026-11-22-fffe"


def chat(server: Server, model: str) -> str:
    """Ask as the user's client does."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": False,
        "options": {"temperature": 0, "num_predict": 12},
    }
    found = rest.call(server.url, "POST", "/api/chat", body)
    assert found.status == 200
    text: str = found.json()["message"]["content"]
    return text


@pytest.mark.parametrize("release", ["0.33.0", "0.34.1"])
def test_the_user_s_clients_are_answered_by_the_version_and_by_the_base_again(
    trained_home: Home, demo_gguf: Path, release: str
) -> None:
    with beside(trained_home, demo_gguf, release) as (workshop, server):
        version = only_version(workshop)
        base = chat(server, BASE)
        promote(workshop, version)
        tuned = chat(server, "me:latest")
        assert tuned == chat(server, version.name)
        assert answer(workshop, "me:latest", QUESTION) != answer(workshop, BASE, QUESTION)
        assert copy(workshop, "latest", "work") == ("me:work", version.name)
        twin = add_twin(workshop, version, name=TWIN, parent=version.name)
        promote(workshop, twin)
        assert workshop.runner().names() == {
            BASE: "",
            version.name: version.name,
            TWIN: TWIN,
            "me:latest": TWIN,
            "me:prev": version.name,
            "me:work": version.name,
        }
        assert rollback(workshop) == version.name
        assert chat(server, "me:latest") == tuned
        assert rollback(workshop) == ""
        assert chat(server, "me:latest") == base
        remove(workshop, removal(workshop, "me:work"))
        assert "me:work" not in opened(trained_home).runner().names()
        assert checkup(opened(trained_home)) == ()
        assert workshop.registry.refs() == {LATEST: "", PREV: ""}
        assert server.pulls() == []
        assert list(trained_home.merged.glob("*.gguf")) == []


def test_old_merged_models_go_and_come_back_when_they_are_used(trained_home: Home, demo_gguf: Path) -> None:
    with beside(trained_home, demo_gguf, "0.34.1") as (workshop, server):
        version = only_version(workshop)
        twin = add_twin(workshop, version, name=TWIN)
        promote(workshop, version)
        use(workshop, "base")
        promote(workshop, twin)
        synchronise(workshop, workshop.runner())
        assert version.name not in workshop.runner().names()
        assert use(workshop, version.name) == version.name
        assert workshop.runner().names()["me:latest"] == version.name
        assert server.pulls() == []


@pytest.mark.slow
def test_a_cycle_is_judged_on_the_merged_model_that_is_served(ready_home: Home, demo_gguf: Path) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    with beside(ready_home, demo_gguf, "0.34.1") as (workshop, server):
        closed = advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
        assert closed.ending == "promoted", closed.reason
        assert workshop.runner().names()["me:latest"] == closed.version
        notes = [path.suffix for path in ready_home.merged.iterdir()]
        assert notes == [".json"]
        assert checkup(workshop) == ()
        assert server.pulls() == []


def test_a_model_of_the_user_s_own_under_our_name_is_found_before_anything_moves(
    trained_home: Home, demo_gguf: Path
) -> None:
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, server):
        ollama.install(server.url, "me:latest", demo_gguf, system="mine")
        with pytest.raises(
            RunnerError, match="me:latest in Ollama was not made by laimark-sidecar"
        ) as caught:
            promote(workshop, only_version(workshop))
        assert "ollama cp me:latest" in caught.value.hint
        assert workshop.registry.refs() == {LATEST: "", PREV: ""}
        assert not workshop.registry.intent.pending()
        assert server.api.show("me:latest").system == "mine"
        server.api.delete("me:latest")
        promote(workshop, only_version(workshop))


def test_a_merged_version_is_served_again_though_its_type_changed_and_its_notes_are_gone(
    trained_home: Home, demo_gguf: Path
) -> None:
    with beside(trained_home, demo_gguf, "0.34.1", merged_type="q8_0") as (workshop, _):
        version = only_version(workshop)
        promote(workshop, version)
        use(workshop, "base")
        reconfigure(trained_home, "ollama", merged_type="f16")
        assert use(opened(trained_home), version.name) == version.name
        use(workshop, "base")
        shutil.rmtree(trained_home.merged)
        assert use(workshop, version.name) == version.name


def test_a_name_that_somebody_took_later_blocks_nothing_and_stays_his(
    trained_home: Home, demo_gguf: Path
) -> None:
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, server):
        version = only_version(workshop)
        promote(workshop, version)
        copy(workshop, "latest", "work")
        server.api.delete("me:work")
        server.api.create("me:work", {"from": BASE, "system": "my precious prompt"})
        again = opened(trained_home)
        (problem,) = checkup(again)
        assert problem.where == "me:work"
        assert "was not made by laimark-sidecar" in problem.message
        assert rollback(again) == ""
        assert use(again, version.name) == version.name
        remove(again, removal(again, "work"))
        assert server.api.show("me:work").system == "my precious prompt"
        assert checkup(opened(trained_home)) == ()


def test_versions_from_before_ours_were_called_otherwise_are_served_on(
    trained_home: Home, demo_gguf: Path
) -> None:
    with beside(trained_home, demo_gguf, "0.34.1") as (workshop, server):
        version = only_version(workshop)
        promote(workshop, version)
        reconfigure(trained_home, "promotion", name="mine")
        renamed = opened(trained_home)
        promote(renamed, version)
        assert renamed.runner().names()["mine:latest"] == version.name
        assert chat(server, "mine:latest") == chat(server, version.name)


def test_success_is_not_told_where_something_else_answers(trained_home: Home, demo_gguf: Path) -> None:
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, server):
        version = only_version(workshop)
        promote(workshop, version)
        for name in ("me:latest", version.name):
            server.api.delete(name)
        ollama.install(server.url, version.name, demo_gguf)  # somebody else's, under its name
        with pytest.raises(RunnerError, match="was not made by laimark-sidecar"):
            promote(workshop, version)


def test_another_file_under_the_base_s_name_is_noticed_and_nothing_is_registered_on_it(
    trained_home: Home, demo_gguf: Path, tmp_path: Path
) -> None:
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, server):
        version = only_version(workshop)
        promote(workshop, version)
        other = tmp_path / "other.gguf"
        adapter = workshop.registry.objects.path(version.objects["adapter.gguf"])
        merge_to(demo_gguf, adapter, other)
        ollama.install(server.url, BASE, other, template=ollama.DEMO_TEMPLATE)  # as after `ollama pull`
        twin = add_twin(workshop, version, name=TWIN)
        with pytest.raises(BaseChangedError, match=sha256_file(other)[:12]):
            promote(workshop, twin)
        names = workshop.runner().names()
        assert names["me:latest"] == version.name
        assert TWIN not in names
        assert workshop.registry.refs()[LATEST] == version.name


@llama_server.needs_llama_server
def test_a_server_of_our_own_serves_adapters_on_ollama_s_file(trained_home: Home, demo_gguf: Path) -> None:
    with beside(trained_home, demo_gguf, "0.34.1", route="own-server") as (workshop, server):
        version = only_version(workshop)
        start_router(workshop)
        try:
            promote(workshop, version)
            runner = workshop.runner()
            assert runner.names()["me:latest"] == version.name
            assert sha256_file(runner.served().path) == workshop.base.identity.sha256
            assert answer(workshop, "me:latest", QUESTION) != answer(workshop, BASE, QUESTION)
        finally:
            managed_server(workshop).stop()
        assert [tag.name for tag in server.api.tags()] == [f"{BASE}:latest"]


@pytest.mark.slow
@pytest.mark.parametrize("release", ["0.33.0", "0.34.1"])
def test_what_ollama_says_before_a_conversation_is_said_in_training_and_scoring_too(
    ready_home: Home, demo_gguf: Path, release: str
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    with beside(ready_home, demo_gguf, release, system="You are terse.") as (workshop, _):
        cycle = open_cycle(workshop)
        closed = advance(workshop, cycle, report=silent, should_stop=never)
        # Promoted: so the fingerprint, taken on these prompts, is what Ollama answers within 0.05 nats.
        assert closed.ending == "promoted", closed.reason
        version = workshop.registry.get(closed.version)
        assert version.rendering_sha256
        assert read_job(cycle.job).prompts
        assert not cycle.prompts.exists()  # it held what the user said
    plain = opened(ready_home)
    assert version.rendering_sha256 != renderings(plain.base.hf_dir).sha256
