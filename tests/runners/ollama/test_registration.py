from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from tests.runners.ollama.conftest import (
    BASE,
    LATEST,
    ONE,
    TWO,
    Starter,
    answer,
    expected,
    files_behind,
    runner_at,
)
from tests.support import ollama_modelfile
from tests.support.lora import write_lora
from tests.support.ollama import Server
from tests.support.processes import started, wait_until

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.runners.ollama.connection import OllamaRefusedError
from laimark_sidecar.runners.ollama.marker import Marker
from laimark_sidecar.runners.ollama.modelfile import adapter_modelfile, template_text
from laimark_sidecar.runners.ollama.registration import (
    refuses_adapters,
    takes_adapters,
)
from laimark_sidecar.runners.ollama.shown import layers

pytestmark = pytest.mark.timeout(180)

PROBES = {"/api/create": 1}
"""How often a step is taken before the registration itself."""
STEPS = ("/api/blobs", "/api/create", "/api/chat", "/api/copy")


def leftovers(server: Server) -> list[str]:
    return [tag.name for tag in server.api.tags() if "unchecked" in tag.name]


@pytest.mark.parametrize("version", ["0.33.0", "0.34.1"])
def test_fault_at_any_step_leaves_what_was_served_and_a_repeat_succeeds(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path], tmp_path: Path, version: str
) -> None:
    server = start(version)
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    before, answered = runner.names(), answer(runner, LATEST)
    faults = [(step, what) for step in STEPS for what in ("500", "lost", "lost-after")]
    faults.remove(("/api/blobs", "lost-after"))  # no fault: the blob is there
    faults += [("/api/chat", "oom"), ("/api/copy", "torn")]
    for seed, (step, what) in enumerate(faults, start=10):
        # A new adapter for each, or its blob would be there already.
        adapter = write_lora(demo_gguf, tmp_path / "adapter.gguf", seed=seed)
        server.fail_next(step, what, skip=0 if what == "lost" else PROBES.get(step, 0))
        with pytest.raises(RunnerError):
            runner_at(server).register(TWO, adapter)
        done = {TWO: TWO} if (step, what) == ("/api/copy", "lost-after") else {}
        assert runner.names() == before | done
        assert answer(runner, LATEST) == answered
        runner.register(TWO, adapter)
        assert answer(runner, TWO) == expected(demo_gguf, adapter)
        assert leftovers(server) == []
        runner.withdraw(TWO)
    assert server.pulls() == []


@pytest.mark.parametrize("version", ["0.33.0", "0.34.1"])
def test_kill_at_any_step_leaves_what_was_served_and_a_repeat_completes(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path], tmp_path: Path, version: str
) -> None:
    server = start(version)
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    before, answered = runner.names(), answer(runner, LATEST)
    places = [(step, what) for step in (*STEPS, "/api/delete") for what in ("stall", "stall-after")]
    for seed, (step, what) in enumerate(places, start=30):
        adapter = write_lora(demo_gguf, tmp_path / "adapter.gguf", seed=seed)
        _killed(server, tmp_path, adapter, step, what)
        done = step == "/api/delete" or (step, what) == ("/api/copy", "stall-after")
        assert runner.names() == before | ({TWO: TWO} if done else {})
        assert answer(runner, LATEST) == answered
        runner.register(TWO, adapter)
        assert answer(runner, TWO) == expected(demo_gguf, adapter)
        assert leftovers(server) == []
        runner.withdraw(TWO)


def test_what_a_killed_registration_left_goes_with_the_version(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path], tmp_path: Path
) -> None:
    server = start("0.34.1")
    _killed(server, tmp_path, loras[0], "/api/create", "stall-after")
    assert leftovers(server) == [f"{TWO}.unchecked"]
    runner = runner_at(server)
    assert runner.names() == {BASE: ""}
    runner.withdraw(TWO)
    assert leftovers(server) == []


def test_probe_creates_nothing_and_tells_what_a_create_would(start: Starter) -> None:
    for version, takes in (("0.33.0", True), ("0.34.1", False)):
        server = start(version)
        tags = server.api.tags()
        assert takes_adapters(server.api, BASE) is takes
        assert server.api.tags() == tags
        assert server.pulls() == []


