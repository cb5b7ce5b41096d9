from __future__ import annotations

import pytest

from laimark_sidecar.runners.ollama.marker import (
    OF_THE_BASE,
    UNCHECKED,
    Marker,
    Name,
    canonical,
    is_ours,
    parse,
    render,
)

VERSION = "me:2026-11-22-3f9a"
MARKER = Marker(version=VERSION, adapter_sha256="0f" * 32)


@pytest.mark.parametrize("marker", [MARKER, OF_THE_BASE])
def test_marker_reads_back_behind_the_licences_of_the_base(marker: Marker) -> None:
    assert parse(f"LLAMA LICENCE\nlaimark-sidecar is not named here\n{render(marker)}\n") == marker
    assert parse("LLAMA LICENCE") is None
    assert parse("") is None


def test_last_marker_counts() -> None:
    other = Marker(version="me:other", adapter_sha256="")
    assert parse(f"{render(other)}\n{render(MARKER)}") == MARKER


@pytest.mark.parametrize(
    ("name", "same"),
    [("me", "me:latest"), ("Me:V1", "me:v1"), ("host:5000/me", "host:5000/me:latest"), ("a/b:c", "a/b:c")],
)
def test_names_are_compared_as_ollama_does(name: str, same: str) -> None:
    assert canonical(name) == same


def test_a_marker_alone_does_not_make_a_name_ours() -> None:
    version, copied, built = (Name(digest=digest, marker=MARKER) for digest in ("d1", "d1", "d2"))
    names = {
        VERSION: version,
        VERSION + UNCHECKED: built,
        "copy:latest": copied,
        "pirate:latest": built,
        "me:latest": built,
        "llama:latest": Name(digest="d3", marker=None),
        "lonely:latest": Name(digest="d4", marker=OF_THE_BASE),
    }
    ours = {name for name in names if is_ours(name, names, {"me:latest", "llama:latest"})}
    assert ours == {VERSION, VERSION + UNCHECKED, "copy:latest", "me:latest"}
    assert not is_ours("absent:latest", names, set())
