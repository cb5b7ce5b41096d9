from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import answer, damage, only_version, opened, served

from laimark_sidecar.errors import BaseChangedError, LockedError, RunnerError, StateError
from laimark_sidecar.files import exclusive
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import moving as module
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.moving import repair
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.intent import Intent

QUESTION = "Complete the code:\n```python\ndef amber_basalt(cedar):\n```"
TWIN, THIRD = "me:2026-11-22-fffe", "me:2026-11-22-ffff"


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


def test_without_a_runner_nothing_changes_and_nothing_blocks(workshop: Workshop) -> None:
    with pytest.raises(RunnerError, match="does not answer") as caught:
        promote(workshop, only_version(workshop))
    assert "serve" in caught.value.hint
    assert workshop.registry.refs() == {LATEST: "", PREV: ""}
    assert workshop.registry.intent.current() is None
    with served(workshop):
        promote(workshop, only_version(workshop))


def test_damaged_adapter_is_refused_and_the_old_version_answers_on(workshop: Workshop) -> None:
    version = only_version(workshop)
    with served(workshop):
        runner = workshop.runner()
        promote(workshop, version)
        before = answer(workshop, "me:latest", QUESTION)
        other = workshop.registry.objects.put_bytes(b"not an adapter")
        broken = replace(version, name=TWIN, cycle="x", objects={**version.objects, "adapter.gguf": other})
        workshop.registry.add(broken)
        damage(workshop, broken)
        with pytest.raises(StateError, match=r"fffe: its adapter\.gguf is damaged"):
            promote(workshop, broken)
        assert answer(workshop, "me:latest", QUESTION) == before
        assert TWIN not in runner.names()
    assert workshop.registry.refs()[LATEST] == version.name
    assert workshop.registry.intent.current() is None


def test_version_that_answers_otherwise_than_validated_is_not_switched_to(workshop: Workshop) -> None:
    version = only_version(workshop)
    text = version.expected
    top = text.index('"top":[[')
    wrong = replace(version, name=TWIN, cycle="x", expected=text[:top] + text[top:].replace(",-", ",-9"))
    workshop.registry.add(wrong)
    with served(workshop):
        with pytest.raises(RunnerError, match="does not answer as"):
            promote(workshop, wrong)
        assert workshop.runner().names()["me:latest"] == ""
    assert workshop.registry.refs()[LATEST] == ""
    assert workshop.registry.intent.current() is None


def test_version_of_another_base_is_refused_with_both_digests(workshop: Workshop) -> None:
    version = only_version(workshop)
    foreign = replace(version, name=TWIN, cycle="x", base=replace(version.base, sha256="f" * 64))
    workshop.registry.add(foreign)
    with served(workshop), pytest.raises(BaseChangedError, match="f" * 12) as caught:
        promote(workshop, foreign)
    assert version.base.sha256[:12] in str(caught.value)
    assert workshop.registry.intent.current() is None


@pytest.mark.parametrize("refs_moved", [False, True])
def test_interrupted_promotion_is_finished_or_undone_by_the_refs(
    workshop: Workshop, refs_moved: bool
) -> None:
    version = only_version(workshop)
    intent = Intent(kind="promote", target=version.name, previous_latest="", previous_prev="", created_s=1.0)
    workshop.registry.intent.begin(intent)
    if refs_moved:
        workshop.registry.set_refs({LATEST: version.name}, reason="test")
    with pytest.raises(RunnerError):
        repair(workshop)
    assert workshop.registry.intent.current() == intent
    with served(workshop):
        workshop.runner().point("me:latest", "" if refs_moved else version.name)
        assert repair(workshop) == f"promote of {version.name}: {'completed' if refs_moved else 'undone'}"
        assert workshop.runner().names()["me:latest"] == (version.name if refs_moved else "")
        assert repair(workshop) == ""
        assert checkup(workshop) == ()


@pytest.mark.parametrize("refs_moved", [False, True])
def test_damaged_intent_is_set_aside_and_the_refs_decide(
    workshop: Workshop, refs_moved: bool, caplog: pytest.LogCaptureFixture
) -> None:
    version = only_version(workshop)
    workshop.registry.intent.path.write_bytes(b'{"kind": "pro')
    workshop.registry.intent.path.chmod(0o600)
    if refs_moved:
        workshop.registry.set_refs({LATEST: version.name}, reason="test")
    latest = version.name if refs_moved else ""
    with pytest.raises(RunnerError):
        repair(workshop)
    assert workshop.registry.intent.pending()  # nothing is settled before the runner follows
    with served(workshop):
        workshop.runner().point("me:latest", "" if refs_moved else version.name)
        assert "me:latest stays at " + (latest or "base") in repair(workshop)
        assert workshop.runner().names()["me:latest"] == latest
        assert repair(workshop) == ""
        (problem,) = checkup(workshop)
    assert workshop.registry.refs()[LATEST] == latest
    assert "intent.json is damaged" in caplog.text
    assert (problem.severity, problem.where[:20]) == ("warning", "intent.json.damaged-")
    assert (workshop.registry.folder / problem.where).read_bytes() == b'{"kind": "pro'


def test_damaged_intent_blocks_no_move(workshop: Workshop) -> None:
    version = only_version(workshop)
    workshop.registry.intent.path.write_bytes(b"")
    with served(workshop):
        promote(workshop, version)
        assert workshop.runner().names()["me:latest"] == version.name
    assert not workshop.registry.intent.pending()


def test_promoting_what_is_latest_already_settles_a_left_over_intent(workshop: Workshop) -> None:
    version = only_version(workshop)
    workshop.registry.set_refs({LATEST: version.name}, reason="test")
    workshop.registry.intent.begin(
        Intent(kind="promote", target=version.name, previous_latest="", previous_prev="", created_s=1.0)
    )
    with served(workshop):
        promote(workshop, version)
    assert workshop.registry.intent.current() is None


def test_two_movers_wait_for_each_other_and_say_who_is_moving(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.1)
    with (
        exclusive(workshop.home.control / "move.lock", "somebody (pid 1)"),
        pytest.raises(LockedError, match="in use by somebody"),
    ):
        promote(workshop, only_version(workshop))
