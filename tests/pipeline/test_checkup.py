from __future__ import annotations

import socket
import threading
from dataclasses import replace
from urllib.parse import urlsplit

from tests.support.answering import answering
from tests.support.homes import only_version, opened, reconfigure, served

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.following import LATEST, PREV


def places(home: Home) -> list[str]:
    return [problem.where for problem in checkup(opened(home)) if problem.severity == "error"]


def test_sound_home_has_no_problem_and_a_runner_that_is_off_is_none(trained_home: Home) -> None:
    assert checkup(opened(trained_home)) == ()


def test_flipped_bit_in_an_object_is_found(trained_home: Home) -> None:
    workshop = opened(trained_home)
    digest = only_version(workshop).objects["adapter.gguf"]
    path = workshop.registry.objects.path(digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert digest in places(trained_home)


def test_damaged_buffer_is_found_and_the_rest_is_looked_at_still(trained_home: Home) -> None:
    (cycle,) = cycles(trained_home.cycles)
    (cycle.root / "verdict.json").write_bytes(b"{")
    for file in trained_home.root.glob("replay.db*"):
        file.unlink()
    trained_home.replay.write_bytes(b"not a database at all" * 100)
    assert places(trained_home) == ["replay buffer", f"cycle {cycle.id}"]


def test_runner_that_serves_something_else_under_our_name_is_found(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with served(workshop):
        assert places(trained_home) == []
        workshop.runner().point("me:latest", version.name)
        assert places(trained_home) == ["me:latest"]
        workshop.registry.set_refs({LATEST: version.name}, reason="test")
        assert places(trained_home) == []


def test_a_name_that_the_runner_has_not_is_not_said_to_be_the_base(trained_home: Home) -> None:
    workshop = opened(trained_home)
    workshop.registry.set_refs({LATEST: only_version(workshop).name, "work": ""}, reason="test")
    with served(workshop):
        workshop.registry.set_refs({"work": only_version(workshop).name}, reason="test")
        workshop.runner().withdraw("me:work")
        workshop.runner().point("me:latest", "")
        found = {problem.where: problem.message for problem in checkup(workshop)}
    version = only_version(workshop).name
    assert found == {
        "me:latest": f"the registry says {version}, the runner serves base",
        "me:work": f"the registry says {version}, the runner has no such name",
    }


def test_runner_on_another_base_is_found(trained_home: Home) -> None:
    workshop = opened(trained_home)
    with served(workshop):
        other = trained_home.root / "other.gguf"
        other.write_bytes(workshop.base.gguf.read_bytes() + b"\0" * 32)
        reconfigure(trained_home, "base", gguf=str(other))
        assert places(trained_home) == ["runner"]


def test_runner_that_answers_nonsense_is_an_error_and_one_that_is_silent_a_warning(
    trained_home: Home,
) -> None:
    with answering(200, b"{}") as url:
        reconfigure(trained_home, "runner", port=urlsplit(url).port or 0)
        (wrong,) = checkup(opened(trained_home))
    assert (wrong.severity, wrong.where) == ("error", "runner")
    assert "does not answer like an embedded runner" in wrong.message
    with socket.create_server(("127.0.0.1", 0)) as busy:
        reconfigure(trained_home, "runner", port=busy.getsockname()[1])

        def hang_up() -> None:
            busy.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up, name="hanging up")
        hanging_up.start()
        (silent,) = checkup(opened(trained_home))
        hanging_up.join()
    assert (silent.severity, silent.where) == ("warning", "runner")
    assert "does not answer" in silent.message


def test_ref_to_a_version_of_another_base_is_an_error(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    other = replace(version, name="me:2026-11-22-fff1", base=replace(version.base, sha256="f" * 64))
    workshop.registry.add(other)
    workshop.registry.set_refs({LATEST: other.name, PREV: version.name}, reason="test")
    (problem,) = checkup(workshop)
    assert (problem.severity, problem.where) == ("error", LATEST)
    assert f"{other.name}, made for base ffffffffffff" in problem.message
    assert "restore the base file" in problem.hint
