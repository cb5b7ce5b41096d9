from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.registry import documents
from laimark_sidecar.registry.intent import Intent

INTENT = Intent(kind="use", target="me:a", previous_latest="", previous_prev="", created_s=1.5)


def read(path: Path) -> Intent:
    return documents.read(path, Intent, newest=1)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_bytes(documents.encode(INTENT))
    assert read(path) == INTENT


def test_every_truncation_is_refused_with_the_file_named(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    content = documents.encode(INTENT)
    for length in range(len(content) - 2):
        path.write_bytes(content[:length])
        with pytest.raises(StateError, match=r"d\.json is damaged"):
            read(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"null", b"[]", b"{}", b'{"format": 1}', b"[" * 100_000])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match="damaged"):
        read(path)


def test_a_newer_format_says_to_upgrade_whatever_its_fields_are(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"format": 2, "kind": ["something", "new"]}))
    with pytest.raises(StateError, match="format 2") as refused:
        read(path)
    assert "upgrade" in refused.value.hint


def test_a_missing_file_is_a_state_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        read(tmp_path / "d.json")
