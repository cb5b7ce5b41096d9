from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.sentencepiece_vocabulary import TEMPLATE, write_sentencepiece

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile

TEXT = "Naïve <|im_end|> 日本語 👩‍👩‍👧 \r\n\t  and 12345"


def test_tokens_and_template_are_those_of_the_loaded_model(base: Base) -> None:
    with VocabularyFile(base.path) as file:
        assert file.template == base.template
        assert file.vocabulary.sha256() == base.vocabulary.sha256()
        for special in (True, False):
            expected = base.vocabulary.tokenize(TEXT, special=special)
            assert file.vocabulary.tokenize(TEXT, special=special) == expected


def test_a_file_without_tensors_is_enough(tmp_path: Path) -> None:
    with VocabularyFile(write_sentencepiece(tmp_path / "vocabulary.gguf")) as file:
        assert file.template == TEMPLATE
        assert (file.vocabulary.bos, file.vocabulary.eos) == ("<s>", "</s>")
        pieces = [file.vocabulary.piece(token) for token in file.vocabulary.tokenize("hello")]
        assert pieces == [b" hello"]


def test_closing_twice_is_harmless(base: Base) -> None:
    file = VocabularyFile(base.path)
    file.close()
    file.close()


def test_what_is_no_gguf_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"nothing\.gguf does not exist"):
        VocabularyFile(tmp_path / "nothing.gguf")
    (tmp_path / "text.gguf").write_bytes(b"hello")
    with pytest.raises(RunnerError, match=r"cannot read the vocabulary of .*text\.gguf"):
        VocabularyFile(tmp_path / "text.gguf")
