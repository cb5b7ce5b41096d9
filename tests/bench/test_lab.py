from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from laimark_sidecar.bench.lab import Lab

LabMaker = Callable[[Path], Lab]


def test_what_is_replayed_is_never_what_the_governor_watches(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    assert len(lab.core_replay) == lab.settings.core_replay
    assert len(lab.core_watched) == lab.settings.core_watched
    assert not {q.prompt for q in lab.core_replay} & {q.prompt for q in lab.core_watched}
    assert all(q.base is not None for q in (*lab.core_replay, *lab.core_watched, *lab.core_exam))
    assert [q.prompt for q in lab.core_gold] == [q.prompt for q in lab.core_exam]
