"""What a DoRA or IA3 folder does to the weights of a served base, tensor by tensor: neither is a LoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from laimark_converters.architectures import for_gguf
from laimark_converters.base_fit import check_readable
from laimark_converters.dora import dora_changes
from laimark_converters.errors import ConversionError
from laimark_converters.header import GgufHeader
from laimark_converters.ia3 import ia3_changes
from laimark_converters.merged_rows import RowUpdate
from laimark_converters.peft_config import check_ia3_config, read_kind, read_lora_config
from laimark_converters.safetensors_index import read_index

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
"""All of a PEFT folder that decides what the adapter computes."""


def read_changes(folder: Path, base: GgufHeader) -> Mapping[str, Callable[[], RowUpdate]]:
    """Return, by the base's tensor names, what loads the update of each tensor that the adapter changes.

    Every name and shape was checked against the base, and every tensor named is of a type that is decoded here;
    values are looked at when an update is loaded.

    Args:
        folder: PEFT's, of a DoRA or an IA3.
        base: header of the served model.

    Raises:
        ConversionError: the adapter is another kind, is damaged or does not fit this base.
    """
    config_file, weights_file = (folder / name for name in ADAPTER_FILES)
    kind = read_kind(config_file)
    architecture = for_gguf(base.architecture)
    if kind == "ia3":
        check_ia3_config(config_file)
        changes = ia3_changes(read_index(weights_file), architecture, base)
    elif kind == "dora":
        config = read_lora_config(config_file, dora=True)
        changes = dora_changes(read_index(weights_file), config, architecture, base)
    else:
        raise ConversionError(f"{folder} is neither a DoRA nor an IA3", hint="convert it to a GGUF adapter")
    for name in changes:
        check_readable(base.tensors[name], base)
    return changes
