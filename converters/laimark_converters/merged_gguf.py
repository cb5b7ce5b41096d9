"""Merge an adapter into a served GGUF, for runners that take no adapters and for adapters that are no LoRA.

The base's bytes are copied as they are; only tensors that the adapter changes are rewritten, at a precision that keeps
the update. Rounding back onto a 4-bit grid would lose it: an update smaller than half a step vanishes.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.adapter_reader import read_adapter_header, read_pair
from laimark_converters.byte_stream import sha256_file
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header
from laimark_converters.merge_plan import Rewritten, Touched, check_merge, merged_kind, plan_merge
from laimark_converters.merged_rows import RowUpdate, lora_update
from laimark_converters.merged_writer import Merged, Sources, write_merged
from laimark_converters.peft_config import read_kind
from laimark_converters.weight_changes import ADAPTER_FILES, read_changes

__all__ = ["Merged", "merge"]

Progress = Callable[[float], None]


def merge(
    base_gguf: Path,
    adapter: Path,
    out: Path,
    *,
    touched: Touched = "q8_0",
    scale: float = 1.0,
    progress: Progress = lambda _share: None,
) -> Merged:
    """Write base + scale * adapter to `out`, durable and complete when it returns; equal input, equal bytes.

    Blocks for about as long as it takes to read the base twice and write it once, plus the arithmetic. Memory is
    a few blocks of rows and one tensor's A and B, whatever the model's size. May be repeated.

    Args:
        base_gguf: the GGUF that the runner serves, of any type that gguf-py decodes.
        adapter: a LoRA GGUF (its q and k rows are in ggml's order, and its scale is folded in), or the PEFT folder
            of a LoRA, DoRA or IA3. The last two are merged as PEFT merges them, into the weights that are served.
        out: replaced as a whole, or left as it is; not the base or the adapter.
        touched: type of the rewritten tensors; vectors stay f32.
        scale: further factor on the adapter's effect, which is merged minus base; the line search's for a PEFT folder.
        progress: called with the share written, 0 to 1, first when the base was read once; may raise to give up.

    Raises:
        ConversionError: the adapter does not fit the base, a type is not read, a value does not fit its type, or
            a file changed meanwhile; `out` is what it was.
        OSError: a file cannot be read or `out` cannot be written; `out` is what it was.
    """
    if not math.isfinite(scale):
        raise ConversionError(f"scale is {scale}; it must be finite")
    if out.exists() and any(out.samefile(source) for source in (base_gguf, adapter) if source.exists()):
        raise ConversionError(f"{out} would replace what it is made of", hint="name another file to write")
    if not adapter.is_dir():
        return _merge_gguf(base_gguf, adapter, out, touched, scale, progress)
    if read_kind(adapter / "adapter_config.json") != "lora":
        return _merge_changes(base_gguf, adapter, out, touched, scale, progress)
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "adapter.gguf"
        convert_adapter(adapter, base_gguf, converted)
        return _merge_gguf(base_gguf, converted, out, touched, scale, progress)


def _merge_gguf(
    base_gguf: Path, adapter: Path, out: Path, touched: Touched, scale: float, progress: Progress
) -> Merged:
    sources = Sources(base_gguf, adapter)
    header, lora = read_header(base_gguf), read_adapter_header(adapter)
    origin = {"base_sha256": sha256_file(base_gguf), "adapter_sha256": sha256_file(adapter)}
    plan = plan_merge(header, lora, touched, base_sha256=origin["base_sha256"], scale=scale)

    def updates(name: str) -> RowUpdate:
        return lora_update(read_pair(adapter, lora, name))

    return write_merged(
        base_gguf, header, plan, updates, origin=origin, sources=sources, out=out, progress=progress
    )


def _merge_changes(
    base_gguf: Path, adapter: Path, out: Path, touched: Touched, scale: float, progress: Progress
) -> Merged:
    files = [adapter / name for name in ADAPTER_FILES]
    sources = Sources(base_gguf, *files)
    header = read_header(base_gguf)
    check_merge(header, touched)
    changes = read_changes(adapter, header)
    plan = {
        name: Rewritten(
            base=header.tensors[name], kind=merged_kind(header.tensors[name].shape, touched), scale=scale
        )
        for name in changes
    }
    origin = {"base_sha256": sha256_file(base_gguf), "adapter_sha256": sha256_file(*files)}
    return write_merged(
        base_gguf,
        header,
        plan,
        lambda name: changes[name](),
        origin=origin,
        sources=sources,
        out=out,
        progress=progress,
    )
