"""Clients have short names that outlive their updates."""

from __future__ import annotations

import pytest

from laimark_sidecar.gateway.clients import client_of
from laimark_sidecar.gateway.observing import Head


def named(user_agent: str = "", **headers: str) -> str:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return client_of(Head(headers=(("user-agent", user_agent), *pairs)))


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("curl/8.5.0", "curl"),
        ("OpenAI/Python 2.1.0", "openai-python"),
        ("AsyncOpenAI/Python 2.1.0", "openai-python"),
        ("OpenAI/JS 4.1", "openai-js"),
        ("Anthropic/Python 0.60.0", "anthropic-python"),
        ("AsyncAnthropic/Python 0.60.0", "anthropic-python"),
        ("ollama-python/0.5.1 (x86_64 linux) Python/3.12.3", "ollama-python"),
        ("ollama/0.5.1 (amd64 linux) Go/go1.24", "ollama"),
        ("Python/3.12 aiohttp/3.11.11", "aiohttp"),
        ("python-requests/2.32", "python-requests"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "mozilla"),
        ("Go-http-client/1.1", "go-http-client"),
        ("", ""),
        (" / () ", ""),
    ],
)
def test_user_agents_give_a_name_without_a_version(user_agent: str, name: str) -> None:
    assert named(user_agent) == name


def test_client_that_names_itself_is_called_so() -> None:
    assert named("curl/8.5.0", x_laimark_client=" My Editor ") == "my-editor"


def test_open_webui_is_known_by_its_own_headers() -> None:
    assert named("Python/3.12 aiohttp/3.11", x_openwebui_user_name="me") == "open-webui"


def test_name_is_short_and_plain_whatever_is_sent() -> None:
    assert named("x" * 100_000) == "x" * 100
    assert named("\x00\u2028evil\ud800/1") == "evil"
