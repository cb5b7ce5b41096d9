from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import opened
from tests.support.open_webui import WebUI, chat, turn

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import source_import
from laimark_sidecar.pipeline.intake import take_in
from laimark_sidecar.pipeline.source_import import import_history
from laimark_sidecar.pipeline.source_list import add
from laimark_sidecar.pipeline.source_list import opened as source_of
from laimark_sidecar.sources.added import Added

T = 1_760_000_000


def filled(path: Path, chats: int) -> Path:
    webui = WebUI(path)
    for number in range(chats):
        webui.put(
            f"c{number}",
            chat(
                turn("1", "", "user", f"Name planet {number}", s=T),
                turn("2", "1", "assistant", "Vulcan", s=T + 1),
                turn("3", "2", "user", f'No, the correct answer is "Planet {number}".', s=T + 2),
                turn("4", "3", "assistant", f"Planet {number}", s=T + 3),
            ),
            updated_s=T + number,
        )
    webui.close()
    return path


def test_a_history_becomes_lessons_and_a_second_import_adds_nothing(ready_home: Home, tmp_path: Path) -> None:
    path = filled(tmp_path / "webui.db", 6)
    workshop = opened(ready_home)
    with workshop.store() as store:
        before = store.stats().items
    add(ready_home, "open-webui", str(path), name="", trusted=False, history=False, clock=SystemClock())
    steps: list[tuple[str, float]] = []
    taken = import_history(workshop, "open-webui", report=lambda *step: steps.append(step))
    assert taken.records == 12
    assert steps[-1] == ("done", 1.0)
    with workshop.store() as store:
        assert store.stats().items == before + 6
        assert store.stats().by_source["open-webui"] == 6
    assert import_history(workshop, "open-webui", report=lambda *step: None).records == 0
    with workshop.store() as store:
        assert store.stats().items == before + 6


def test_a_log_that_was_not_added_has_no_history(ready_home: Home) -> None:
    with pytest.raises(StateError, match="no log was added under the name 'llm'"):
        import_history(opened(ready_home), "llm", report=lambda *step: None)


def test_a_daemon_that_still_reads_the_log_as_it_was_added_cannot_leave_its_history_out(
    ready_home: Home, tmp_path: Path
) -> None:
    path = filled(tmp_path / "webui.db", 6)
    workshop = opened(ready_home)
    old = add(ready_home, "open-webui", str(path), name="", trusted=False, history=False, clock=SystemClock())

    def overtake(text: str, share: float) -> None:
        with workshop.store() as store:
            late = take_in(
                workshop, store, old, source_of(old), wanted=lambda _: True, should_stop=lambda: False
            )
        assert late.records == 0

    assert import_history(workshop, "open-webui", report=overtake).records == 12


def test_a_folder_is_not_counted_to_its_end_for_the_bar(ready_home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "ollama-request-logs-1"
    folder.mkdir()
    (folder / "a_body.json").write_bytes(b"x" * 100)
    (tmp_path / "others.bin").write_bytes(b"x" * 5000)
    added = Added(name="o", kind="ollama-requests", path=str(tmp_path), since_s=0.0)
    assert source_import._size_bytes(added, source_of(added)) == 100
