from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import ollama
from tests.support.begin_of_text import wanting_bos

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.prompts import RenderedPrompts
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile
from laimark_sidecar.pipeline.rendered import rendered, write_rendered
from laimark_sidecar.runners.ollama.runner import OllamaRunner

SYSTEM = "You are terse."
QUESTION = (Message(role="user", content="Say hello."),)


@pytest.fixture
def server(demo_gguf: Path, tmp_path: Path) -> Iterator[ollama.Server]:
    with ollama.started(tmp_path / "ollama", version="0.33.0") as server:
        ollama.install(server.url, "plain", demo_gguf)
        ollama.install(server.url, "terse", demo_gguf, system=SYSTEM)
        yield server


def runner(server: ollama.Server, base: str, tmp_path: Path) -> OllamaRunner:
    return ollama.runner(server.url, base, tmp_path)


def test_what_the_template_makes_too_needs_no_table(
    server: ollama.Server, demo_gguf: Path, tmp_path: Path
) -> None:
    assert write_rendered(runner(server, "plain", tmp_path), demo_gguf, tmp_path / "t.json", [QUESTION]) == ""
    assert not (tmp_path / "t.json").exists()


def test_what_the_runner_reads_otherwise_is_kept_as_it_reads_it(
    server: ollama.Server, demo_gguf: Path, tmp_path: Path
) -> None:
    terse = runner(server, "terse", tmp_path)
    path = write_rendered(terse, demo_gguf, tmp_path / "new" / "t.json", [QUESTION])
    assert path == str(tmp_path / "new" / "t.json")
    text = RenderedPrompts.read(Path(path)).render(QUESTION)
    assert SYSTEM in text
    assert text == terse.render(QUESTION).text  # the demo base has no begin-of-text token


@pytest.mark.parametrize("written", [False, True])
def test_a_kept_prompt_has_one_begin_of_text_token_whoever_writes_it(
    server: ollama.Server, demo_base_dir: Path, tmp_path: Path, written: bool
) -> None:
    gguf = wanting_bos(demo_base_dir, tmp_path, written=written)
    ollama.install(server.url, "wanting", gguf, system=SYSTEM)
    path = write_rendered(runner(server, "wanting", tmp_path), gguf, tmp_path / "t.json", [QUESTION])
    with VocabularyFile(gguf) as file:
        tokens = file.vocabulary.prompt(RenderedPrompts.read(Path(path)).render(QUESTION))
    assert tokens.count(tokens[0]) == 1


def test_without_the_runner_nothing_is_guessed(
    server: ollama.Server, demo_gguf: Path, tmp_path: Path
) -> None:
    terse = runner(server, "terse", tmp_path)
    server.kill()
    with pytest.raises(RunnerError):
        write_rendered(terse, demo_gguf, tmp_path / "t.json", [QUESTION])
    with pytest.raises(RunnerError):
        rendered(terse, QUESTION)
