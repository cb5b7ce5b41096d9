from __future__ import annotations

import socket

import pytest

from laimark_sidecar.gateway.hosts import host_name, is_allowed, is_own_origin


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("LocalHost:11436", "localhost"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("a.b", "a.b"),
        ("", ""),
    ],
)
def test_the_name_is_what_stands_before_the_port(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize(
    "header",
    [
        "",
        "localhost",
        "localhost:11434",
        "localhost.",
        "app.localhost",
        "box.local:1",
        "host.docker.internal:11434",
        "127.0.0.1:11434",
        "192.168.1.7",
        "[::1]:11434",
        "[fe80::1%eth0]:1",
        socket.gethostname(),
    ],
)
def test_names_of_this_machine_are_allowed(header: str) -> None:
    assert is_allowed(header)


@pytest.mark.parametrize(
    "header",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "local",
        "internal.evil.example:80",
        "@localhost",
    ],
)
def test_other_names_are_not(header: str) -> None:
    assert not is_allowed(header)
    assert is_allowed(header, {host_name(header)})


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("", True),
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://", False),
        ("file://localhost", False),
        ("http://app.localhost:1", True),
        ("http://[::1]:3000", True),
        ("http://192.168.1.7", False),
        ("http://box.local", False),
        ("http://host.internal", False),
        ("chrome-extension://abc", False),
    ],
)
def test_only_pages_of_this_machine_are_its_own(origin: str, own: bool) -> None:
    assert is_own_origin(origin) is own
