from __future__ import annotations

import pytest

from laimark_sidecar.config.address import host_and_port, is_host, is_loopback, is_url


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "fe80::1%eth0", "localhost", "my_box.lan", "box.example.org.", "bücher.example"],
)
def test_addresses_and_names_are_hosts(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "[::1",
        "[::1]",
        "a..b",
        ".a",
        "a" * 64 + ".org",
        "ü" * 63,
        "a\n",
        "a\0b",
        "a:b",
        "a/b",
        "a@b",
    ],
)
def test_what_no_name_server_could_be_asked_for_is_no_host(host: str) -> None:
    assert not is_host(host)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://127.0.0.1:11434", ("127.0.0.1", 11434)),
        ("http://[::1]:8080", ("::1", 8080)),
        ("http://box", ("box", 80)),
        ("http://box:1/", ("box", 1)),
    ],
)
def test_a_url_leads_to_a_host_and_a_port(url: str, where: tuple[str, int]) -> None:
    assert is_url(url)
    assert host_and_port(url) == where


@pytest.mark.parametrize(
    "url",
    [
        "",
        "box:11434",
        "https://box",
        "http://",
        "http://box:many",
        "http://box:70000",
        "http://[::1",
        "http://a b:1",
        "http://a..b:1",
        f"http://{'a' * 64}:1",
        "http://a\N{FULLWIDTH SOLIDUS}b",
    ],
)
def test_what_leads_nowhere_is_a_value_error(url: str) -> None:
    assert not is_url(url)
    with pytest.raises(ValueError, match=r"."):
        host_and_port(url)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("box", False),
    ],
)
def test_only_loopback_is_reached_from_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own
