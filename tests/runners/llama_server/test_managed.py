from __future__ import annotations

from pathlib import Path

from tests.support import llama_server
from tests.support.rest import chat

from laimark_sidecar.files import sha256_file
from laimark_sidecar.runners.llama_server.managed import single_server
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.single import Single
from laimark_sidecar.runners.llama_server.single_names import NamesFile


@llama_server.needs_llama_server
def test_what_the_registry_points_at_answers_from_the_first_request_on(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    settings = llama_server.single_settings(tmp_path / "s", demo_gguf)
    versions = {"me:one": adapters[0], "me:two": adapters[1]}
    two = sha256_file(adapters[1])
    seeded = llama_server.sections(settings, versions) | {
        Section(name="me:latest", kind="moving", version="me:two", sha256=two): adapters[1]
    }
    server = single_server(settings, environment=llama_server.environment())
    server.start(prepare=lambda: NamesFile(settings).seed(seeded))
    try:
        assert {one.sha256: one.scale for one in Single(settings.url, timeout_s=10).adapters()} == {
            two: 1.0,
            sha256_file(adapters[0]): 0.0,
        }
        assert server.wanted()
        assert server.started_with("--no-cache-prompt")
        assert not server.started_with("--models-preset")
        assert llama_server.single_runner(settings).names()["me:latest"] == "me:two"
        assert chat(settings.url, "me:latest", "hello").status == 200
    finally:
        server.stop()
    assert not server.wanted()
    assert not server.started_with("--no-cache-prompt")
