"""Text to tokens and back, as the loaded GGUF has it."""

from __future__ import annotations

import ctypes
import hashlib
from typing import Any

from laimark_sidecar.errors import DataError


class Vocabulary:
    """The tokenizer inside a loaded model; valid as long as the model is. Read-only, so any thread may use it."""

    def __init__(self, library: Any, pointer: Any) -> None:
        self._lib = library
        self._pointer = pointer
        self.size = int(library.llama_vocab_n_tokens(pointer))

    def tokenize(self, text: str, *, special: bool = True, bos: bool = False) -> list[int]:
        """Return the tokens of `text`.

        Args:
            text: any text; lone surrogates are replaced.
            special: read `<|im_end|>` and the like as control tokens, as in rendered templates; False: as plain text.
            bos: add the begin-of-text token where the model wants one.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 2
        while True:
            tokens = (ctypes.c_int32 * room)()
            count = self._lib.llama_tokenize(self._pointer, data, len(data), tokens, room, bos, special)
            if count >= 0:
                return list(tokens[:count])
            if -count <= room:
                raise DataError(f"llama.cpp cannot tokenise a text of {len(data)} bytes")
            room = -count

    def prompt(self, text: str) -> list[int]:
        """Return the tokens of a rendered prompt: one begin-of-text token before it where the model wants one.

        A template may write it too, and then it stands there once. Source: llama.cpp `common/chat.cpp`,
        `common_chat_template_direct_apply`, which takes the template's away where the tokenizer adds one.
        """
        tokens = self.tokenize(text, bos=True)
        begin = self._lib.llama_vocab_bos(self._pointer)
        doubled = self._lib.llama_vocab_get_add_bos(self._pointer) and tokens[:2] == [begin, begin]
        return tokens[1:] if doubled else tokens

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """Return the bytes of a token: perhaps part of a code point. Control tokens are empty unless `special`."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = self._lib.llama_token_to_piece(self._pointer, token, buffer, room, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            room = -count

    def text(self, token: int) -> str:
        """Return a token for people, control tokens by name and broken code points replaced."""
        return self.piece(token, special=True).decode("utf-8", "replace")

    def is_end(self, token: int) -> bool:
        """Tell whether the model ends its turn with this token."""
        return bool(self._lib.llama_vocab_is_eog(self._pointer, token))

    def is_control(self, token: int) -> bool:
        """Tell whether this token is no text but a mark of the conversation's structure."""
        return bool(self._lib.llama_vocab_is_control(self._pointer, token))

    @property
    def bos(self) -> str:
        """The begin-of-text token's text, empty where the model has none."""
        return self._special(self._lib.llama_vocab_bos(self._pointer))

    @property
    def eos(self) -> str:
        """The end-of-text token's text, empty where the model has none."""
        return self._special(self._lib.llama_vocab_eos(self._pointer))

    def end_of_turn(self) -> int:
        """Return the token that ends an answer: end of turn, else end of text.

        Raises:
            DataError: the model has neither.
        """
        for token in (self._lib.llama_vocab_eot(self._pointer), self._lib.llama_vocab_eos(self._pointer)):
            if token >= 0:
                return int(token)
        raise DataError("the model has no token that ends a turn")

    def sha256(self) -> str:
        """Return the digest of the token list in order: two models with equal digests give every id the same text."""
        digest = hashlib.sha256()
        for token in range(self.size):
            digest.update(self._lib.llama_vocab_get_text(self._pointer, token))
            digest.update(b"\0")
        return digest.hexdigest()

    def _special(self, token: int) -> str:
        return self.text(token) if token >= 0 else ""
