"""From source files to token arrays, kept in a cache folder named after the text they were made from."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from scripts.demo_base_training.corpus import SourceFile, read_corpus
from scripts.demo_base_training.tokenizer import load_tokenizer, train_tokenizer
from scripts.demo_base_training.trees import Rows, plant, stretches
from tokenizers import Tokenizer

from laimark_sidecar.demo.code_tasks import Task, code_lines, completions, docstrings, signatures

DATA_VERSION = 3
TEST_SHARE = 0.12
STRETCH_CHARS = (700, 1200)
_HELD_OUT_SEED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything training and evaluation read.

    Attributes:
        folder: Cache folder of this corpus; checkpoints go there too.
        files: The corpus, held-out files among it.
        tokenizer: Learned on the training files.
        validation: Sequences of the held-out files.
    """

    folder: Path
    files: list[SourceFile]
    tokenizer: Tokenizer
    validation: Rows

    def epoch(self, number: int) -> Rows:
        """Return the sequences of the training files, cut and asked for differently in every epoch."""
        path = self.folder / f"epoch-{number}.npz"
        return _rows(path, [f for f in self.files if not f.is_held_out], self.tokenizer, seed=1000 + number)


def prepare(library: Path, packages: Sequence[Path], work_folder: Path) -> Prepared:
    """Read the corpus and learn the tokenizer, or load what an earlier run left."""
    files = read_corpus(library, packages)
    folder = work_folder / f"corpus-{_digest(files)}"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(folder / "tokenizer.json", [file for file in files if not file.is_held_out])
    validation = _rows(folder / "held-out.npz", held_out(files), tokenizer, seed=_HELD_OUT_SEED)
    return Prepared(folder=folder, files=files, tokenizer=tokenizer, validation=validation)


def held_out(files: Sequence[SourceFile]) -> list[SourceFile]:
    return [file for file in files if file.is_held_out]


def held_out_tasks(files: Sequence[SourceFile]) -> list[Task]:
    """Return every task of the held-out files that are not test suites."""
    rng = Random(_HELD_OUT_SEED)
    tasks: list[Task] = []
    for file in held_out(files):
        if not file.is_test:
            for build in (completions, docstrings, signatures):
                tasks += build(file.text, rng=rng, count=10**9)
    return tasks


def _tokenizer(path: Path, files: Sequence[SourceFile]) -> Tokenizer:
    if not path.exists():
        _say("learning the tokenizer")
        texts = (file.text for file in files if not file.is_test)
        train_tokenizer(texts).save(str(path.with_suffix(".tmp")))
        path.with_suffix(".tmp").replace(path)
    return load_tokenizer(path)


def _rows(path: Path, files: Sequence[SourceFile], tokenizer: Tokenizer, *, seed: int) -> Rows:
    """Return one sequence of every stretch of the files; test suites, which outweigh the library, give fewer."""
    if not path.exists():
        _say(f"cutting {len(files)} files into sequences")
        rng = Random(seed)
        parts, fillers = [], []
        for file in files:
            share = TEST_SHARE if file.is_test else 1.0
            chars = rng.randint(*STRETCH_CHARS)
            parts += [
                part
                for part in stretches(file.text, code_lines(file.text), rng=rng, chars=chars)
                if rng.random() < share
            ]
            if rng.random() < share:
                fillers += docstrings(file.text, rng=rng, count=10**9) + signatures(
                    file.text, rng=rng, count=10**9
                )
        rng.shuffle(parts)
        rng.shuffle(fillers)
        Rows.of(plant(parts, fillers, tokenizer, rng=rng)).save(path)
    return Rows.load(path)


def _digest(files: Sequence[SourceFile]) -> str:
    digest = hashlib.sha256(f"version {DATA_VERSION}".encode())
    for file in files:
        digest.update(f"\0{file.path}\0{file.is_held_out}\0{file.text}".encode())
    return digest.hexdigest()[:12]


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
