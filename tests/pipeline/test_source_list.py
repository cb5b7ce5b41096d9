from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import opened as opened_home
from tests.support.open_webui import WebUI

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import source_list
from laimark_sidecar.pipeline.source_list import add, kinds, opened, remove, trusted
from laimark_sidecar.sources.added import Added, read_added


@pytest.fixture
def webui(tmp_path: Path) -> Path:
    WebUI(tmp_path / "webui.db").close()
    return tmp_path / "webui.db"


def put(
    home: Home, path: Path | str, *, name: str = "", trusted: bool = False, history: bool = False
) -> Added:
    return add(
        home, "open-webui", str(path), name=name, trusted=trusted, history=history, clock=SystemClock()
    )


def test_every_source_that_ships_can_be_added_but_our_own_journal() -> None:
    databases = {"llm", "ollama-desktop", "open-webui"}
    files = {"continue", "lm-studio", "ollama-requests", "openai-jsonl", "sillytavern"}
    assert databases | files <= set(kinds())
    assert "journal" not in kinds()


def test_a_log_that_was_added_is_read_by_its_kind(tmp_path: Path, webui: Path) -> None:
    home = Home(root=tmp_path / "home")
    one = put(home, webui)
    assert read_added(home.sources) == (one,)
    assert (one.name, one.kind, one.path) == ("open-webui", "open-webui", str(webui))
    assert opened(one).name == "open-webui"


def test_only_the_future_is_wanted_unless_the_history_is(tmp_path: Path, webui: Path) -> None:
    home = Home(root=tmp_path / "home")
    before_s = SystemClock().now_s()
    assert put(home, webui).since_s >= before_s
    assert put(home, webui, name="all", history=True).since_s == 0.0


def test_a_log_is_trusted_only_where_the_user_says_so(tmp_path: Path, webui: Path) -> None:
    home = Home(root=tmp_path / "home")
    put(home, webui)
    assert trusted(home) == ("embedded", "gateway")
    put(home, webui, name="mine", trusted=True)
    assert trusted(home) == ("embedded", "gateway", "open-webui")


def test_what_is_no_such_log_is_not_added(tmp_path: Path, webui: Path) -> None:
    home = Home(root=tmp_path / "home")
    webui.write_bytes(b"something else" * 100)
    with pytest.raises(StateError, match="cannot be read as Open WebUI's database"):
        put(home, webui)
    with pytest.raises(ConfigError, match="is not there"):
        put(home, tmp_path / "nowhere.db")
    with pytest.raises(ConfigError, match="'gossip' is no kind of log"):
        add(home, "gossip", str(webui), name="", trusted=False, history=False, clock=SystemClock())
    assert read_added(home.sources) == ()


def test_a_name_is_taken_once(tmp_path: Path, webui: Path) -> None:
    home = Home(root=tmp_path / "home")
    put(home, webui)
    with pytest.raises(StateError, match="open-webui is added already"):
        put(home, webui)


def test_without_a_path_the_usual_places_are_looked_at(
    tmp_path: Path, webui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(root=tmp_path / "home")
    monkeypatch.setenv("DATA_DIR", str(webui.parent))
    assert put(home, "").path == str(webui.parent)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"no log of llm was found \(looked at"):
        add(home, "llm", "", name="", trusted=False, history=False, clock=SystemClock())


def test_a_log_that_is_removed_is_read_from_its_beginning_when_it_is_added_again(
    ready_home: Home, webui: Path
) -> None:
    workshop = opened_home(ready_home)
    put(ready_home, webui)
    with workshop.store() as store:
        store.move_cursor("source:open-webui", b"far")
        store.move_cursor("source:open-webui:history", b"far")
    remove(workshop, "open-webui")
    assert read_added(ready_home.sources) == ()
    with workshop.store() as store:
        assert store.cursor("source:open-webui") is None
        assert store.cursor("source:open-webui:history") is None


def test_usual_places_are_told_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_USER_PATH", "/logs")
    assert source_list.usually("llm") == (Path("/logs"),)
