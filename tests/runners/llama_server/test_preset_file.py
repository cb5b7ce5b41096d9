from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.preset_file import (
    blocks,
    require_one_owner,
    with_section,
    without_ours,
    without_section,
)
from laimark_sidecar.runners.llama_server.sections import Options, Section, render

OPTIONS = Options(model=Path("/base.gguf"), context=512, threads=1)
FOREIGN = "; mine\n[*]\nngl = 99\n\n[coder]\nmodel = /coder.gguf\nalias = qwen, me:taken ; comment\n"


def ours(name: str) -> tuple[str, str, frozenset[str]]:
    section = Section(name=name, kind="version", version=name, sha256="ab")
    return section.id, render(section, OPTIONS, Path("/ab.gguf")), frozenset({name})


def add(text: str, name: str) -> str:
    id_, section, names = ours(name)
    return with_section(text, id_, section, names=names)


@given(st.text(alphabet="[]ab=\n #;", max_size=60))
def test_the_sections_of_any_text_are_that_text(text: str) -> None:
    assert "".join(block.text for block in blocks(text)) == text


def test_what_others_wrote_stays_as_they_wrote_it() -> None:
    text = add(add(FOREIGN, "me:one"), "me:two")
    assert text.startswith(FOREIGN)
    assert [block.id for block in blocks(text) if block.ours] == ["me~one", "me~two"]
    assert without_section(without_section(text, "me~one"), "me~two").strip() == FOREIGN.strip()
    assert without_ours(text).strip() == FOREIGN.strip()


def test_a_section_is_replaced_in_its_place() -> None:
    text = add(add("", "me:one"), "me:two")
    changed = with_section(text, "me~one", ours("me:one")[1] + "extra = 1\n", names=frozenset({"me:one"}))
    assert [block.id for block in blocks(changed)] == ["me~one", "me~two"]
    assert changed.count("extra = 1") == 1
    assert add(text, "me:one") == text


@pytest.mark.parametrize("name", ["coder", "qwen", "me:taken"])
def test_a_name_of_somebody_elses_section_is_never_taken(name: str) -> None:
    with pytest.raises(RunnerError, match=name) as caught:
        add(FOREIGN, name)
    assert "rename" in caught.value.hint


def test_somebody_elses_section_is_not_removed() -> None:
    assert without_section(FOREIGN, "coder") == FOREIGN
    assert without_section("", "nothing") == ""


def test_a_name_with_two_owners_is_told() -> None:
    require_one_owner(add(FOREIGN, "me:one"))
    for second in ("[x]\nalias = me:one\n", "[me~one]\n", "[y]\nalias = qwen\n"):
        with pytest.raises(RunnerError, match="more than one section") as caught:
            require_one_owner(add(FOREIGN, "me:one") + second)
        assert "did not write" in caught.value.hint
