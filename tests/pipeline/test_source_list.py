from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import opened as opened_home
from tests.support.open_webui import WebUI, chat, turn

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
    home: Home,
    path: Path | str,
    *,
    name: str = "",
    trusted: bool = False,
    history: bool = False,
    user: str = "",
) -> Added:
    return add(
        home,
        "open-webui",
        str(path),
        name=name,
        trusted=trusted,
        history=history,
        user=user,
        clock=SystemClock(),
    )


def chats_of(path: Path, *people: str) -> None:
    webui = WebUI(path, tables=())
    for number, person in enumerate(people):
        webui.put(f"c{number}", chat(turn("1", "", "user", "Hi", s=1.0)), updated_s=1, user=person)
    webui.close()


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
    chats_of(webui, "me")
    put(home, webui)
    assert trusted(home) == ("embedded", "gateway")
    put(home, webui, name="mine", trusted=True)
    assert trusted(home) == ("embedded", "gateway", "mine")


@pytest.mark.parametrize("name", ["gateway", "embedded", "journal", "Gateway"])
def test_no_log_takes_the_name_of_what_we_record_ourselves(tmp_path: Path, webui: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no log may be called"):
        put(Home(root=tmp_path / "home"), webui, name=name)
    assert name not in kinds()


def test_of_several_people_it_must_be_said_who_is_trusted(tmp_path: Path, webui: Path) -> None:
    home = Home(root=tmp_path / "home")
    with pytest.raises(ConfigError, match="--trust needs --user") as empty:
        put(home, webui, trusted=True)
    assert "say something in it first" in (empty.value.hint or "")
    chats_of(webui, "me")
    assert put(home, webui, name="alone", trusted=True).user == "me"
    chats_of(webui, "me", "mallory")
    with pytest.raises(ConfigError, match="--trust needs --user") as shared:
        put(home, webui, name="shared", trusted=True)
    assert shared.value.hint == "there are: mallory, me"
    assert put(home, webui, name="shared", trusted=True, user="me").user == "me"
    assert put(home, webui, name="everybody").user == ""
    with pytest.raises(ConfigError, match="nobody with the id 'you'"):
        put(home, webui, name="wrong", user="you")


def test_a_log_that_tells_nobody_apart_has_no_users(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    with pytest.raises(ConfigError, match="does not tell people apart"):
        add(
            Home(root=tmp_path / "home"),
            "openai-jsonl",
            str(tmp_path / "a.jsonl"),
            name="",
            trusted=False,
            history=False,
            user="me",
            clock=SystemClock(),
        )


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


def test_a_file_without_a_line_of_its_kind_is_not_added_and_an_empty_one_is(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    log = tmp_path / "log.jsonl"

    def put_lines() -> None:
        add(home, "openai-jsonl", str(log), name="", trusted=False, history=False, clock=SystemClock())

    log.write_text("Dear diary,\ntoday I wrote no JSON.\n", encoding="utf-8")
    with pytest.raises(StateError, match=r"log\.jsonl is no log of openai-jsonl: log\.jsonl:0: "):
        put_lines()
    assert read_added(home.sources) == ()
    log.write_text("", encoding="utf-8")
    put_lines()
    assert [one.name for one in read_added(home.sources)] == ["openai-jsonl"]


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
