"""What is expected was read in Ollama's source (`envconfig/config.go`), but for addresses that mean every one."""

from __future__ import annotations

import re

import pytest

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.runners.ollama.address import elsewhere, ollama_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:1234", "http://127.0.0.1:1234"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("https://1.2.3.4:4321/", "https://1.2.3.4:4321"),
        (' "1.2.3.4" ', "http://1.2.3.4:11434"),
    ],
)
def test_the_variable_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert ollama_url("", {"OLLAMA_HOST": host}) == url


def test_without_a_variable_it_is_where_ollama_listens_by_itself() -> None:
    assert ollama_url("", {}) == "http://127.0.0.1:11434"


def test_what_is_configured_comes_first() -> None:
    assert ollama_url("http://box:1/", {"OLLAMA_HOST": "1.2.3.4"}) == "http://box:1"


@pytest.mark.parametrize(
    "host", ["box:many", "box:70000", "[::1", "a..b", "a b", f"{'a' * 64}:11434", "http://[::1"]
)
def test_a_host_or_port_that_is_none_is_told(host: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"OLLAMA_HOST is {host!r}")):
        ollama_url("", {"OLLAMA_HOST": host})


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://127.8.9.10:1", True),
        ("http://[::1]:11434", True),
        ("http://localhost:11434", True),
        ("http://192.168.1.5:11434", False),
        ("http://box:11434", False),
        ("http://localhost.example.org", False),
    ],
)
def test_an_ollama_that_may_be_another_machine_is_warned_of(url: str, here: bool) -> None:
    assert (elsewhere(url) == "") is here
