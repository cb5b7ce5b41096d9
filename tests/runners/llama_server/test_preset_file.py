from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.preset_file import (
    Block,
    blocks,
    require_one_owner,
    with_section,
    without_ours,
    without_section,
)
from laimark_sidecar.runners.llama_server.sections import Kind, Options, Section, render

OPTIONS = Options(model=Path("/base.gguf"), context=512, threads=1)
FOREIGN = "; mine\n[*]\nngl = 99\n\n[coder]\nmodel = /coder.gguf\nalias = qwen, me:taken ; comment\n"


def ours(name: str, kind: Kind = "version") -> Block:
    section = Section(name=name, kind=kind, version=name, sha256="ab")
    return Block(id=section.id, text=render(section, OPTIONS, Path("/ab.gguf")))


def add(text: str, name: str) -> str:
    return with_section(text, ours(name))


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
    changed = with_section(text, Block(id="me~one", text=ours("me:one").text + "extra = 1\n"))
    assert [block.id for block in blocks(changed)] == ["me~one", "me~two"]
    assert changed.count("extra = 1") == 1
    assert add(text, "me:one") == text


@given(st.text(alphabet="[]ab=\r\n #;", max_size=60))
def test_any_text_around_our_sections_stays_but_for_blank_lines_at_its_end(text: str) -> None:
    behind = "# on the next one\n[x]\n" + text
    written = add(add("# before\n\n", "me:one") + behind, "me:two")
    for changed in (written, add(written, "me:one"), without_section(written, "me~one")):
        assert without_ours(changed).rstrip("\r\n") == ("# before\n\n" + behind).rstrip("\r\n")


def test_the_users_comments_behind_a_section_of_ours_outlive_it() -> None:
    notes = "# my notes\n\n; more\n[mine]\nmodel = /m.gguf\n"
    text = add("", "me:one") + notes
    assert without_section(text, "me~one") == notes
    assert without_ours(text) == notes
    assert add(text, "me:one") == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_ends_as_llama_cpp_lets_it_end(end: str) -> None:
    text = (add("", "me:one") + FOREIGN).replace("\n", end)
    assert [block.id for block in blocks(text)] == ["me~one", "", "*", "coder"]
    assert without_ours(text) == FOREIGN.replace("\n", end)
    with pytest.raises(RunnerError, match="me:taken"):
        add(text, "me:taken")


@pytest.mark.parametrize("name", ["coder", "qwen", "me:taken"])
def test_a_name_of_somebody_elses_section_is_never_taken(name: str) -> None:
    with pytest.raises(RunnerError, match=name) as caught:
        add(FOREIGN, name)
    assert "rename" in caught.value.hint


@pytest.mark.parametrize("key", ["a", "alias", "LLAMA_ARG_ALIAS"])
def test_an_alias_counts_by_every_name_of_the_option(key: str) -> None:
    with pytest.raises(RunnerError, match="me:taken"):
        add(f"[x]\n{key} = me:taken\n", "me:taken")


def test_a_section_of_ours_is_never_replaced_by_one_of_another_kind() -> None:
    text = with_section("", ours("me:latest", "base"))
    with pytest.raises(RunnerError, match=r"me~latest.*something else"):
        with_section(text, ours("me:latest", "moving"))
    with pytest.raises(RunnerError, match=r"^base:"):
        with_section(text, ours("base", "moving"))


def test_a_copy_of_a_section_of_ours_is_its_writers_own() -> None:
    copy = ours("me:one").text.replace("[me~one]", "[mine]").replace("alias = me:one\n", "")
    for text in (copy, copy.replace("kind=version", "kind=")):
        assert without_ours(add(text, "me:one")).strip() == text.strip()


def test_somebody_elses_section_is_not_removed() -> None:
    assert without_section(FOREIGN, "coder") == FOREIGN
    assert without_section("", "nothing") == ""


def test_a_name_with_two_owners_is_told() -> None:
    require_one_owner(add(FOREIGN, "me:one"))
    for second in ("[x]\nalias = me:one\n", "[me~one]\n", "[y]\nalias = qwen\n"):
        with pytest.raises(RunnerError, match="more than one section") as caught:
            require_one_owner(add(FOREIGN, "me:one") + second)
        assert "did not write" in caught.value.hint
