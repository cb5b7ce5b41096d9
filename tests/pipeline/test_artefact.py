from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import only_version, opened

from laimark_sidecar.config.schema import Ollama, Runner
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.artefact import candidate, serves_merged
from laimark_sidecar.pipeline.workshop import Workshop


@pytest.fixture
def workshop(trained_home: Home) -> Workshop:
    return opened(trained_home)


def configured(workshop: Workshop, ollama: Ollama) -> Workshop:
    config = replace(workshop.config, runner=Runner(kind="ollama"), ollama=ollama)
    return replace(workshop, config=config)


def test_only_ollama_has_to_be_asked_and_only_where_nobody_chose(workshop: Workshop) -> None:
    assert not serves_merged(workshop)
    assert not serves_merged(configured(workshop, Ollama(route="adapter")))
    assert not serves_merged(configured(workshop, Ollama(route="own-server")))
    assert serves_merged(configured(workshop, Ollama(route="merged")))
    with pytest.raises(RunnerError, match=r"127\.0\.0\.1:1"):
        serves_merged(configured(workshop, Ollama(url="http://127.0.0.1:1")))


def test_what_is_scored_is_what_would_be_served(workshop: Workshop) -> None:
    adapter = workshop.registry.objects.path(only_version(workshop).objects["adapter.gguf"])
    with candidate(workshop, "candidate", adapter) as beside:
        assert (beside.adapter_gguf, beside.model_gguf) == (str(adapter), "")
    with candidate(configured(workshop, Ollama(route="merged")), "candidate", adapter) as alone:
        assert alone.adapter_gguf == ""
        assert Path(alone.model_gguf).is_file()
    assert not Path(alone.model_gguf).exists()
