from __future__ import annotations

import pytest

from laimark_sidecar.gateway.by_name import ByName, Straight
from laimark_sidecar.gateway.observing import Head

ROUTING = ByName(
    upstream="http://ollama", tuned_upstream="http://ours", is_tuned=lambda name: name.startswith("me:")
)


def head(target: str, method: str = "POST") -> Head:
    return Head(headers=(), method=method, target=target)


@pytest.mark.parametrize(
    ("target", "body", "upstream"),
    [
        ("/v1/chat/completions", b'{"model":"me:latest","messages":[]}', "http://ours"),
        ("/v1/chat/completions", b'{"model":"llama3"}', "http://ollama"),
        ("/v1/chat/completions", b'{"model":3}', "http://ollama"),
        ("/v1/chat/completions", b"{", "http://ollama"),
        ("/v1/chat/completions", b"[" * 100_000, "http://ollama"),
        ("/v1/chat/completions", None, "http://ollama"),
    ],
)
def test_tuned_names_go_to_our_server_and_all_else_to_ollama(
    target: str, body: bytes | None, upstream: str
) -> None:
    assert ROUTING.route(head(target), body).upstream == upstream
    assert ROUTING.route(head(target), body).body is None


def test_only_what_may_name_a_tuned_model_is_held_back() -> None:
    assert ROUTING.reads_body(head("/v1/messages"))
    assert not ROUTING.reads_body(head("/api/pull"))
    assert not ROUTING.reads_body(head("/v1/models", "GET"))


def test_one_upstream_gets_everything_unread() -> None:
    straight = Straight("http://one")
    assert not straight.reads_body(head("/v1/messages"))
    assert straight.route(head("/x"), None).upstream == "http://one"


@pytest.mark.parametrize("target", ["/api/chat", "/api/generate?x=1"])
def test_ollamas_own_calls_of_a_tuned_name_are_refused_with_the_way_that_works(target: str) -> None:
    assert ROUTING.reads_body(head(target))
    route = ROUTING.route(head(target), b'{"model":"me:latest"}')
    assert "me:latest is answered by a llama-server" in route.refusal
    assert "/v1/chat/completions" in route.refusal
    assert ROUTING.route(head(target), b'{"model":"llama3"}').refusal == ""
