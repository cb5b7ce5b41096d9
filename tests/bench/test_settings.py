from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from laimark_sidecar.bench.settings import SETTINGS, Settings, held_settings
from laimark_sidecar.errors import DataError, StateError


def test_exams_are_due_every_so_often_and_at_the_end() -> None:
    settings = Settings(base="b", cycles=7, exam_every=3)
    assert [cycle for cycle in range(1, 8) if settings.examines(cycle)] == [3, 6, 7]


@pytest.mark.parametrize("name", ["cycles", "exam_every", "core_watched"])
def test_a_size_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=f"{name} is 0, and must be at least 1"):
        Settings(base="b", **{name: 0})  # type: ignore[arg-type]


def test_a_folder_holds_its_settings_or_none_or_says_that_they_are_damaged(tmp_path: Path) -> None:
    assert held_settings(tmp_path) is None
    settings = Settings(base="b", cycles=5)
    (tmp_path / SETTINGS).write_bytes(msgspec.json.encode(settings))
    assert held_settings(tmp_path) == settings
    (tmp_path / SETTINGS).write_bytes(b"{}")
    with pytest.raises(StateError, match=r"settings\.json is damaged"):
        held_settings(tmp_path)
