"""Any base: whether a folder is one, which bytes it is, how its tokens read, and what it was not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.llamacpp.vocabulary_file import VocabularyFile
from laimark_sidecar.training.worker.tokens import SERVED_VOCABULARY

FACTS = "facts.json"
"""Beside a base whose maker says what it was trained on."""


class _Facts(msgspec.Struct):
    held_out_files: tuple[str, ...]


def require_base(folder: Path) -> None:
    """Do nothing where `folder` can be a training base; its weights are looked at when they are loaded.

    Raises:
        DataError: it is none; says what is not there.
    """
    if folder.suffix == ".gguf":
        raise DataError(
            f"{folder} is a file to serve, and learning needs a folder to train on",
            hint="give the Hugging Face folder of the same model",
        )
    if not folder.is_dir():
        raise DataError(f"there is no base {folder}", hint="give the Hugging Face folder of a model")
    lacking = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any((folder / name).is_file() for name in ("tokenizer.json", SERVED_VOCABULARY)):
        lacking.append("tokenizer.json")
    if not weights(folder):
        lacking.append("*.safetensors")
    if lacking:
        raise DataError(
            f"{folder} is no base to train on: it has no {', no '.join(lacking)}",
            hint="give a Hugging Face folder with safetensors, as `huggingface-cli download` makes it",
        )


def weights(folder: Path) -> tuple[Path, ...]:
    """Return the files of a base's weights."""
    return tuple(sorted(folder.glob("*.safetensors")))


def digest(folder: Path) -> str:
    """Return the sha256 of a base's weights: of the one file, or of the list of several."""
    found = [(path.name, sha256_file(path)) for path in weights(folder)]
    if len(found) == 1:
        return found[0][1]
    return hashlib.sha256("\n".join(f"{sha} {name}" for name, sha in found).encode()).hexdigest()


def left_out(folder: Path) -> tuple[str, ...] | None:
    """Return the library files that a base's training left out; None where nobody says what it was trained on.

    Raises:
        DataError: what it says is damaged.
    """
    path = folder / FACTS
    if not path.is_file():
        return None
    try:
        return decode_json(path.read_bytes(), _Facts).held_out_files
    except MalformedError as error:
        raise DataError(f"{path} is damaged: {error}") from error


def text_of(folder: Path) -> Callable[[Sequence[int]], str]:
    """Return what turns tokens of a base into text."""
    path = folder / "tokenizer.json"
    if path.is_file():
        read: Callable[[Sequence[int]], str] = Tokenizer.from_file(str(path)).decode
        return read
    vocabulary = VocabularyFile(folder / SERVED_VOCABULARY).vocabulary

    def served(ids: Sequence[int]) -> str:
        return b"".join(vocabulary.piece(token) for token in ids).decode("utf-8", "replace")

    return served
