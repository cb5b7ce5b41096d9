from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.runners.llama_server.settings import RouterSettings, SingleSettings

HERE = {"folder": Path("/home/llama-server"), "base_path": Path("/base.gguf"), "base_name": "demo"}


def test_everything_of_the_server_lies_in_its_folder() -> None:
    settings = RouterSettings(**HERE)  # type: ignore[arg-type]
    single = SingleSettings(**HERE, answering="me:latest")  # type: ignore[arg-type]
    for files in ((settings.preset,), (single.state, single.model)):
        paths = (*files, settings.adapters, settings.log, settings.pid, settings.observed)
        assert {path.parent for path in paths} == {settings.folder}
        assert len(set(paths)) == len(paths)


def test_the_url_of_an_ipv6_address_has_brackets() -> None:
    assert RouterSettings(**HERE).url == "http://127.0.0.1:11440"  # type: ignore[arg-type]
    assert RouterSettings(**HERE, host="::1").url == "http://[::1]:11440"  # type: ignore[arg-type]


def test_threads_are_fewer_than_cores_unless_they_are_named() -> None:
    assert RouterSettings(**HERE).options.threads >= 1  # type: ignore[arg-type]
    assert RouterSettings(**HERE, threads=5).options.threads == 5  # type: ignore[arg-type]


def test_one_name_is_too_few() -> None:
    with pytest.raises(ConfigError, match="2 names at least, got 1"):
        RouterSettings(**HERE, preloaded=1)  # type: ignore[arg-type]
