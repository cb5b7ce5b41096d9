"""`laimark-sidecar rollback`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.homes import opened, served

from laimark_sidecar.cli import run
from laimark_sidecar.paths import Home


def test_needs_a_home(without_home: Callable[..., None]) -> None:
    without_home("rollback")


def test_one_step_back_to_the_base_and_no_further(
    trained_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = opened(trained_home)
    with served(workshop):
        assert run(["promote"]) == 0
        capsys.readouterr()
        assert run(["rollback"]) == 0
        assert capsys.readouterr().out == "me:latest -> base\n"
        assert workshop.runner().names()["me:latest"] == ""
        assert run(["rollback"]) == 5
        assert capsys.readouterr().err.startswith(
            "error: me:latest is the base already: there is nothing to go back to\n"
        )
    assert [entry.reason for entry in workshop.registry.history()][-1] == "rollback"
