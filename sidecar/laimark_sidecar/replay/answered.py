"""An answer that was given, remembered so that a later correction, edit or regeneration can find it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer to one prompt. Several answers may share a `prefix`: they are regenerations."""

    prefix: str
    """Hash chain over the messages that the answer followed."""
    exchange_id: str
    answer: str
    version: str
    """Adapter version that answered; empty for the base."""
    time_s: float
    source: str = ""
    """The log that it was read from."""
    withheld: bool = False
    """The answer holds what may not be stored here (a secret): it stands in the journal alone, and `answer` is empty
    where it was read from the buffer."""
    pair: str = ""
    """Hash of the user's last words and the answer: two logs of one exchange share it (empty: never asked for)."""
