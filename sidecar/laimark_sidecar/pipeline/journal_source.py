"""The one log source that is always there: the sidecar's own journal, through the same door as every other."""

from __future__ import annotations

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.sources.source import LogSource, load_sources

NAME = "journal"


def journal_source(workshop: Workshop) -> LogSource:
    """Return the source that tails this home's journal.

    Raises:
        ConfigError: the package's entry points are missing: it runs from a folder without being installed.
    """
    factory = load_sources().get(NAME)
    if factory is None:
        raise ConfigError(
            "the built-in source `journal` is not registered", hint="install the package: pip install ."
        )
    return factory(workshop.home.journal)
