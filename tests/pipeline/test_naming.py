from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import add_twin, answer, only_version, opened, served

from laimark_sidecar.errors import DataError, RunnerError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.moving import repair, synchronise
from laimark_sidecar.pipeline.naming import copy, removal, remove
from laimark_sidecar.pipeline.promote import promote, use
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.intent import Intent

QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n```"
TWIN = "me:2026-11-22-fffe"


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


def test_a_copied_name_stays_at_its_version_until_it_is_removed(workshop: Workshop) -> None:
    version = only_version(workshop)
    with served(workshop):
        runner = workshop.runner()
        assert copy(workshop, version.name[-4:], "work") == ("me:work", version.name)
        assert answer(workshop, "me:work", QUESTION) == answer(workshop, version.name, QUESTION)
        promote(workshop, version)
        use(workshop, "base")
        synchronise(workshop, runner)
        assert runner.names()["me:work"] == version.name
        assert checkup(workshop) == ()
        assert copy(workshop, "base", "me:work") == ("me:work", "")
        assert runner.names()["me:work"] == ""
        remove(workshop, removal(workshop, "work"))
        assert "me:work" not in runner.names()
        assert workshop.registry.refs() == {LATEST: "", PREV: version.name}
        assert checkup(workshop) == ()


def test_names_that_the_sidecar_moves_and_names_of_versions_are_not_to_be_had(workshop: Workshop) -> None:
    version = only_version(workshop)
    with pytest.raises(StateError, match="moved by the sidecar"):
        copy(workshop, "base", "latest")
    with pytest.raises(StateError, match="named like a version"):
        copy(workshop, "base", version.name)
    for like_a_version in ("2026-11-22-3f9a", "work.unchecked"):
        with pytest.raises(StateError, match="named like a version"):
            copy(workshop, version.name, like_a_version)
    for bad in ("base", "Work", "a/b", "", "other:work"):
        with pytest.raises(DataError):
            copy(workshop, version.name, bad)
    with pytest.raises(StateError, match="cannot be removed"):
        removal(workshop, "me:latest")
    with pytest.raises(StateError, match="base cannot be removed"):
        removal(workshop, "base")
    with pytest.raises(StateError, match="no version is named"):
        removal(workshop, "nobody")


def test_without_a_runner_nothing_is_named_and_nothing_removed(workshop: Workshop) -> None:
    version = only_version(workshop)
    with pytest.raises(RunnerError):
        copy(workshop, version.name, "work")
    with pytest.raises(RunnerError):
        remove(workshop, removal(workshop, version.name))
    assert workshop.registry.refs() == {LATEST: "", PREV: ""}
    assert workshop.registry.versions() == (version,)
    assert not workshop.registry.intent.pending()


def test_a_version_goes_only_when_nothing_needs_it(workshop: Workshop) -> None:
    version = only_version(workshop)
    twin = add_twin(workshop, version, name=TWIN)
    child = replace(twin, name="me:2026-11-22-fffd", cycle="y", parent=TWIN)
    workshop.registry.add(child)
    with served(workshop):
        with pytest.raises(StateError, match="fffd was made from it"):
            removal(workshop, TWIN)
        remove(workshop, removal(workshop, child.name))
        copy(workshop, TWIN, "work")
        with pytest.raises(StateError, match="me:work points at it"):
            removal(workshop, TWIN)
        remove(workshop, removal(workshop, "me:work"))
        remove(workshop, removal(workshop, TWIN))
        assert TWIN not in workshop.runner().names()
        synchronise(workshop, workshop.runner())
        assert TWIN not in workshop.runner().names()
    assert workshop.registry.names() == (version.name,)


def test_a_version_that_was_served_goes_once_something_else_is_and_prev_steps_further_back(
    workshop: Workshop,
) -> None:
    version = only_version(workshop)
    twin = add_twin(workshop, version, name=TWIN)
    with served(workshop):
        promote(workshop, version)
        with pytest.raises(StateError, match="me:latest points at it") as refused:
            removal(workshop, version.name)
        assert "rollback" in refused.value.hint
        promote(workshop, twin)
        assert workshop.registry.refs() == {LATEST: TWIN, PREV: version.name}
        with pytest.raises(StateError, match="me:prev is moved by the sidecar") as refused:
            removal(workshop, "prev")
        assert "remove the version that it points at" in refused.value.hint
        remove(workshop, removal(workshop, version.name))
        assert workshop.registry.refs() == {LATEST: TWIN, PREV: ""}
        assert workshop.runner().names()["me:prev"] == ""
        assert version.name not in workshop.runner().names()
        assert checkup(workshop) == ()
        use(workshop, "base")
        remove(workshop, removal(workshop, TWIN))
        assert workshop.registry.refs() == {LATEST: "", PREV: ""}
        assert checkup(workshop) == ()
    assert workshop.registry.names() == ()


def test_prev_steps_to_the_parent_of_what_answers(workshop: Workshop) -> None:
    version = only_version(workshop)
    add_twin(workshop, version, name=TWIN)
    child = add_twin(workshop, version, name="me:2026-11-22-fffd", parent=version.name)
    workshop.registry.set_refs({LATEST: child.name, PREV: TWIN}, reason="test")
    with served(workshop):
        synchronise(workshop, workshop.runner())
        remove(workshop, removal(workshop, TWIN))
        assert workshop.registry.refs() == {LATEST: child.name, PREV: version.name}
        assert workshop.runner().names()["me:prev"] == version.name
        assert checkup(workshop) == ()


@pytest.mark.parametrize("refs_moved", [False, True])
def test_an_interrupted_removal_is_finished_or_undone_by_the_refs(
    workshop: Workshop, refs_moved: bool
) -> None:
    version = only_version(workshop)
    with served(workshop):
        copy(workshop, version.name, "work")
        workshop.registry.intent.begin(
            Intent(kind="rm", target="", ref="work", previous_latest="", previous_prev="", created_s=1.0)
        )
        if refs_moved:
            workshop.registry.set_refs({"work": None}, reason="test")
        assert repair(workshop) == f"rm of base: {'completed' if refs_moved else 'undone'}"
        assert ("me:work" in workshop.runner().names()) is not refs_moved
        assert checkup(workshop) == ()
