"""What a version's update looks like from within: sizes, directions, intruders; said to people, decided by nobody.

Warnings only. Whether they foretell damage is not shown (docs/EVIDENCE.md); the gate measures damage itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from laimark_converters.errors import ConversionError as Refused
from laimark_converters.update_health import LEADING, LayerHealth, update_health
from laimark_sidecar.errors import ConversionError
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version

FEW_DIRECTIONS = 1.5
"""Effective rank below which an update says one thing about everything."""
MANY_INTRUDERS = LEADING // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A version's weights."""

    version: str
    layers: tuple[LayerHealth, ...]
    warnings: tuple[str, ...]

    @property
    def effective_rank(self) -> float:
        """Mean over the weights that are changed."""
        ranks = [one.effective_rank for one in self.layers if one.norm > 0]
        return sum(ranks) / len(ranks) if ranks else 0.0


def health(workshop: Workshop, version: Version) -> Health:
    """Look at the adapter of a version beside the base that it was made for; reads every changed weight of the base.

    Raises:
        BaseChangedError: it was made for another base than is configured.
        ConversionError: a file is damaged, or the base holds a type that is not decoded.
    """
    require_same(version.base, workshop.base.identity, where=version.name)
    try:
        layers = update_health(
            workshop.registry.objects.path(version.objects["adapter.gguf"]), workshop.base.gguf
        )
    except Refused as error:
        raise ConversionError(str(error), hint=error.hint or "laimark-sidecar check") from error
    return Health(version=version.name, layers=layers, warnings=warnings(layers))


def warnings(layers: tuple[LayerHealth, ...]) -> tuple[str, ...]:
    """Return what is unusual, as sentences."""
    flat = [one.tensor for one in layers if 0 < one.effective_rank < FEW_DIRECTIONS]
    strange = [one.tensor for one in layers if (one.intruders or 0) > MANY_INTRUDERS]
    found = []
    if flat:
        found.append(f"{len(flat)} updates point in hardly more than one direction, first {flat[0]}")
    if strange:
        found.append(
            f"{len(strange)} weights are led by directions that the base did not have, first {strange[0]}"
        )
    return tuple(found)
