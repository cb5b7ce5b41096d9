from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from laimark_converters.base_gguf import write_base_gguf
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.service import Service
from laimark_sidecar.runners.embedded.settings import ServeSettings


def test_bad_adapter_at_start_is_left_out_and_the_rest_serves(
    settings: Callable[..., ServeSettings],
    adapters: tuple[Path, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"bad")
    names = {"me:latest": "me:good", "me:prev": "me:bad"}
    made = settings(adapters={"me:bad": bad, "me:good": adapters[0]}, names=names)
    with contextlib.closing(Service(made, clock=SystemClock())) as service, caplog.at_level(logging.WARNING):
        service.install()
        assert service.engine.names() == {"demo": "", "me:good": "me:good", "me:latest": "me:good"}
    assert "not serving me:bad" in caplog.text
    assert "not serving me:prev" in caplog.text


def test_version_never_changes_its_content(
    settings: Callable[..., ServeSettings], adapters: tuple[Path, Path]
) -> None:
    with contextlib.closing(Service(settings(), clock=SystemClock())) as service:
        service.register("me:1", adapters[0], "")
        service.register("me:1", adapters[0], "")
        with pytest.raises(ApiError, match="versions never change") as caught:
            service.register("me:1", adapters[1], "")
        assert caught.value.status == 409
        service.withdraw("me:1")
        service.register("me:1", adapters[1], "")


def test_base_without_a_template_completes_but_does_not_chat(
    settings: Callable[..., ServeSettings], demo_base_dir: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "hf"
    shutil.copytree(demo_base_dir, plain)
    (plain / "chat_template.jinja").unlink()
    write_base_gguf(plain, tmp_path / "plain.gguf")
    made = settings(base_path=tmp_path / "plain.gguf")
    with contextlib.closing(Service(made, clock=SystemClock())) as service:
        with pytest.raises(ApiError, match="/v1/completions"):
            service.chat_tokens((Message(role="user", content="hi"),))
        assert service.text_tokens("hi")
        with pytest.raises(ApiError, match="no tokens"):
            service.text_tokens("")


def test_prompt_beyond_the_context_is_a_400(settings: Callable[..., ServeSettings]) -> None:
    with contextlib.closing(Service(settings(context=32), clock=SystemClock())) as service:
        long = "word " * 100
        with pytest.raises(ApiError, match="the context holds 32") as caught:
            service.chat_tokens((Message(role="user", content=long),))
        assert caught.value.code == "context_length_exceeded"
        with pytest.raises(ApiError, match="the context holds 32"):
            service.text_tokens(long)


def test_identity_is_what_adapters_are_made_for(settings: Callable[..., ServeSettings]) -> None:
    with contextlib.closing(Service(settings(), clock=SystemClock())) as service:
        assert service.identity.name == "demo"
        assert service.identity.architecture == "llama"
        assert len(service.identity.sha256) == 64


def test_the_log_is_kept_as_configured(settings: Callable[..., ServeSettings], tmp_path: Path) -> None:
    made = settings(journal_folder=tmp_path / "log", record=True, segment_bytes=1, fsync="always")
    with contextlib.closing(Service(made, clock=SystemClock())) as service:
        for text in ("one", "two"):
            assert service.recorder.feedback(about="0" * 32, kind="edit", text=text)
    assert len(list((tmp_path / "log").glob("*.jsonl"))) == 2


def test_the_sidecar_s_own_questions_bear_the_same_date_every_day(
    settings: Callable[..., ServeSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fingerprint taken today must be met tomorrow, whatever date the template prints into a user's chat."""
    dated = "{{ strftime_now('%Y-%m-%d') }}"
    with contextlib.closing(Service(settings(), clock=SystemClock())) as service:
        monkeypatch.setattr(service, "_template", ChatTemplate(dated))
        monkeypatch.setattr(service, "_reference_template", ChatTemplate(dated, clock=REFERENCE_CLOCK))
        hello = (Message(role="user", content="hi"),)
        assert service.chat_tokens(hello, reference=True) == service.text_tokens("2026-01-01")
        assert service.chat_tokens(hello) != service.chat_tokens(hello, reference=True)
