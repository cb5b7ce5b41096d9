from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.prompts import FORMAT_VERSION, RenderedPrompts, key

ONE = (Message(role="user", content="one"),)
TWO = (*ONE, Message(role="assistant", content="two"))


def test_what_was_rendered_reads_back(tmp_path: Path) -> None:
    RenderedPrompts({key(ONE): "<s>one?"}).write(tmp_path / "prompts.json")
    prompts = RenderedPrompts.read(tmp_path / "prompts.json")
    assert prompts.render(ONE) == "<s>one?"


def test_what_was_not_rendered_is_refused_as_a_template_refuses() -> None:
    prompts = RenderedPrompts({key(ONE): "one?"})
    with pytest.raises(DataError, match="has not rendered"):
        prompts.render(TWO)
    with pytest.raises(DataError, match="has not rendered"):
        prompts.render(ONE, answer_next=False)


def test_roles_and_borders_of_texts_count() -> None:
    joined = (Message(role="user", content="onetwo"),)
    system = (Message(role="system", content="one"),)
    split = (Message(role="user", content="one"), Message(role="user", content="two"))
    assert len({key(one) for one in (ONE, TWO, joined, system, split)}) == 5


@pytest.mark.parametrize("content", [b"", b"[]", b'{"texts": {"a": 1}}', b'{"texts": {"a": "\xff"}}'])
def test_a_damaged_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "prompts.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"prompts\.json cannot be read"):
        RenderedPrompts.read(path)
    path.unlink()
    with pytest.raises(DataError, match=r"prompts\.json cannot be read"):
        RenderedPrompts.read(path)


def test_a_newer_table_is_refused(tmp_path: Path) -> None:
    newer = {"texts": {}, "version": FORMAT_VERSION + 1}
    (tmp_path / "prompts.json").write_bytes(msgspec.json.encode(newer))
    with pytest.raises(DataError, match="format 2"):
        RenderedPrompts.read(tmp_path / "prompts.json")
