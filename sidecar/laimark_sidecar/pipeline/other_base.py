"""Refs whose version was made for another base: the runner leaves it out and the base answers in its place."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.errors import LaimarkError
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.workshop import Workshop

HINT = "restore the base file, or delete bases/made-* if it was generated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estranged:
    """A ref that points at a version which cannot answer on the base of now."""

    ref: str
    version: str
    made_for: str
    """sha256 of the GGUF that the version was trained on."""
    base: str
    """sha256 of the GGUF that is served now."""

    @property
    def message(self) -> str:
        """What is wrong, to be read after the ref's name."""
        return (
            f"is {self.version}, made for base {self.made_for[:12]}, "
            f"the base now is {self.base[:12]}: the base answers"
        )


def estranged(workshop: Workshop) -> tuple[Estranged, ...]:
    """Return the refs that answer as the base because of another base, `latest` first.

    What cannot be read is left out: the registry's own check says what is wrong with it.
    """
    now = workshop.base.identity.sha256
    found: list[Estranged] = []
    for ref in (LATEST, PREV):
        try:
            name = workshop.registry.refs().get(ref, "")
            made_for = workshop.registry.get(name).base.sha256 if name else now
        except LaimarkError:
            continue
        if made_for != now:
            found.append(Estranged(ref=ref, version=name, made_for=made_for, base=now))
    return tuple(found)
