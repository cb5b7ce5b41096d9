"""What the wheel check notices."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from scripts.check_wheel import NEEDED, problems

PYPROJECT = """
[project]
name = "x"
[project.scripts]
laimark-sidecar = "laimark_sidecar.cli:main"
[project.entry-points."laimark_sidecar.sources"]
journal = "laimark_sidecar.sources.journal:JournalSource"
"""
ENTRY_POINTS = """\
[console_scripts]
laimark-sidecar = laimark_sidecar.cli:main

[laimark_sidecar.sources]
journal = laimark_sidecar.sources.journal:JournalSource
"""


def wheel(folder: Path, *, without: str = "", entry_points: str = ENTRY_POINTS) -> Path:
    path = folder / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*NEEDED, "x-1.dist-info/licenses/LICENSE"):
            if name != without:
                archive.writestr(name, "")
        archive.writestr("x-1.dist-info/entry_points.txt", entry_points)
    return path


def test_a_whole_wheel_has_no_problem(tmp_path: Path) -> None:
    assert problems(wheel(tmp_path), PYPROJECT) == []


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    assert problems(wheel(tmp_path, without=name), PYPROJECT) == [f"missing file: {name}"]


def test_a_missing_licence_is_named(tmp_path: Path) -> None:
    found = problems(wheel(tmp_path, without="x-1.dist-info/licenses/LICENSE"), PYPROJECT)
    assert found == ["missing file: LICENSE"]


def test_a_missing_entry_point_is_named(tmp_path: Path) -> None:
    found = problems(wheel(tmp_path, entry_points=ENTRY_POINTS.partition("\n\n")[0]), PYPROJECT)
    assert found == [
        "missing entry point: laimark_sidecar.sources: journal = laimark_sidecar.sources.journal:JournalSource"
    ]
