"""Paths that carry conversations are known by method and path alone."""

from __future__ import annotations

import pytest

from laimark_sidecar.gateway.dialects.table import DIALECTS, dialect_of


@pytest.mark.parametrize("path", DIALECTS)
def test_every_path_is_a_dialects_with_a_query_or_a_slash_behind_it(path: str) -> None:
    for target in (path, path + "/", path + "?beta=true", path + "/?a=/b"):
        assert dialect_of("POST", target) is DIALECTS[path]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/chat/completions"),
        ("OPTIONS", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/api/embed"),
        ("POST", "/api/create"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/?/api/chat"),
        ("POST", ""),
    ],
)
def test_everything_else_is_none(method: str, target: str) -> None:
    assert dialect_of(method, target) is None
