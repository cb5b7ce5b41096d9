from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.runners.embedded.settings import ServeSettings


def test_default_is_loopback_and_no_administrator(settings: Callable[..., ServeSettings]) -> None:
    made = settings(token="")
    assert made.host == "127.0.0.1"
    assert made.token == ""


@pytest.mark.parametrize("bad", [{"base_name": ""}, {"port": 70000}, {"port": -1}, {"context": 3}])
def test_bad_value_is_refused_where_it_is_made(
    settings: Callable[..., ServeSettings], bad: dict[str, object]
) -> None:
    with pytest.raises(ConfigError):
        settings(**bad)


def test_the_token_is_not_shown() -> None:
    made = ServeSettings(base_path=Path("base.gguf"), base_name="demo", token="s3cret")
    assert "s3cret" not in repr(made)
