"""Make the folder that training loads from the very GGUF that the runner serves: no second download, the same weights.

The folder holds `config.json`, `model.safetensors`, and `vocabulary.gguf`: the GGUF's keys without its tensors, so that
text becomes tokens in training as it does in the runner, by llama.cpp itself.
"""

from __future__ import annotations

import functools
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from laimark_converters.atomic import appearing
from laimark_converters.byte_stream import read_exactly
from laimark_converters.errors import ConversionError
from laimark_converters.header import MAGIC, GgufHeader, read_header
from laimark_converters.safetensors_output import SafeTensor, header_bytes, write_safetensors
from laimark_converters.training_config import Config, training_config
from laimark_converters.training_tensors import TrainingDtype, plan_training_tensors

WEIGHTS, CONFIG, VOCABULARY = "model.safetensors", "config.json", "vocabulary.gguf"
_SPARE_BYTES = 64 << 20
"""Left free on the disk for everybody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What a folder will hold; nothing is written yet."""

    config: Config
    tensors: tuple[SafeTensor, ...]
    served_types: tuple[str, ...]
    """ggml types of the tensors in the GGUF, sorted."""
    header: GgufHeader

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole folder."""
        weights = len(header_bytes(self.tensors, served_types=self.served_types)) + sum(
            tensor.size_bytes for tensor in self.tensors
        )
        return weights + self.header.keys_end + len(msgspec.json.encode(self.config))


def plan_training_base(gguf: Path, *, dtype: TrainingDtype = "f16", window: int = 0) -> TrainingPlan:
    """Return what would be written, reading the header only: milliseconds for any model.

    Raises:
        ConversionError: no faithful training base can be made; says why.
    """
    header = read_header(gguf)
    config = training_config(gguf, header, window=window)
    planned = plan_training_tensors(header, config, dtype)
    tensors = tuple(
        SafeTensor(
            name=tensor.name,
            shape=tensor.source.shape,
            kind=tensor.kind,
            blocks=functools.partial(tensor.blocks, gguf),
        )
        for tensor in planned
    )
    types = tuple(sorted({tensor.source.kind.name for tensor in planned}))
    return TrainingPlan(config=config, tensors=tensors, served_types=types, header=header)


def write_training_base(
    gguf: Path,
    folder: Path,
    *,
    dtype: TrainingDtype = "f16",
    window: int = 0,
    progress: Callable[[float], None] = lambda _share: None,
) -> None:
    """Make `folder` from the GGUF, complete when it appears; equal input, equal bytes.

    Memory is a few blocks of rows, whatever the model's size; the time is that of decoding and of writing it.

    Args:
        gguf: the served base.
        folder: must not exist. Half of one that was interrupted lies beside it and is made again.
        dtype: of what is quantised in the GGUF; f16 rounds a value by at most 2^-11 of itself, far below the
            step of any quantised type. What is not quantised keeps its type, exactly.
        window: tokens of the runner's context, which decides what phi3 computes; 0: a narrow one.
        progress: called with the share written, 0 to 1; may raise to give up.

    Raises:
        ConversionError: no faithful training base can be made, or the disk has no room for it; nothing is left.
        OSError: the disk became full, or a file is not accessible; nothing is left.
    """
    plan = plan_training_base(gguf, dtype=dtype, window=window)
    total, done = max(1, sum(tensor.size_bytes for tensor in plan.tensors)), 0

    def count(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        progress(done / total)

    with appearing(folder) as temporary:
        _require_room(plan.size_bytes, folder.parent)
        (temporary / CONFIG).write_bytes(msgspec.json.format(msgspec.json.encode(plan.config), indent=2))
        _write_vocabulary(gguf, plan.header, temporary / VOCABULARY)
        write_safetensors(temporary / WEIGHTS, plan.tensors, served_types=plan.served_types, written=count)


def _write_vocabulary(gguf: Path, header: GgufHeader, file: Path) -> None:
    """Write a GGUF of the same keys and no tensors; llama.cpp loads it for its vocabulary alone."""
    with gguf.open("rb") as source:
        source.seek(header.keys_start)
        keys = read_exactly(source, header.keys_end - header.keys_start)
    file.write_bytes(MAGIC + struct.pack("<IQQ", header.version, 0, header.key_count) + keys)


def _require_room(size_bytes: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes + _SPARE_BYTES:
        raise ConversionError(
            f"the training base needs {size_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free in {folder}",
            hint="free some space, or set base.hf to a Hugging Face folder of this model",
        )
