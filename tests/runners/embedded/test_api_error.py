from __future__ import annotations

import json

from laimark_sidecar.runners.embedded.api_error import ApiError, unknown_model


def test_body_has_the_shape_of_openai() -> None:
    error = ApiError(400, "wrong", param="stop", code="bad")
    assert json.loads(error.body()) == {
        "error": {"message": "wrong", "type": "invalid_request_error", "param": "stop", "code": "bad"}
    }


def test_unknown_model_lists_what_is_served() -> None:
    error = unknown_model("x" * 1000, ["demo", "me:latest"])
    assert error.status == 404
    assert "demo, me:latest" in str(error)
    assert len(str(error)) < 400
