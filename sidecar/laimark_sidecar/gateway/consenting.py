"""Asks the user's consent for each exchange that passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from laimark_sidecar.gateway.observing import Head
from laimark_sidecar.journal.consent_file import ConsentFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Consenting:
    """Says whether an exchange may be recorded; a `Permits`."""

    consent: ConsentFile
    record: bool
    """The master switch, `journal.record`."""
    is_own: Callable[[str], bool]
    """Whether a model is one of this home's, which are recorded unless the user says otherwise."""
    one_model: bool = False
    """Whatever a request calls it, the same model answers: a no to any of its names is a no."""

    def __call__(self, *, model: str, client: str, head: Head, since_s: float) -> bool:
        consent = self.consent.now()
        if not self.record or consent is None or not consent.unbroken_since(since_s):
            return False
        if not consent.covers_client(client) or (self.one_model and not all(consent.models.values())):
            return False
        return consent.covers_model(model, (model,) if self.is_own(model) else ())

    @property
    def on(self) -> bool:
        """Whether anything is recorded now."""
        consent = self.consent.now()
        return self.record and consent is not None and consent.on
