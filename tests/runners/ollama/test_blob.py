from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.runners.ollama.conftest import BASE, Starter, runner_at
from tests.support.ollama import install

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.runners.ollama.blob import base_blob, servable_blob

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Lose root's right to read everything, for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of another kind")
def test_file_that_may_not_be_read_names_the_group(start: Starter) -> None:
    server = start()
    runner = runner_at(server)
    path = runner.served().path
    path.chmod(0)
    with unprivileged():
        for ask in (runner.base, runner.served):
            with pytest.raises(RunnerError, match="may not be read") as caught:
                ask()
            assert "usermod -aG ollama" in caught.value.hint


def test_file_on_another_machine_and_no_file_at_all_are_told() -> None:
    with pytest.raises(RunnerError, match="No such file") as caught:
        base_blob("FROM /usr/share/ollama/.ollama/models/blobs/sha256-aa\n")
    assert "another machine" in caught.value.hint
    for path in ("/a\0b", f"/{'a' * 5000}"):
        with pytest.raises(RunnerError, match="cannot be read"):
            base_blob(f"FROM {path}\n")
    for cloud in ("# a cloud model\nTEMPLATE x\n", "FROM gpt-oss:120b-cloud\n"):
        with pytest.raises(RunnerError, match="no file behind the base"):
            base_blob(cloud)


def test_base_that_llama_cpp_loads_is_the_very_file_of_ollama(start: Starter, demo_gguf: Path) -> None:
    server = start()
    path = servable_blob(server.url, BASE)
    assert path.is_relative_to(server.store)
    assert sha256_file(path) == sha256_file(demo_gguf)
    with pytest.raises(RunnerError, match="'llama9' not found"):
        servable_blob(server.url, "llama9")


def test_base_in_ollamas_own_dialect_is_told_with_the_way_out(
    start: Starter, demo_gguf: Path, tmp_path: Path
) -> None:
    content = demo_gguf.read_bytes()
    name = (5).to_bytes(8, "little") + b"llama"  # the first such string is general.architecture's value
    dialect = tmp_path / "dialect.gguf"
    dialect.write_bytes(content.replace(name, name.replace(b"llama", b"gptos"), 1))
    server = start()
    install(server.url, "dialect", dialect)
    with pytest.raises(RunnerError, match=r"llama\.cpp itself does not load dialect") as caught:
        servable_blob(server.url, "dialect")
    assert "Hugging Face folder" in caught.value.hint
