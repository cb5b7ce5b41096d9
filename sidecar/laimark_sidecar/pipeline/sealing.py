"""Makes the journal's folder say what the configuration says of sealing: its writers and readers look nowhere else."""

from __future__ import annotations

from laimark_sidecar.config.schema import Config
from laimark_sidecar.journal.sealing import read_seal, turn_off, turn_on
from laimark_sidecar.paths import Home, expanded


def settle_sealing(home: Home, config: Config) -> None:
    """Turn sealing on or off, as `journal.encrypt` says; a writer follows with its next segment, at the latest in a day.

    Raises:
        MissingExtraError: pyrage is not installed.
        StateError: the key file holds no key, or what the folder says is damaged.
    """
    named = config.journal.key_file
    key_file = expanded(named, named_by="journal.key_file").absolute() if named else home.root / "journal.key"
    if not config.journal.encrypt:
        turn_off(home.journal)
        return
    seal = read_seal(home.journal)
    # A key that is gone is not made anew by itself: what was sealed for it could then be read by nobody.
    if seal is None or not seal.recipient or seal.key_file != str(key_file):
        turn_on(home.journal, key_file)
