"""Merged models for a runner that takes no adapters: made when one is needed, gone when the runner has it.

A merged model is as big as its base, and made again from the small adapter in seconds: so none is kept. What stays is
a note of what it answers, which is what the runner must answer once it serves it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import msgspec

from laimark_converters.adapter_check import check_adapter
from laimark_converters.adapter_reader import read_adapter_header
from laimark_converters.header import read_header
from laimark_converters.merged_gguf import Merged, merge
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import ConversionError, StateError
from laimark_sidecar.files import make_dir, sha256_file, write_atomic
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.convert import blaming
from laimark_sidecar.validation.fingerprint import Fingerprint, distance
from laimark_sidecar.validation.scorer import fingerprint

log = logging.getLogger(__name__)
MergedType = Literal["f16", "bf16", "f32", "q8_0"]
MOST_NATS = 0.5
"""Between a merged model and its adapter beside the base; a wrong merge differs by whole nats (runners.md)."""
_NO_ROOM = 'free some space, or set ollama.route to "own-server", which needs none'
_SPARE_BYTES = 512 << 20
_BYTES: Mapping[MergedType, float] = {"f32": 4, "f16": 2, "bf16": 2, "q8_0": 34 / 32}
"""Of a rewritten weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedModel:
    """A merged model on the disk, and what is known about it."""

    path: Path
    sha256: str
    fingerprint: Fingerprint
    """Of this very file, not of the adapter beside the base."""
    nats: float
    """How far its answer is from that of the adapter beside the base."""


@contextmanager
def merged(
    folder: Path, base: Path, adapter: Path, *, touched: MergedType, prompts: str = "", threads: int = 0
) -> Iterator[MergedModel]:
    """Merge, look whether the merge answers as the adapter does, lend the file, and delete it.

    Args:
        folder: where merged models are made; what a crash left there goes first.
        base: GGUF that the runner serves.
        adapter: LoRA GGUF.
        touched: type of the rewritten tensors.
        prompts: file of the runner's own renderings, where it has a template of its own.
        threads: of the comparison; 0 chooses.

    Raises:
        ConversionError: the two do not fit, or the merged model answers otherwise than its adapter.
        StateError: the disk has no room for it; says how much is needed.
        RunnerError: llama.cpp cannot load the merged model.
    """
    make_dir(folder)
    _tidy(folder)
    path = folder / f"{sha256_file(adapter)[:16]}-{touched}.gguf"
    _require_room(folder, base, adapter, touched, hint=_NO_ROOM)
    try:
        size = size_bytes(base, adapter, touched) / 1e9
        log.info("merging into a copy of the base: %.1f GB", size, extra=action("merge.start"))
        with blaming(adapter, base):
            made = merge(base, adapter, path, touched=touched)
        log.info("asking the merged model and the adapter beside the base", extra=action("merge.compare"))
        ours = fingerprint(path, None, folder / "scoring", prompts=prompts, threads=threads)
        beside = fingerprint(base, adapter, folder / "scoring", prompts=prompts, threads=threads)
        nats = distance(beside, ours.tokens)
        if nats > MOST_NATS:
            raise ConversionError(
                f"merged as {touched} the adapter answers otherwise than beside the base: log-probs differ by "
                f"{nats:.2f} nats, at most {MOST_NATS} expected",
                hint='keep more of it: ollama.merged_type = "f16" or "f32"',
            )
        log.info(
            "merged %s: %d bytes, %.4f nats from its adapter, %.1f%% of the update lost to rounding",
            path.name,
            made.bytes,
            nats,
            100 * made.of_update,
            extra=action("merge.done"),
        )
        write_atomic(_note(folder, adapter, touched), msgspec.json.encode(ours))
        yield MergedModel(path=path, sha256=made.sha256, fingerprint=ours, nats=nats)
    finally:
        path.unlink(missing_ok=True)
        shutil.rmtree(folder / "scoring", ignore_errors=True)


def answered(folder: Path, adapter: Path) -> tuple[Fingerprint, ...]:
    """Return what merged models of an adapter answered, one for each type that was ever made; empty if none was."""
    found = []
    for note in sorted(folder.glob(f"{sha256_file(adapter)[:16]}-*.json")):
        try:
            found.append(decode_json(note.read_bytes(), Fingerprint))
        except MalformedError as error:
            log.warning("%s is unreadable: %s", note, error, extra=action("merge.note"))
    return tuple(found)


def merge_to(
    base: Path,
    adapter: Path,
    out: Path,
    *,
    touched: MergedType = "f16",
    progress: Callable[[float], None] = lambda _share: None,
) -> Merged:
    """Write a merged model for good; see `laimark_converters.merged_gguf.merge`.

    An adapter from elsewhere is held to what a runner could serve: what is damaged or odd is refused, not guessed at.

    Raises:
        ConversionError: the two do not fit; says why. `out` is what it was.
        StateError: the disk has no room for it.
    """
    _require_room(out.absolute().parent, base, adapter, touched, hint="free some space, or name another disk")
    with blaming(adapter, base):
        if not adapter.is_dir():
            check_adapter(read_adapter_header(adapter), read_header(base))
        return merge(base, adapter, out, touched=touched, progress=progress)


def _note(folder: Path, adapter: Path, touched: MergedType) -> Path:
    return folder / f"{sha256_file(adapter)[:16]}-{touched}.json"


def _tidy(folder: Path) -> None:
    for left in (*folder.glob("*.gguf"), *folder.glob(".*.tmp")):
        left.unlink(missing_ok=True)


def _require_room(folder: Path, base: Path, adapter: Path, touched: MergedType, *, hint: str) -> None:
    needed = size_bytes(base, adapter, touched) + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StateError(
            f"merging needs {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free",
            hint=hint,
        )


def size_bytes(base: Path, adapter: Path, touched: MergedType) -> int:
    """Return how big a merged model becomes, but for a few keys: the base, its touched tensors at another width.

    For a PEFT folder that is at most: as if it touched every matrix of every layer.

    Raises:
        ConversionError: one of the two is no whole GGUF of its kind.
    """
    with blaming(adapter, base):
        tensors = read_header(base).tensors
        names = tensors.keys() if adapter.is_dir() else _touched(adapter) & tensors.keys()
    rewritten = [tensors[name] for name in names if name.startswith("blk.") and len(tensors[name].shape) == 2]
    grown = sum(int(_BYTES[touched] * prod(tensor.shape)) - tensor.size_bytes for tensor in rewritten)
    return base.stat().st_size + grown


def _touched(adapter: Path) -> set[str]:
    return {half.rpartition(".")[0] for half in read_adapter_header(adapter).tensors}
