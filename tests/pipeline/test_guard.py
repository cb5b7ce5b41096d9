from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.support.homes import add_twin, never, only_version, opened, record, served, silent, take_in

from laimark_sidecar.errors import StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.convert import convert
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.folder import CycleFolder, Plan
from laimark_sidecar.pipeline.guard import harm, step_back_from_harm
from laimark_sidecar.pipeline.prequential import Prequential
from laimark_sidecar.pipeline.promote import use
from laimark_sidecar.pipeline.rescale import rescaled
from laimark_sidecar.pipeline.scoring import scored
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.validation.evidence import ItemScore
from laimark_sidecar.validation.fingerprint import fingerprint_json
from laimark_sidecar.validation.score_job import Candidate, ScoreJob


def tell(workshop: Workshop, number: int, parent: str, margins: Iterable[float], *, start: int = 0) -> Path:
    """Write what a cycle leaves of lessons that were new to `parent`."""
    cycle = CycleFolder(root=workshop.home.cycles / f"2026010{number}T000000")
    cycle.root.mkdir(parents=True)
    scores = tuple(
        ItemScore(id=f"lesson-{place}", tokens=10, base=-20.0, candidate=-20.0 + 10 * margin)
        for place, margin in enumerate(margins, start=start)
    )
    cycle.write_plan(
        Plan(
            id=cycle.id,
            created_s=float(number),
            seed=0,
            parent=parent,
            base_sha256=workshop.base.identity.sha256,
            sample_ids=(*(one.id for one in scores), "replayed"),
            new_ids=tuple(one.id for one in scores),
        )
    )
    replayed = ItemScore(id="replayed", tokens=1, base=0.0, candidate=-99.0)
    path = cycle.root / "prequential.json"
    path.write_bytes(msgspec.json.encode(Prequential(version=parent, items=(*scores, replayed))))
    return path


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


@pytest.fixture
def line(workshop: Workshop) -> tuple[Version, Version]:
    """Two versions, the second grown from the first."""
    first = only_version(workshop)
    return first, add_twin(workshop, first, name="me:2026-11-26-beef", parent=first.name)


def test_the_base_and_a_version_without_fresh_lessons_are_beyond_suspicion(
    workshop: Workshop, line: tuple[Version, Version]
) -> None:
    assert not harm(workshop, "").shown
    assert harm(workshop, line[1].name).e == pytest.approx(1.0)


def test_what_an_ancestor_did_counts_for_its_descendants_and_each_lesson_once(
    workshop: Workshop, line: tuple[Version, Version]
) -> None:
    first, second = line
    tell(workshop, 1, first.name, [-0.5] * 10)
    tell(workshop, 2, second.name, [-0.5] * 10)  # the same lessons again: the cycle before was abandoned
    tell(workshop, 3, second.name, [-0.5] * 10, start=100)
    tell(workshop, 4, "me:elsewhere", [-1.0] * 50, start=200)
    assert (harm(workshop, first.name).lessons, harm(workshop, second.name).lessons) == (10, 20)


def test_it_steps_back_to_the_nearest_ancestor_that_nothing_is_said_against(
    workshop: Workshop, line: tuple[Version, Version]
) -> None:
    first, second = line
    with served(workshop):
        use(workshop, second.name)
        tell(workshop, 1, first.name, [0.1] * 5)
        tell(workshop, 2, second.name, [-0.6] * 30, start=100)
        why = step_back_from_harm(workshop)
    assert why.startswith(f"{second.name} answered 35 fresh lessons worse than the base")
    assert why.endswith(f"back to {first.name}")
    assert workshop.registry.refs()["latest"] == first.name
    assert workshop.registry.history()[-1].reason in why


def test_without_such_an_ancestor_the_base_serves(workshop: Workshop, line: tuple[Version, Version]) -> None:
    first, second = line
    with served(workshop):
        use(workshop, second.name)
        tell(workshop, 1, first.name, [-0.6] * 40)
        assert step_back_from_harm(workshop).endswith("back to base")
        assert step_back_from_harm(workshop) == ""
    assert workshop.registry.refs()["latest"] == ""


def test_a_version_that_helps_stays(workshop: Workshop, line: tuple[Version, Version]) -> None:
    with served(workshop):
        use(workshop, line[1].name)
        tell(workshop, 1, line[1].name, [0.3, -0.2, 0.1] * 20)
        assert step_back_from_harm(workshop) == ""
    assert workshop.registry.refs()["latest"] == line[1].name


def test_a_damaged_record_is_named(workshop: Workshop, line: tuple[Version, Version]) -> None:
    path = tell(workshop, 1, line[0].name, [0.1])
    path.write_bytes(b"{")
    with pytest.raises(StateError, match=r"prequential\.json is damaged"):
        harm(workshop, line[0].name)


def test_a_planted_regression_is_stepped_back_from_before_anything_grows_on_it(
    workshop: Workshop, tmp_path: Path
) -> None:
    """A real adapter with its update turned round, served by the embedded runner."""
    good = only_version(workshop)
    folder = workshop.registry.checkout(good, tmp_path / "peft")
    weights = rescaled((folder / "adapter_model.safetensors").read_bytes(), -6.0)
    (folder / "adapter_model.safetensors").write_bytes(weights)
    convert(folder, workshop.base.gguf, tmp_path / "bad.gguf")
    put = workshop.registry.objects
    job = ScoreJob(
        base_gguf=str(workshop.base.gguf),
        candidates=(Candidate(name="bad", adapter_gguf=str(tmp_path / "bad.gguf")),),
        threads=1,
        context=512,
    )
    prints = scored(
        workshop, job, tmp_path / "scoring", label="", report=silent, should_stop=never
    ).fingerprints
    bad = replace(
        good,
        name="me:2026-11-27-dead",
        parent=good.name,
        cycle="planted",
        objects=good.objects
        | {
            "adapter.gguf": put.put_file(tmp_path / "bad.gguf"),
            "adapter_model.safetensors": put.put_bytes(weights),
        },
        expected=fingerprint_json(prints[0]),
    )
    workshop.registry.add(bad)
    with served(workshop):
        use(workshop, bad.name)
        record(workshop.home, range(300, 360))
        take_in(workshop)
        closed = advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
    assert (closed.ending, closed.version) == ("abandoned", "")
    assert f"back to {good.name}" in closed.reason
    assert workshop.registry.refs()["latest"] == good.name
