"""Take in a LoRA GGUF that somebody else made: write it anew, so that nothing odd in it reaches a runner.

llama.cpp aborts on a key of an unexpected type, not only on tensors that it cannot use. Of a foreign file only names,
shapes, values and alpha are taken over, each checked, and written as `convert_adapter` would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laimark_converters.adapter_check import DTYPES, CheckedPair, check_adapter
from laimark_converters.adapter_gguf import Converted
from laimark_converters.adapter_output import NO_METADATA, write_adapter
from laimark_converters.adapter_reader import load_half, read_adapter_header, read_alpha
from laimark_converters.gguf_output import OutputTensor
from laimark_converters.header import read_header


def adopt_adapter(
    adapter: Path, base_gguf: Path, out: Path, *, metadata: Mapping[str, str] = NO_METADATA
) -> Converted:
    """Write the LoRA in `adapter` to `out`, durable and complete when it returns; equal input, equal bytes.

    Args:
        adapter: a LoRA GGUF, of any origin.
        base_gguf: the GGUF that the runner serves; only its header is read.
        out: replaced as a whole, or left as it is; may be `adapter`.
        metadata: text keys, as of `convert_adapter`; those of `adapter` are dropped.

    Raises:
        ConversionError: the file is damaged, does not fit this base, or holds values that are not finite; `out` is
            what it was.
        OSError: `out` cannot be written; it is what it was.
    """
    header = read_adapter_header(adapter)
    pairs = check_adapter(header, read_header(base_gguf))
    rank = max(pair.rank for pair in pairs)
    alpha = read_alpha(header) or float(rank)
    tensors = [tensor for pair in pairs for tensor in _outputs(adapter, pair, alpha)]
    size = write_adapter(out, tensors, architecture=header.architecture, alpha=alpha, metadata=metadata)
    return Converted(tensors=len(tensors), bytes=size, rank=rank, alpha=alpha)


def _outputs(adapter: Path, pair: CheckedPair, alpha: float) -> Iterator[OutputTensor]:
    factor = np.float32(pair.alpha / alpha)

    def a_blocks() -> Iterator[NDArray[np.float32]]:
        yield load_half(adapter, pair.a)

    def b_blocks() -> Iterator[NDArray[np.float32]]:
        yield load_half(adapter, pair.b) * factor

    for info, blocks in ((pair.a, a_blocks), (pair.b, b_blocks)):
        yield OutputTensor(name=info.name, shape=info.shape, dtype=DTYPES[info.kind], blocks=blocks)
