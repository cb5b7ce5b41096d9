from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.begin_of_text import wanting_bos

from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile


@given(st.text())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_pieces_of_the_tokens_are_the_text(base: Base, text: str) -> None:
    tokens = base.vocabulary.tokenize(text, special=False)
    assert b"".join(base.vocabulary.piece(token) for token in tokens).decode("utf-8") == text


def test_a_prompt_begins_with_one_begin_of_text_token_where_the_model_wants_one(
    demo_base_dir: Path, tmp_path: Path
) -> None:
    with VocabularyFile(wanting_bos(demo_base_dir, tmp_path, written=False)) as file:
        vocabulary = file.vocabulary
        (begin,) = vocabulary.tokenize(vocabulary.bos)
        expected = [begin, *vocabulary.tokenize("<|im_start|>user")]
        assert vocabulary.prompt("<|im_start|>user") == expected
        assert vocabulary.prompt(vocabulary.bos + "<|im_start|>user") == expected
        assert vocabulary.prompt("") == [begin]


@given(st.text() | st.text(alphabet="a<|endoftxim_>"))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_prompt_is_its_text_where_the_model_wants_none(base: Base, text: str) -> None:
    for written in (text, base.vocabulary.bos + text, 2 * base.vocabulary.bos + text):
        assert base.vocabulary.prompt(written) == base.vocabulary.tokenize(written)


def test_control_words_are_tokens_only_when_asked(base: Base) -> None:
    vocabulary = base.vocabulary
    assert vocabulary.tokenize(vocabulary.eos) == [vocabulary.end_of_turn()]
    assert len(vocabulary.tokenize(vocabulary.eos, special=False)) > 1


def test_control_tokens_have_no_text_for_the_answer_but_a_name_for_people(base: Base) -> None:
    end = base.vocabulary.end_of_turn()
    assert base.vocabulary.piece(end) == b""
    assert base.vocabulary.text(end) == base.vocabulary.eos
    assert base.vocabulary.is_end(end)


def test_only_control_tokens_are_control(base: Base) -> None:
    assert base.vocabulary.is_control(base.vocabulary.end_of_turn())
    assert not any(base.vocabulary.is_control(token) for token in base.vocabulary.tokenize("a turn ends"))


def test_ordinary_token_does_not_end_a_turn(base: Base) -> None:
    assert not base.vocabulary.is_end(base.vocabulary.tokenize("a")[0])


def test_empty_text_has_no_tokens(base: Base) -> None:
    assert base.vocabulary.tokenize("") == []


def test_lone_surrogate_is_replaced_not_an_error(base: Base) -> None:
    tokens = base.vocabulary.tokenize("a\ud800b", special=False)
    assert b"".join(base.vocabulary.piece(token) for token in tokens) == b"a?b"


def test_digest_is_stable(base: Base) -> None:
    assert base.vocabulary.sha256() == base.vocabulary.sha256()
    assert len(base.vocabulary.sha256()) == 64
