from __future__ import annotations

import json

from laimark_sidecar.gateway.refusing import error_body


def test_ollamas_clients_read_a_text() -> None:
    assert json.loads(error_body("/api/chat", "no", kind="k")) == {"error": "no"}


def test_clients_of_the_other_apis_read_an_object() -> None:
    for target in ("/v1/messages", "/completion", "*"):
        error = json.loads(error_body(target, "no", kind="k"))
        assert error["error"] == {"message": "no", "type": "k", "code": "k"}
        assert error["type"] == "error"  # what Anthropic's clients look for
