from __future__ import annotations

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.registry.resolve import resolve_name

NAMES = ("me:2026-11-23-0001", "me:2026-11-22-3f9a", "me:2026-11-22-77aa", "work:2026-11-01-9999")
REFS = {"latest": "me:2026-11-23-0001", "prev": "me:2026-11-22-3f9a", "trial": ""}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("base", ""),
        ("latest", "me:2026-11-23-0001"),
        ("me:latest", "me:2026-11-23-0001"),
        ("me:prev", "me:2026-11-22-3f9a"),
        ("trial", ""),
        ("me:trial", ""),
        ("me:2026-11-22-3f9a", "me:2026-11-22-3f9a"),
        ("me:2026-11-22-3", "me:2026-11-22-3f9a"),
        ("2026-11-23", "me:2026-11-23-0001"),
        ("77aa", "me:2026-11-22-77aa"),
        ("work", "work:2026-11-01-9999"),
    ],
)
def test_what_a_user_types_means_one_version(text: str, name: str) -> None:
    assert resolve_name(text, names=NAMES, refs=REFS) == name


def test_an_ambiguous_beginning_lists_what_it_could_be() -> None:
    with pytest.raises(StateError, match=r"could be any of me:2026-11-22-3f9a, me:2026-11-22-77aa"):
        resolve_name("2026-11-22", names=NAMES, refs=REFS)


def test_a_typing_error_is_answered_with_the_nearest() -> None:
    with pytest.raises(StateError, match="nearest: me:2026-11-22-3f9a"):
        resolve_name("me:2026-11-22-3f9b", names=NAMES, refs=REFS)


@pytest.mark.parametrize("text", ["", "zzz", "work:latest", "..", "x" * 10_000])
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(StateError, match="nearest") as refused:
        resolve_name(text, names=NAMES, refs=REFS)
    assert len(str(refused.value)) < 500


def test_an_empty_registry_still_knows_the_base() -> None:
    with pytest.raises(StateError, match="nearest: base"):
        resolve_name("me", names=(), refs={"latest": ""})
