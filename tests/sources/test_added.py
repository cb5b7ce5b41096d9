from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.sources.added import Added, find, read_added, with_history, write_added

ONE = Added(name="work", kind="llm", path="/logs", since_s=5.0, trusted=True)


def test_the_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "sources.json"
    assert read_added(path) == ()
    write_added(path, (ONE,))
    assert read_added(path) == (ONE,)


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
