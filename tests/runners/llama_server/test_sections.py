from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import ConfigError, DataError
from laimark_sidecar.runners.llama_server.sections import Kind, Options, Section, read_tags, render

OPTIONS = Options(model=Path("/models/base.gguf"), context=2048, threads=3)
VERSION = Section(name="me:2026-11-22-3f9a", kind="version", version="me:2026-11-22-3f9a", sha256="ab12")


def test_a_version_is_a_section_without_a_colon_and_its_name_is_the_alias() -> None:
    text = render(VERSION, OPTIONS, Path("/adapters/ab12.gguf"))
    assert text.startswith("[me~2026-11-22-3f9a]\nalias = me:2026-11-22-3f9a\n")
    assert "\nmodel = /models/base.gguf\n" in text
    assert "\nlora = /adapters/ab12.gguf\n" in text
    assert "\nctx-size = 2048\n" in text
    assert "\nthreads = 3\n" in text
    assert "\nparallel = 1\n" in text


def test_the_base_answers_to_base_too_and_has_no_adapter() -> None:
    assert "alias = base\n" in render(Section(name="demo", kind="base"), OPTIONS, None)
    assert "alias = qwen3:4b,base\n" in render(Section(name="qwen3:4b", kind="base"), OPTIONS, None)
    assert "alias" not in render(Section(name="base", kind="base"), OPTIONS, None)
    assert "lora" not in render(Section(name="demo", kind="base"), OPTIONS, None)


@pytest.mark.parametrize(
    "section",
    [
        VERSION,
        Section(name="demo", kind="base"),
        Section(name="me:latest", kind="moving"),
        Section(name="me:latest", kind="moving", version="me:2026-11-22-3f9a", sha256="ab12"),
    ],
)
def test_the_tags_tell_the_whole_section_in_any_order(section: Section) -> None:
    assert read_tags(section.tags) == section
    assert read_tags(sorted(section.tags)) == section


def test_somebody_elses_tags_are_not_ours() -> None:
    assert read_tags(()) is None
    assert read_tags(("fast", "laimark.kind=base")) is None
    assert read_tags(("laimark",)) is None
    assert read_tags(("laimark", "laimark.name=demo")) is None
    assert read_tags(("laimark", "laimark.kind=base", "laimark.name=a b")) is None


@pytest.mark.parametrize("name", ["", "a]b", "a b", "-x", "ä", "a\nb", "me~one", "a,b"])
@pytest.mark.parametrize("kind", ["base", "moving"])
def test_a_name_that_the_file_cannot_carry_is_refused(name: str, kind: Kind) -> None:
    with pytest.raises(DataError, match="malformed"):
        Section(name=name, kind=kind)


@pytest.mark.parametrize(
    "path", ["/a#b.gguf", "/a;b.gguf", "/a,b.gguf", "/a\nb.gguf", "/a.gguf ", "/\udce4.gguf"]
)
def test_a_path_that_the_file_cannot_carry_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot hold this path .*line breaks") as caught:
        render(VERSION, OPTIONS, Path(path))
    assert repr(path) in str(caught.value)
