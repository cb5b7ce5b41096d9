from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import llama_server
from tests.support.rest import chat

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.settings import SingleSettings
from laimark_sidecar.runners.llama_server.single import Single


@pytest.fixture(scope="module")
def settings(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SingleSettings]:
    settings = llama_server.single_settings(tmp_path_factory.mktemp("single"), demo_gguf)
    with llama_server.single_started(settings, {"me:one": adapters[0], "me:two": adapters[1]}):
        yield settings


@llama_server.needs_llama_server
def test_it_tells_its_model_and_its_adapters_by_position(settings: SingleSettings) -> None:
    single = Single(settings.url, timeout_s=10)
    props = single.props()
    assert props.model_path == str(settings.model)
    assert props.role != "router"
    assert props.default_generation_settings.n_ctx == settings.context
    loaded = single.adapters()
    assert [one.id for one in loaded] == [0, 1]
    assert [one.scale for one in loaded] == [0.0, 0.0]
    assert all(len(one.sha256) == 64 for one in loaded)


@llama_server.needs_llama_server
def test_a_position_that_does_not_exist_is_ignored_so_one_must_look_again(settings: SingleSettings) -> None:
    single = Single(settings.url, timeout_s=10)
    base = chat(settings.url, "demo", "hello").json()["choices"][0]["message"]["content"]
    single.apply([(1, 1.0)])
    assert [one.scale for one in single.adapters()] == [0.0, 1.0]
    assert chat(settings.url, "demo", "hello").json()["choices"][0]["message"]["content"] != base
    single.apply([(7, 1.0)])
    assert [one.scale for one in single.adapters()] == [0.0, 0.0]
    assert chat(settings.url, "demo", "hello").json()["choices"][0]["message"]["content"] == base


@llama_server.needs_llama_server
def test_its_load_is_that_of_its_one_slot(settings: SingleSettings) -> None:
    single = Single(settings.url, timeout_s=10)
    before = single.load()
    assert not before.busy
    with llama_server.kept_busy(settings.url, "demo"):
        assert single.load().busy
    assert single.load().decodes > before.decodes


def test_another_program_on_the_port_is_no_llama_server() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, name="other", daemon=True).start()
        single = Single(f"http://127.0.0.1:{other.server_port}", timeout_s=5)
        for ask in (single.props, single.adapters, single.load):
            with pytest.raises(RunnerError, match=r"refused|like llama-server"):
                ask()
        other.shutdown()