def test_only_refusals_of_adapters_as_such_lead_to_merging() -> None:
    def refused(reason: str) -> bool:
        return refuses_adapters(OllamaRefusedError("http://x", "POST /api/create", 400, reason))

    assert refused("LoRA adapters are no longer supported")
    assert refused("LoRA adapters are no longer supported: a.gguf is a LoRA adapter")
    assert refused("llama runner process has terminated: loras are not yet implemented")
    assert not refused("blob not found")
    assert not refused("invalid file magic")
    assert not refused("llama_model_load: the adapter cannot be read: unsupported tensor type")


def test_stand_in_itself_stacks_adapters_as_ollama_does(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    server.api.create("both", {"from": ONE, "adapters": {"two.gguf": server.api.put_blob(loras[1])}})
    alone = {expected(demo_gguf, lora) for lora in loras}
    assert answer(runner, "both") not in alone


def test_stand_in_itself_drops_the_old_adapter_of_a_name_that_is_made_anew(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    one, two = (server.api.put_blob(lora) for lora in loras)
    for digest in (one, two):
        server.api.create("x", {"from": BASE, "adapters": {"x.gguf": digest}})
    assert (server.api.has_blob(one), server.api.has_blob(two)) == (False, True)


def test_architecture_whose_adapters_do_not_load_is_merged(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    server = start("0.24.0", go_engine=("llama",))
    runner = runner_at(server)
    with caplog.at_level(logging.INFO):
        runner.register(ONE, loras[0])
    assert f"giving {ONE} to Ollama, which loads it: 0.0 GB" in caplog.messages
    assert files_behind(server, ONE) == (1, 0)
    assert answer(runner, ONE) == expected(demo_gguf, loras[0])
    assert not runner.capabilities().adapters


def test_merged_name_answers_as_llama_cpp_does_on_the_very_file(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start("0.34.1")
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    (file,) = layers(server.api.show(ONE).modelfile).models
    assert answer(runner, ONE) == expected(Path(file))


def test_merged_name_keeps_the_settings_and_the_licence_of_its_base(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start("0.34.1")
    runner_at(server).register(ONE, loras[0])
    base, tuned = server.api.show(BASE), server.api.show(ONE)
    assert (tuned.template, tuned.system, tuned.parameters) == (base.template, base.system, base.parameters)
    assert tuned.license.startswith(base.license)


@pytest.mark.parametrize("version", ["0.33.0", "0.34.1"])
def test_adapter_for_another_model_is_refused_and_leaves_no_name(
    start: Starter, demo_gguf: Path, tmp_path: Path, version: str
) -> None:
    server = start(version)
    wrong = write_lora(demo_gguf, tmp_path / "wrong.gguf", wrong_shapes=True)
    with pytest.raises(Exception, match=r"refused|the adapter is for"):
        runner_at(server).register(ONE, wrong)
    assert runner_at(server).names() == {BASE: ""}


def test_name_built_by_hand_from_the_modelfile_is_known_as_ours(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    marker = Marker(version=ONE, adapter_sha256=sha256_file(loras[0]))
    text = adapter_modelfile(template_text("adapter"), marker=marker, base=BASE, adapter=loras[0])
    fields = ollama_modelfile.create_fields(ollama_modelfile.parse(text))
    adapter = Path(fields.pop("adapter"))
    server.api.create(ONE, fields | {"adapters": {adapter.name: server.api.put_blob(adapter)}})
    assert runner.names() == {BASE: "", ONE: ONE}
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    assert answer(runner, LATEST) == expected(demo_gguf, loras[0])


def _killed(server: Server, folder: Path, adapter: Path, step: str, what: str) -> None:
    """Register TWO in a process that is killed while Ollama is at a step, or has just done it."""
    server.fail_next(step, what, skip=PROBES.get(step, 0))
    before = server.events().count(f"stall {step}")
    module = "tests.support.ollama_registering"
    command = [sys.executable, "-m", module, server.url, BASE, str(folder), TWO, str(adapter)]
    log = folder / "registering.log"
    with started(command, log) as process:
        wait_until(lambda: server.events().count(f"stall {step}") > before, f"it is at {step}", log=log)
        assert process.poll() is None
    server.release()
