"""SIGKILL in the middle of forgetting, wherever: whoever comes next goes on, and nothing of the text is left."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.forgetting import SECRET, TRACES, files_with, say_secret
from tests.support.homes import opened, reconfigure, take_in
from tests.support.processes import (
    PATIENCE_S,
    command,
    environment,
    run_command,
    runner,
    started,
    wait_until,
)

from laimark_sidecar.journal.reader import read
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.doomed import Wish, doomed
from laimark_sidecar.pipeline.folder import unfinished
from laimark_sidecar.pipeline.forget import begin
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.taint import tainted

CHILD = Path(__file__).with_name("forget_child.py")
KILLS = 12


def carry_on(home: Path, last: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(CHILD), str(home), str(last)],
        capture_output=True,
        timeout=PATIENCE_S,
        env=environment(),
        check=False,
    )


def test_whatever_step_it_is_killed_at_the_next_call_ends_it(ready_home: Home, tmp_path: Path) -> None:
    workshop = opened(ready_home)
    before = read(ready_home.journal, None).records
    asked, _ = say_secret(workshop)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
        begin(workshop, doomed(workshop, store, Wish(text=re.compile(re.escape(SECRET)))))
    whole = tmp_path / "whole"
    shutil.copytree(ready_home.root, whole)
    steps = int(carry_on(whole, 0).stdout)
    assert steps > KILLS
    for last in sorted({1 + number * (steps - 1) // (KILLS - 1) for number in range(KILLS)}):
        home = Home(root=tmp_path / f"killed-{last}")
        shutil.copytree(ready_home.root, home.root)
        assert carry_on(home.root, last).returncode == -signal.SIGKILL
        assert home.forgetting.exists() or last == steps
        resumed = run_command(home, "forget", "--resume")
        assert resumed.returncode == 0, resumed.stderr
        assert files_with(home.root, *TRACES) == [], f"killed at step {last} of {steps}"
        found = read(home.journal, None)
        assert found.records == (*before, asked)
        assert found.faults == ()
        again = opened(home)
        assert take_in(again) == 0
        assert [one for one in checkup(again) if one.where == "replay.db"] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_daemon_that_is_training_on_it_stops_and_learns_anew_without_it(
    ready_home: Home, tmp_path: Path
) -> None:
    reconfigure(ready_home, "promotion", mode="auto")
    workshop = opened(ready_home)
    say_secret(workshop)
    log = tmp_path / "run.log"
    with runner(ready_home, workshop.config.runner.port), started(command(ready_home, "run"), log):
        wait_until(lambda: unfinished(ready_home.cycles), "a cycle begins", log=log)
        done = run_command(ready_home, "forget", "--text", SECRET, "--yes")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: not ready_home.forgetting.exists(), "the daemon forgets", log=log)
        assert files_with(ready_home.root, *TRACES) == []
        wait_until(lambda: workshop.registry.refs().get("latest"), "a version is promoted", log=log)
        first = workshop.registry.get(workshop.registry.refs()["latest"])
        with workshop.store() as store:
            lesson = next(item for item in map(store.get, first.sample_ids) if item)
        done = run_command(ready_home, "forget", lesson.id, "--yes", "--rebuild")
        assert done.returncode == 0, done.stderr
        assert first.name in done.stderr
        wait_until(
            lambda: workshop.registry.refs().get("latest") not in ("", first.name), "a clean version", log=log
        )
    second = workshop.registry.get(workshop.registry.refs()["latest"])
    assert second.parent == ""
    assert tainted(workshop) == {first.name}
    assert set(second.sample_ids) == set(first.sample_ids) - {lesson.id}
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("blocks", [1, 64])
def test_a_full_disk_stops_it_with_a_hint_and_the_next_call_ends_it(ready_home: Home, blocks: int) -> None:
    """A limit of the size of files stands for the disk: what is written beyond it fails, in the buffer or the journal."""
    workshop = opened(ready_home)
    say_secret(workshop)
    with workshop.store() as store:
        begin(workshop, doomed(workshop, store, Wish(text=re.compile(re.escape(SECRET)))))
    limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command(ready_home, "forget", "--resume")]
    full = subprocess.run(limited, capture_output=True, timeout=PATIENCE_S, env=environment(), check=False)
    assert full.returncode not in (0, 70), full.stderr.decode()
    assert b"hint:" in full.stderr
    assert ready_home.forgetting.exists()
    assert run_command(ready_home, "forget", "--resume").returncode == 0
    assert files_with(ready_home.root, *TRACES) == []
    assert checkup(opened(ready_home)) == ()
