"""An error that a client sees: an HTTP status and OpenAI's error object."""

from __future__ import annotations

from typing import Literal

import msgspec

from laimark_sidecar.errors import RunnerError

Kind = Literal[
    "invalid_request_error", "authentication_error", "permission_error", "not_found_error", "server_error"
]


class ApiError(RunnerError):
    """A refusal with its HTTP status.

    Args:
        status: HTTP status code.
        message: for the person who reads the client's log; never holds prompt text.
        kind: OpenAI's `type`.
        param: the request field at fault, if one is.
        code: stable word for programs.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: Kind = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code

    def body(self) -> bytes:
        """Return the JSON that OpenAI's clients understand."""
        fields = {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": fields})


def unknown_model(name: str, served: list[str]) -> ApiError:
    """Return the 404 for a name that is not served; it lists those that are."""
    return ApiError(
        404,
        f"model {name[:200]!r} is not served here; served names: {', '.join(served)}",
        kind="not_found_error",
        param="model",
        code="model_not_found",
    )
