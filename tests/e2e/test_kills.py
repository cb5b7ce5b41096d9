"""SIGKILL after every artefact of a cycle: whoever comes next goes on, and the end is the same as without."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.homes import only_version, opened, reconfigure, served
from tests.support.processes import PATIENCE_S, environment

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.moving import repair

CHILD = Path(__file__).with_name("carry_on.py")
_POLL_S = 0.002


def in_cycle(name: str) -> Callable[[Home, str], bool]:
    return lambda home, said: any(home.cycles.glob(f"*/{name}"))


BOUNDARIES: dict[str, Callable[[Home, str], bool]] = {
    "examples written, no plan": in_cycle("examples.jsonl"),
    "plan": in_cycle("plan.json"),
    "scored before training": in_cycle("prequential.json"),
    "in the middle of training": lambda home, said: "\ntraining\n" in said,
    "result": in_cycle("result/result.json"),
    "candidate converted": in_cycle("candidate-1.00.gguf"),
    "in the middle of validation": lambda home, said: "validating" in said,
    "evidence": in_cycle("evidence-1.00.json"),
    "verdict": in_cycle("verdict.json"),
    "version registered": lambda home, said: any((home.registry / "versions").glob("*.json")),
    "intent begun": lambda home, said: (home.registry / "intent.json").exists(),
    "refs moved": lambda home, said: (home.registry / "refs.json").exists(),
}


def run_and_kill(home: Home, reached: Callable[[Home, str], bool], log: Path) -> str:
    """Start the child, kill it as soon as the boundary is reached; returns what it said."""
    with log.open("wb") as out:
        child = subprocess.Popen([sys.executable, str(CHILD), str(home.root)], stdout=out, env=environment())
    deadline = time.monotonic() + PATIENCE_S
    try:
        while child.poll() is None and not reached(home, log.read_text(encoding="utf-8")):
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(_POLL_S)
    finally:
        child.kill()
        child.wait()
    return log.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_cycle_that_is_killed_at_every_boundary_ends_as_if_nothing_had_happened(
    ready_home: Home, trained_root: Path, tmp_path: Path
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    workshop = opened(ready_home)
    undisturbed = only_version(opened(Home(root=trained_root)))
    with served(workshop):
        for number, (name, reached) in enumerate(BOUNDARIES.items()):
            said = run_and_kill(ready_home, reached, tmp_path / f"child-{number}.log")
            assert "ended" not in said or name == "refs moved", f"{name}: not killed in time\n{said}"
        last = run_and_kill(ready_home, lambda home, said: False, tmp_path / "child-last.log")
        version = only_version(workshop)
        repair(workshop)  # what `run` does first of all
        assert workshop.runner().names()["me:latest"] == version.name
        assert checkup(workshop) == ()
    assert "ended: promoted" in last or cycles(ready_home.cycles)[-1].closed()
    closed = [cycle.closed() for cycle in cycles(ready_home.cycles)]
    assert [one.ending for one in closed if one] == ["promoted"]
    assert None not in closed
    assert workshop.registry.refs() == {LATEST: version.name, PREV: ""}
    assert version.objects["adapter_model.safetensors"] == undisturbed.objects["adapter_model.safetensors"]
    assert version.objects["adapter.gguf"] == undisturbed.objects["adapter.gguf"]
    assert version.sample_ids == undisturbed.sample_ids
    with workshop.store() as store:
        assert store.stats().untrained == 0
