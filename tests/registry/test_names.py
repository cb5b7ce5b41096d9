from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.errors import DataError
from laimark_sidecar.registry.names import (
    file_name,
    name_of_file,
    validate_name,
    validate_ref,
    validate_role,
    validate_sha256,
)

HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "me:latest\n",
    "me:",
    ":x",
    "a:b:c",
    "-rf",
    ".hidden",
    "a..b",
    "Me:latest",
    "me:lat\u0435st",  # Cyrillic ie
    "me\uff1alatest",  # full-width colon
    "me:\u202ex",  # right-to-left override
    "\u0661",  # an Arabic digit
    "a" * 41,
    "me@x",
    "con ",
    "~",
    "$HOME",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_refused(name: str) -> None:
    for validate in (validate_name, validate_ref, file_name):
        with pytest.raises(DataError):
            validate(name)


@pytest.mark.parametrize(
    "role", ["", "..", "../x", "a/b", ".netrc", "a\0", "a" * 81, "\u0430dapter"], ids=ascii
)
def test_roles_that_leave_the_folder_are_refused(role: str) -> None:
    with pytest.raises(DataError):
        validate_role(role)


def test_the_message_of_an_endless_name_is_short() -> None:
    with pytest.raises(DataError) as refused:
        validate_name("\u202e" * 100_000)
    assert len(str(refused.value)) < 500


def test_base_is_no_ref() -> None:
    with pytest.raises(DataError, match="base"):
        validate_ref("base")


@pytest.mark.parametrize("sha256", ["", "a" * 63, "A" * 64, "g" * 64, "../" + "a" * 61])
def test_only_hex_is_a_sha256(sha256: str) -> None:
    with pytest.raises(DataError):
        validate_sha256(sha256)


def test_a_version_is_kept_in_a_file_without_a_colon() -> None:
    assert file_name("me:2026-11-22-3f9a") == "me@2026-11-22-3f9a.json"


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}:[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True))
def test_a_file_name_gives_back_its_version(name: str) -> None:
    file = file_name(name)
    assert name_of_file(file) == name
    assert Path(file).name == file


@given(st.text())
def test_no_other_file_stands_for_a_version(file: str) -> None:
    name = name_of_file(file)
    assert name is None or file_name(name) == file
