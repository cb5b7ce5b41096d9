from __future__ import annotations

import pytest

from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.names import NameTable


@pytest.fixture
def table() -> NameTable:
    table = NameTable("demo")
    table.add_version("me:1")
    table.add_version("me:2")
    table.point("me:latest", "me:1")
    return table


def test_every_name_is_listed_with_its_version_base_first(table: NameTable) -> None:
    assert list(table.names().items()) == [
        ("demo", ""),
        ("me:1", "me:1"),
        ("me:2", "me:2"),
        ("me:latest", "me:1"),
    ]


def test_moving_name_moves_and_may_point_at_the_base(table: NameTable) -> None:
    table.point("me:latest", "me:2")
    assert table.resolve("me:latest") == "me:2"
    table.point("me:latest", "")
    assert table.resolve("me:latest") == ""


def test_unknown_name_is_404_with_the_served_names(table: NameTable) -> None:
    with pytest.raises(ApiError, match="served names: demo, me:1, me:2, me:latest") as caught:
        table.resolve("llama3")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("name", "version", "status"),
    [
        ("demo", "me:1", 409),
        ("me:1", "me:2", 409),
        ("me:new", "me:9", 404),
        ("", "me:1", 400),
        ("a b", "me:1", 400),
    ],
)
def test_only_moving_names_move_and_only_to_known_versions(
    table: NameTable, name: str, version: str, status: int
) -> None:
    before = table.names()
    with pytest.raises(ApiError) as caught:
        table.point(name, version)
    assert caught.value.status == status
    assert table.names() == before


@pytest.mark.parametrize(
    ("version", "status"), [("demo", 409), ("me:latest", 409), ("../x", 400), ("x" * 200, 400)]
)
def test_version_cannot_take_a_name_that_is_something_else(
    table: NameTable, version: str, status: int
) -> None:
    with pytest.raises(ApiError) as caught:
        table.add_version(version)
    assert caught.value.status == status


def test_version_that_a_name_points_at_cannot_be_removed(table: NameTable) -> None:
    with pytest.raises(ApiError, match="still answers for me:latest"):
        table.remove_version("me:1")
    table.unpoint("me:latest")
    assert table.remove_version("me:1")
    assert not table.remove_version("me:1")


def test_base_cannot_be_withdrawn(table: NameTable) -> None:
    for forbidden in (table.remove_version, table.unpoint):
        with pytest.raises(ApiError):
            forbidden("demo")


def test_dropping_an_unknown_moving_name_is_fine(table: NameTable) -> None:
    table.unpoint("nobody")
