"""Calls the converters, whose refusals become the sidecar's errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from laimark_converters.adapter_gguf import Converted, convert_adapter
from laimark_converters.adopted_adapter import adopt_adapter
from laimark_converters.base_fit import check_model
from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.dora_scale import scaled_dora
from laimark_converters.errors import ConversionError as Refused
from laimark_converters.extracted_lora import Extracted, extract_lora
from laimark_converters.full_rank import full_rank_bytes, write_full_rank
from laimark_converters.header import read_header
from laimark_converters.peft_config import read_kind
from laimark_converters.peft_folder import PeftFolder, write_peft_folder
from laimark_converters.training_base import plan_training_base, write_training_base
from laimark_sidecar.errors import ConversionError
from laimark_sidecar.logs import action

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

Dtype = Literal["f32", "f16", "bf16", "q8_0"]
_NONE: Mapping[str, str] = {}


def convert(
    adapter: Path,
    base: Path,
    out: Path,
    *,
    scale: float = 1.0,
    dtype: Dtype = "f32",
    metadata: Mapping[str, str] = _NONE,
) -> Converted:
    """Write the GGUF of a PEFT folder; equal input gives equal bytes, so doing it again is harmless.

    Raises:
        ConversionError: it cannot be converted faithfully; says why. `out` is what it was.
    """
    with blaming(adapter, base):
        return convert_adapter(adapter, base, out, scale=scale, dtype=dtype, metadata=metadata)


def serve(
    adapter: Path, base: Path, out: Path, *, scale: float = 1.0, metadata: Mapping[str, str] = _NONE
) -> float:
    """Write what runners serve of a PEFT folder of any kind that is trained here; doing it again is harmless.

    A LoRA is served as it is, a DoRA or IA3 as its whole update.

    Returns:
        The share of the update that rounding left out; 0 for a LoRA.

    Raises:
        ConversionError: it cannot be converted faithfully; says why. `out` is what it was.
    """
    with blaming(adapter, base):
        if read_kind(adapter / "adapter_config.json") == "lora":
            convert_adapter(adapter, base, out, scale=scale, metadata=metadata)
            return 0.0
        done = write_full_rank(adapter, base, out, scale=scale, metadata=metadata)
    log.info(
        "an update of full rank: %.1f MB, %.3f%% of it rounded away",
        done.bytes / 1e6,
        100 * done.residual,
        extra=action("convert.full-rank"),
    )
    return done.residual


def servable_bytes(base: Path, kind: Literal["dora", "ia3"]) -> int:
    """Return how large a version of this kind is beside a base, by the base's header alone.

    Raises:
        ConversionError: it could not be served; says why.
    """
    try:
        return full_rank_bytes(read_header(base), kind)
    except Refused as error:
        raise ConversionError(f"{base}: {error}", hint=error.hint) from error


def dora_at(adapter: Path, base: Path, scale: float) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a DoRA that differ where its effect on a served base is `scale` times as large.

    Raises:
        ConversionError: it does not fit the base, or has no such form; says why.
    """
    with blaming(adapter, base):
        return scaled_dora(adapter, base, scale)


def extract(
    adapter: Path, base: Path, out: Path, *, rank: int, scale: float = 1.0, dtype: Dtype = "f32"
) -> Extracted:
    """Write the LoRA that is closest to a DoRA or IA3, which themselves no runner takes beside a base.

    Raises:
        ConversionError: it does not fit the base, or a LoRA of this rank leaves too much out; says how much.
    """
    with blaming(adapter, base):
        return extract_lora(adapter, base, out, rank=rank, scale=scale, dtype=dtype)


def to_peft(adapter: Path, base: Path, folder: Path) -> PeftFolder:
    """Write a GGUF adapter as the folder that PEFT loads.

    Raises:
        ConversionError: it is damaged or does not fit the base, or the folder exists; nothing is left of it.
    """
    with blaming(adapter, base):
        return write_peft_folder(adapter, base, folder)


def adopt(adapter: Path, base: Path, out: Path) -> Converted:
    """Write a GGUF adapter that somebody else made anew: what llama.cpp would abort on does not get into it.

    Raises:
        ConversionError: it is damaged or does not fit the base; `out` is what it was.
    """
    with blaming(adapter, base):
        return adopt_adapter(adapter, base, out)


@contextmanager
def blaming(adapter: Path, base: Path) -> Iterator[None]:
    """Make a refusal the sidecar's own, of the base where that is the file at fault."""
    try:
        yield
    except Refused as error:
        try:
            check_model(read_header(base))
        except Refused as of_base:
            raise ConversionError(f"the base {base}: {of_base}", hint=of_base.hint) from error
        raise ConversionError(f"{adapter}: {error}", hint=error.hint) from error


def convert_base(hf_dir: Path, out: Path) -> None:
    """Write the GGUF of a Hugging Face folder.

    Raises:
        ConversionError: it cannot be written faithfully; says why. `out` is what it was.
    """
    try:
        write_base_gguf(hf_dir, out)
    except Refused as error:
        raise ConversionError(f"{hf_dir}: {error}", hint=error.hint) from error


def make_training_base(gguf: Path, folder: Path, *, window: int, progress: Callable[[float], None]) -> None:
    """Make the folder that training loads from a served GGUF; it appears complete or not at all.

    Args:
        gguf: the served base.
        folder: must not exist.
        window: tokens of the runner's context.
        progress: called with the share that is written; may raise to give up.

    Raises:
        ConversionError: it cannot be made faithfully, or the disk has no room; says why.
    """
    try:
        write_training_base(gguf, folder, window=window, progress=progress)
    except Refused as error:
        raise ConversionError(f"{gguf}: {error}", hint=error.hint) from error
    except OSError as error:
        raise ConversionError(
            f"the training base of {gguf} cannot be written to {folder}: {error.strerror}",
            hint="free some disk space, or set base.hf to a Hugging Face folder of this model",
        ) from error


def require_trainable(gguf: Path) -> int:
    """Look by its header alone whether a training base can be made of a GGUF, and return its size in bytes.

    Raises:
        ConversionError: it cannot; says why.
    """
    try:
        return plan_training_base(gguf).size_bytes
    except Refused as error:
        raise ConversionError(f"{gguf}: {error}", hint=error.hint) from error


def require_whole(gguf: Path) -> None:
    """Look whether every tensor that the header of a GGUF announces lies inside the file.

    Raises:
        ConversionError: it is truncated, damaged, in parts, or no GGUF; says where.
    """
    try:
        read_header(gguf)
    except Refused as error:
        raise ConversionError(f"{gguf}: {error}", hint=error.hint) from error
