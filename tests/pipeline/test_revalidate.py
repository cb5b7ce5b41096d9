from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import only_version, opened, silent

from laimark_sidecar.errors import BaseChangedError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.revalidate import revalidate


def test_same_data_give_the_same_figures_and_nothing_changes(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    before = set(trained_home.root.rglob("*"))
    verdict = revalidate(workshop, version, report=silent)
    assert verdict.accepted
    assert verdict.metrics["gain"] == pytest.approx(version.metrics["gain"], abs=1e-6)
    assert {path for path in trained_home.root.rglob("*") if "replay.db-" not in path.name} <= before


def test_version_of_another_base_is_refused(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with pytest.raises(BaseChangedError):
        revalidate(workshop, replace(version, base=replace(version.base, sha256="f" * 64)), report=silent)
