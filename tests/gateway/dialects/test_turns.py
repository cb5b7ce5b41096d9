"""Messages keep their role, text, calls and digests, and nothing else."""

from __future__ import annotations

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.turns import ROLES, Turn, message, role


@pytest.mark.parametrize("name", ROLES)
def test_every_known_role_is_one_of_the_journals(name: str) -> None:
    assert role(name) in ("system", "user", "assistant", "tool")


def test_unknown_role_is_an_error_that_repeats_nothing_of_the_clients() -> None:
    with pytest.raises(DataError, match=r"a role that is not known$"):
        role("narrator")


def test_message_without_content_is_an_empty_text() -> None:
    assert message(Turn(role="assistant")).content == ""
