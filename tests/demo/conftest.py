"""A course of two sessions whose figures can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.demo.courses import course_in, version_of

from laimark_sidecar.demo.scenario import Course
from laimark_sidecar.registry.version import Version


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return course_in(tmp_path)


@pytest.fixture
def version() -> Version:
    return version_of(kl=0.02, core=-0.01)
