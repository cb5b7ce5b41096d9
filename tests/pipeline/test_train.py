from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import never, opened, silent

from laimark_sidecar.config.learning import Training
from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import TrainingError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.cycle import open_cycle
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.train import PHASES, train
from laimark_sidecar.training.job import Progress


def test_result_that_is_there_is_not_made_again(trained_home: Home) -> None:
    (cycle,) = cycles(trained_home.cycles)
    nothing = Config(training=Training(python="/nonexistent/python"))
    train(cycle, nothing, report=silent, should_stop=never)


def test_stopped_worker_is_a_yield_and_a_missing_one_a_training_error(ready_home: Home) -> None:
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
    with pytest.raises(Yielded, match="checkpoint"):
        train(cycle, workshop.config, report=silent, should_stop=lambda: True)
    with pytest.raises(TrainingError, match="/nonexistent/python"):
        train(
            cycle,
            Config(training=Training(python="/nonexistent/python")),
            report=silent,
            should_stop=never,
        )
    assert not cycle.result.exists()


def test_failing_worker_says_why(ready_home: Home, tmp_path: Path) -> None:
    workshop = opened(ready_home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'error: the card is on fire' >&2\nexit 9\n")
    python.chmod(0o700)
    with pytest.raises(TrainingError, match="on fire") as caught:
        train(cycle, Config(training=Training(python=str(python))), report=silent, should_stop=never)
    assert str(cycle.job) in caught.value.hint


def test_every_phase_of_the_worker_has_words() -> None:
    phases = Progress.__annotations__["phase"]
    assert all(f'"{name}"' in str(phases) or f"'{name}'" in str(phases) for name in PHASES)
