from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.sources.added import Added, change_added, find, read_added, with_history

ONE = Added(name="work", kind="llm", path="/logs", since_s=5.0, trusted=True)


def test_the_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "sources.json"
    assert read_added(path) == ()
    change_added(path, lambda _: (ONE,))
    assert read_added(path) == (ONE,)


def test_two_that_change_the_list_at_once_lose_neither_s_log(tmp_path: Path) -> None:
    path = tmp_path / "sources.json"

    def put(number: int) -> None:
        change_added(path, lambda held: (*held, replace(ONE, name=str(number))))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(12)))
    assert {one.name for one in read_added(path)} == {str(number) for number in range(12)}


def test_a_history_that_is_wanted_after_all_has_a_cursor_of_its_own() -> None:
    assert ONE.cursor == "source:work"
    assert replace(ONE, since_s=0.0).cursor == "source:work:history"


def test_a_name_that_was_not_added_is_told_with_those_that_were() -> None:
    assert find((ONE,), "work") is ONE
    with pytest.raises(StateError, match=r"'home' \(there are: work\)"):
        find((ONE,), "home")


def test_history_is_wanted_of_one_log_alone() -> None:
    other = Added(name="other", kind="llm", path="/x", since_s=7.0)
    assert [one.since_s for one in with_history((ONE, other), "work")] == [0.0, 7.0]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"version":1,"sources":[{}]}', b'{"version":2,"sources":[]}']
)
def test_what_cannot_be_read_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sources.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"sources\.json"):
        read_added(path)
