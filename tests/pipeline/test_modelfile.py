from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import ollama_modelfile
from tests.support.homes import only_version, opened
from tests.support.ollama_homes import BASE, beside

from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.merging import merge_to
from laimark_sidecar.pipeline.modelfile import modelfile
from laimark_sidecar.pipeline.postcondition import verify


def values(text: str, command: str) -> list[str]:
    return [one.value for one in ollama_modelfile.parse(text) if one.name == command]


def test_what_is_built_by_hand_is_the_version_and_known_as_ours(trained_home: Home, demo_gguf: Path) -> None:
    with beside(trained_home, demo_gguf, "0.33.0") as (workshop, server):
        version = only_version(workshop)
        text = modelfile(workshop, version)
        assert values(text, "from") == [BASE]
        (adapter,) = values(text, "adapter")
        digest = server.api.put_blob(Path(adapter))
        fields = {"from": BASE, "adapters": {"a.gguf": digest}, "license": values(text, "license")}
        server.api.create(version.name, fields)
        runner = workshop.runner()
        assert runner.names()[version.name] == version.name
        assert verify(runner, version) < 0.05


def test_a_merged_one_keeps_the_base_s_settings(trained_home: Home, demo_gguf: Path, tmp_path: Path) -> None:
    with beside(trained_home, demo_gguf, "0.34.1") as (workshop, server):
        version = only_version(workshop)
        whole = tmp_path / "whole.gguf"
        with pytest.raises(StateError, match="is not there") as caught:
            modelfile(workshop, version, merged=whole)
        assert f"merge {version.name} {whole}" in caught.value.hint
        merge_to(workshop.base.gguf, workshop.registry.objects.path(version.objects["adapter.gguf"]), whole)
        text = modelfile(workshop, version, merged=whole)
        assert values(text, "from") == [str(whole)]
        assert values(text, "template") == [server.api.show(BASE).template]


def test_without_ollama_its_name_for_the_base_is_asked_for(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with pytest.raises(ConfigError, match="what does Ollama call the base") as caught:
        modelfile(workshop, version)
    assert "--base" in caught.value.hint
    assert values(modelfile(workshop, version, base="llama3.1:8b"), "from") == ["llama3.1:8b"]
