from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import only_version, opened
from tests.support.ollama_homes import beside

from laimark_sidecar.config.serving import Ollama, Runner
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.artefact import candidate, merged_answers, serves_merged
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.validation.fingerprint import distance


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


def test_what_is_scored_is_what_would_be_served(trained_home: Home, demo_gguf: Path) -> None:
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, _):
        adapter = workshop.registry.objects.path(only_version(workshop).objects["adapter.gguf"])
        with candidate(workshop, "candidate", adapter) as served:
            assert (served.adapter_gguf, served.model_gguf) == (str(adapter), "")
        assert merged_answers(workshop, adapter) == ()
    with beside(trained_home, demo_gguf, "0.34.1") as (workshop, _):
        with candidate(workshop, "candidate", adapter) as served:
            assert served.adapter_gguf == ""
            assert Path(served.model_gguf).is_file()
        assert not Path(served.model_gguf).exists()
        (known,) = merged_answers(workshop, adapter)
        shutil.rmtree(trained_home.merged)
        (again,) = merged_answers(workshop, adapter)
        assert distance(known, again.tokens) < 1e-3
