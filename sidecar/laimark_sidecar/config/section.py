"""What every section of the configuration is: checked where it is made."""

from __future__ import annotations

from laimark_sidecar.config.keys import keys_of
from laimark_sidecar.errors import ConfigError


class Section:
    """Checks every value where a section is made, so that a section in hand is a valid one."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for declared in keys_of(type(self).__name__.lower(), type(self)):
            if problem := declared.problem(getattr(self, declared.name)):
                raise ConfigError(problem)
