"""From the library to token arrays, kept in a cache folder named after the text they were made from."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

from scripts.demo_base_training.conversations import Conversations, tokenised, training_tasks
from scripts.demo_base_training.corpus import SourceFile, read_corpus
from scripts.demo_base_training.tokenizer import load_tokenizer, train_tokenizer
from tokenizers import Tokenizer

from laimark_sidecar.demo.code_tasks import Task

DATA_VERSION = 1
TOKENIZER_TEST_SHARE = 0.35
_TOKENIZER_SEED, _TRAINING_SEED, _HELD_OUT_SEED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything training and evaluation read.

    Attributes:
        folder: Cache folder of this corpus; checkpoints go there too.
        files: The corpus, held-out files among it.
        tokenizer: Learned on the training files.
        training: Conversations of the training files.
        validation: Conversations of the held-out files.
    """

    folder: Path
    files: list[SourceFile]
    tokenizer: Tokenizer
    training: Conversations
    validation: Conversations


def prepare(library: Path, work_folder: Path, *, start: Path | None = None) -> Prepared:
    """Read the corpus, learn the tokenizer and tokenise all tasks, or load what an earlier run left.

    Args:
        library: Folder of the standard library.
        work_folder: Where the results are kept.
        start: Folder of an earlier base whose tokenizer and held-out files are taken over.
    """
    files = read_corpus(library, None if start is None else held_out_by(start))
    learned = None if start is None else (start / "tokenizer.json").read_bytes()
    folder = work_folder / f"corpus-{_digest(files, learned)}"
    folder.mkdir(parents=True, exist_ok=True)
    if learned is not None:
        (folder / "tokenizer.json").write_bytes(learned)
    training_files = [file for file in files if not file.is_held_out]
    tokenizer = _tokenizer(folder / "tokenizer.json", training_files)
    return Prepared(
        folder=folder,
        files=files,
        tokenizer=tokenizer,
        training=_conversations(folder / "training.npz", training_files, tokenizer, seed=_TRAINING_SEED),
        validation=_conversations(folder / "held-out.npz", held_out(files), tokenizer, seed=_HELD_OUT_SEED),
    )


def held_out(files: list[SourceFile]) -> list[SourceFile]:
    return [file for file in files if file.is_held_out]


def held_out_by(base: Path) -> frozenset[str]:
    """Return the held-out files of an earlier base."""
    return frozenset(json.loads((base / "facts.json").read_text(encoding="utf-8"))["held_out_files"])


def held_out_tasks(files: list[SourceFile]) -> list[Task]:
    """Return every task the validation conversations were made of."""
    return list(training_tasks(held_out(files), rng=Random(_HELD_OUT_SEED)))


def _tokenizer(path: Path, files: list[SourceFile]) -> Tokenizer:
    if not path.exists():
        rng = Random(_TOKENIZER_SEED)
        texts = (file.text for file in files if not file.is_test or rng.random() < TOKENIZER_TEST_SHARE)
        train_tokenizer(texts).save(str(path.with_suffix(".tmp")))
        path.with_suffix(".tmp").replace(path)
    return load_tokenizer(path)


def _conversations(path: Path, files: list[SourceFile], tokenizer: Tokenizer, *, seed: int) -> Conversations:
    if not path.exists():
        print(f"tokenising the tasks of {len(files)} files", file=sys.stderr, flush=True)
        temporary = path.with_suffix(".tmp.npz")
        tokenised(training_tasks(files, rng=Random(seed)), tokenizer).save(temporary)
        temporary.replace(path)
    return Conversations.load(path)


def _digest(files: list[SourceFile], tokenizer: bytes | None) -> str:
    digest = hashlib.sha256(f"version {DATA_VERSION}".encode() + (tokenizer or b""))
    for file in files:
        digest.update(f"\0{file.path}\0{file.is_held_out}\0{file.text}".encode())
    return digest.hexdigest()[:12]
