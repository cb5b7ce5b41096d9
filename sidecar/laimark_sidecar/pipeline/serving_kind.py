"""May versions of the configured kind be served beside this base? Asked before anything is trained.

A LoRA is small. What is served of a DoRA or IA3 is its whole update, as large as the weights that it changes, and the
runner holds it beside the base: that is told first, and refused where it is out of all proportion.
"""

from __future__ import annotations

from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import ConfigError
from laimark_sidecar.pipeline.base import ServedBase
from laimark_sidecar.pipeline.convert import servable_bytes

MOST_OF_BASE = 2.0
"""A version may be so many times as large as its base: that is what a base at 8 bits needs for all of its layers at 16."""


def require_servable_kind(config: Config, base: ServedBase) -> int:
    """Return how large a version will be that is no LoRA, in bytes; 0 for one that is.

    Raises:
        ConversionError: such an adapter cannot sit on this base, or could not be served beside it; says why.
        ConfigError: it would be too large.
    """
    kind = config.training.adapter
    if kind == "lora" or kind == "rslora":  # noqa: PLR1714 - mypy narrows what is left by this form alone
        return 0
    size, most = servable_bytes(base.gguf, kind), MOST_OF_BASE * base.gguf.stat().st_size
    if size > most:
        raise ConfigError(
            f'training.adapter is "{kind}": a version would take {size / 1e9:.1f} GB beside a base of '
            f"{base.gguf.stat().st_size / 1e9:.1f} GB, at most {MOST_OF_BASE:g} times that is served",
            hint='set training.adapter to "lora" or "rslora", or choose a base that is quantised less',
        )
    return size
