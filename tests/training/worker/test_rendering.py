from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from laimark_sidecar.training.rendering import CONVERSATIONS, Renderings, digest
from laimark_sidecar.training.worker.rendering import main, rendered, rendering_sha256
from laimark_sidecar.training.worker.tokens import ChatTokenizer, text_tokens


def with_template(demo_base_dir: Path, folder: Path, template: str) -> Path:
    shutil.copytree(demo_base_dir, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def made(base_dir: Path) -> Renderings:
    tokens = text_tokens(base_dir)
    return rendered(tokens, tokens.template)


def test_it_is_what_the_trainer_reads(demo_base_dir: Path) -> None:
    tokenizer = ChatTokenizer(demo_base_dir)
    expected = [tokenizer.prompt_ids(messages) for messages in CONVERSATIONS]
    found = made(demo_base_dir)
    assert [list(one.tokens) for one in found.now if one is not None] == expected
    assert found.sha256 == digest(expected)


def test_the_date_is_todays_for_the_comparison_and_a_fixed_one_for_the_digest(
    demo_base_dir: Path, tmp_path: Path
) -> None:
    dated = with_template(
        demo_base_dir, tmp_path / "dated", "{{ strftime_now('%d %B %Y') }}{{ messages[0].content }}"
    )
    tokens = text_tokens(dated)
    found = made(dated)
    today = time.strftime("%d %B %Y")
    assert found.now[0] is not None
    assert found.now[0].text == f"{today}What is the capital of France?"
    fixed = [tokens.ids(f"01 January 2026{messages[0].content}") for messages in CONVERSATIONS]
    assert rendering_sha256(tokens, tokens.template) == digest(fixed)


def test_a_conversation_that_the_template_refuses_is_left_out(demo_base_dir: Path, tmp_path: Path) -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0].content }}"
    found = made(with_template(demo_base_dir, tmp_path / "strict", template))
    refused = [messages[0].role == "system" for messages in CONVERSATIONS]
    assert [one is None for one in found.now] == refused
    assert any(refused)


def test_a_folder_without_a_tokenizer_ends_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), ""]) == 9
    assert "tokenizer.json" in capsys.readouterr().err
