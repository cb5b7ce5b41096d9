from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sentencepiece_vocabulary import write_sentencepiece

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile
from laimark_sidecar.replay.item import Span
from laimark_sidecar.training.job import Example
from laimark_sidecar.training.worker.hf_tokens import HfTokens
from laimark_sidecar.training.worker.served_tokens import ServedTokens, character_offsets
from laimark_sidecar.training.worker.tokens import ChatTokenizer

TEXTS = st.text() | st.text(alphabet="helo \u2581é日👩\u200d\n<|im_end|>")


@pytest.fixture(scope="module")
def bpe(demo_gguf: Path) -> ServedTokens:
    return ServedTokens(demo_gguf)


@pytest.fixture(scope="module")
def sentencepiece_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_sentencepiece(folder / "vocabulary.gguf")
    return folder


@pytest.fixture(scope="module")
def sentencepiece(sentencepiece_folder: Path) -> ServedTokens:
    return ServedTokens(sentencepiece_folder / "vocabulary.gguf")


@given(text=TEXTS)
def test_tokens_are_those_of_the_runner_and_of_the_folder_it_was_made_from(
    bpe: ServedTokens, demo_gguf: Path, demo_base_dir: Path, text: str
) -> None:
    hf = _hf(demo_base_dir)
    with VocabularyFile(demo_gguf) as runner:
        assert bpe.ids(text) == runner.vocabulary.tokenize(text) == hf.ids(text)
        plain = bpe.plain(text)
        assert plain is not None
        assert plain[0] == runner.vocabulary.tokenize(text, special=False) == hf.plain(text)[0]


@given(text=TEXTS)
def test_every_character_of_an_answer_is_in_a_token_and_tokens_follow_each_other(
    bpe: ServedTokens, sentencepiece: ServedTokens, text: str
) -> None:
    for tokens in (bpe, sentencepiece):
        plain = tokens.plain(text)
        assert plain is not None
        ids, offsets = plain
        assert len(ids) == len(offsets)
        covered = [number for start, end in offsets for number in range(start, end)]
        assert covered == sorted(covered)
        assert set(covered) == set(range(len(text)))


def test_offsets_are_those_of_the_tokenizers_library(bpe: ServedTokens, demo_base_dir: Path) -> None:
    text = "def naïve(日本語):\n    return 'x'"
    plain = bpe.plain(text)
    assert plain is not None
    assert plain[1] == list(_hf(demo_base_dir).plain(text)[1])


def test_the_space_that_sentencepiece_adds_belongs_to_the_first_character(
    sentencepiece: ServedTokens,
) -> None:
    plain = sentencepiece.plain("hello hello")
    assert plain is not None
    assert plain[1] == [(0, 5), (5, 11)]


def test_pieces_that_are_not_the_text_cannot_be_matched() -> None:
    assert character_offsets("hello", [b"hel", b"lo"]) == [(0, 3), (3, 5)]
    assert character_offsets("é", [b"\xc3", b"\xa9"]) == [(0, 1), (0, 1)]
    assert character_offsets("a", [b" ", b"a"]) == [(0, 0), (0, 1)]
    assert character_offsets("hello", [b"hel", b"la"]) is None
    assert character_offsets("", []) == []


def test_a_conversation_is_encoded_with_the_files_own_template_and_marks(sentencepiece_folder: Path) -> None:
    chat = ChatTokenizer(sentencepiece_folder)
    asked = (Message(role="user", content="hello"),)
    prompt = chat.prompt_ids(asked)
    assert prompt[0] == 1, "exactly one begin-of-text token"
    assert prompt.count(1) == 1
    assert chat.end_ids == (2,)
    spans = (
        Span(start=0, end=5, provenance="model", learn=False),
        Span(start=5, end=11, provenance="typed", learn=True),
    )
    encoded = chat.encode(
        Example(id="x", pool="new", messages=asked, target="hello hello", spans=spans), max_length=128
    )
    assert encoded is not None
    assert encoded.ids[: len(prompt)] == tuple(prompt)
    assert encoded.learn[len(prompt) :] == (False, True, True)


def test_a_vocabulary_that_cannot_be_read_or_cannot_chat_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.gguf").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"vocabulary\.gguf: llama\.cpp cannot read"):
        ChatTokenizer(tmp_path)


def _hf(folder: Path) -> HfTokens:
    if folder not in _HF:
        _HF[folder] = HfTokens(folder)
    return _HF[folder]


_HF: dict[Path, HfTokens] = {}
