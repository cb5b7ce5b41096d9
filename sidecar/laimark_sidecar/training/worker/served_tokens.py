"""Tokens as llama.cpp itself makes them, from the vocabulary of the served GGUF: those of the runner, for every model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from laimark_sidecar.errors import DataError, RunnerError, TrainingError
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile

_SPACE_MARK = "\u2581"
"""What SentencePiece writes for a space; in a text it comes back as one."""


class ServedTokens:
    """The tokenizer of a folder with `vocabulary.gguf`.

    Args:
        file: a GGUF, of which only the keys matter.

    Raises:
        TrainingError: llama.cpp cannot read it, or it has no chat template.
    """

    def __init__(self, file: Path) -> None:
        try:
            # Never closed: it lives as long as the process, as its tokenizer does.
            self._file = VocabularyFile(file)
            vocabulary = self._file.vocabulary
            self.template = ChatTemplate(
                self._file.template, bos=vocabulary.bos, eos=vocabulary.eos, clock=REFERENCE_CLOCK
            )
        except (RunnerError, DataError) as error:
            raise TrainingError(f"{file}: {error}", hint=error.hint) from error

    def ids(self, text: str) -> list[int]:
        return self._file.vocabulary.tokenize(text)

    def prompt(self, text: str) -> list[int]:
        return self._file.vocabulary.prompt(text)

    def plain(self, text: str) -> tuple[list[int], Sequence[tuple[int, int]]] | None:
        ids = self._file.vocabulary.tokenize(text, special=False)
        offsets = character_offsets(text, [self._file.vocabulary.piece(token) for token in ids])
        return None if offsets is None else (ids, offsets)

    def is_special(self, token: int) -> bool:
        return self._file.vocabulary.is_control(token) or self._file.vocabulary.is_end(token)


def character_offsets(text: str, pieces: Sequence[bytes]) -> list[tuple[int, int]] | None:
    """Return the character range `[start, end)` of `text` that each piece touches; pieces may split a character.

    None where the pieces are not the text, nor the text after the space that SentencePiece puts before it.

    Args:
        text: what was tokenised.
        pieces: the bytes of its tokens in order.
    """
    whole = b"".join(pieces)
    for prefix in ("", " "):
        for written in (text, text.replace(_SPACE_MARK, " ")):
            if (prefix + written).encode("utf-8", "replace") == whole:
                return _ranges(written, len(prefix), pieces)
    return None


def _ranges(text: str, before: int, pieces: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return the ranges of pieces that are `before` spaces and then the text."""
    # Character that each byte belongs to; the spaces before count to the first, one more stands for the end.
    widths = [len(character.encode("utf-8", "replace")) for character in text]
    owner = [0] * before + [number for number, width in enumerate(widths) for _ in range(width)]
    ranges, position = [], 0
    for piece in pieces:
        end = position + len(piece)
        touched = owner[position:end]
        only_space = end <= before
        start = touched[0] if touched else (owner[position] if position < len(owner) else len(text))
        ranges.append((start, start if only_space or not touched else touched[-1] + 1))
        position = end
    return ranges
