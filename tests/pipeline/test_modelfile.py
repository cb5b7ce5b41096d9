from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import ollama_modelfile
from tests.support.homes import only_version, opened
from tests.support.lora import write_lora
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


def test_only_a_merge_of_this_very_version_is_written_down(
    trained_home: Home, demo_gguf: Path, tmp_path: Path
) -> None:
    with beside(trained_home, demo_gguf, "0.34.1") as (workshop, _):
        version = only_version(workshop)
        text, other, cut = (tmp_path / name for name in ("text", "other.gguf", "cut.gguf"))
        text.write_text("no model")
        merge_to(workshop.base.gguf, write_lora(demo_gguf, tmp_path / "lora.gguf"), other)
        cut.write_bytes(other.read_bytes()[:-1])
        for file, reason in (
            (text, "text is not a GGUF file"),
            (cut, "damaged or truncated"),
            (demo_gguf, "nothing was merged into it"),
            (other, "its adapter_sha256 is "),
        ):
            with pytest.raises(StateError, match=f"no merge of {version.name}: .*{reason}") as caught:
                modelfile(workshop, version, merged=file)
            assert f"laimark-sidecar merge {version.name}" in caught.value.hint


@pytest.mark.parametrize(
    ("release", "warning"), [("0.33.0", ""), ("0.34.1", "will refuse this Modelfile: write a merged model")]
)
def test_who_will_be_refused_is_warned(
    trained_home: Home, demo_gguf: Path, release: str, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    with beside(trained_home, demo_gguf, release) as (workshop, server):
        tags = server.api.tags()
        text = modelfile(workshop, only_version(workshop))
        assert (server.pulls(), server.api.tags()) == ([], tags)
    assert warning in caplog.text
    assert bool(caplog.text) == bool(warning)
    caplog.clear()
    # An Ollama that is gone keeps nobody from writing it.
    assert modelfile(workshop, only_version(workshop)) == text
    assert "whether Ollama takes adapters is not known" in caplog.text


def test_a_base_that_ollama_lacks_is_not_looked_for_in_the_network(
    trained_home: Home, demo_gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with beside(trained_home, demo_gguf, "0.34.1") as (workshop, server):
        assert values(modelfile(workshop, only_version(workshop), base="elsewhere:8b"), "from") == [
            "elsewhere:8b"
        ]
        assert server.pulls() == []
    assert "is not known" in caplog.text


def test_without_ollama_its_name_for_the_base_is_asked_for(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with pytest.raises(ConfigError, match="what does Ollama call the base") as caught:
        modelfile(workshop, version)
    assert "--base" in caught.value.hint
    assert values(modelfile(workshop, version, base="llama3.1:8b"), "from") == ["llama3.1:8b"]
