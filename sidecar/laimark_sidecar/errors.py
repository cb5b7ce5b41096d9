"""Expected failures: each says what is wrong, with which value, and what to do next.

Anything that is not a `LaimarkError` is a bug and is shown with its traceback (exit code 70, EX_SOFTWARE).
Exit codes are stable: scripts may rely on them.
"""

from __future__ import annotations

from typing import ClassVar


class LaimarkError(Exception):
    """An expected failure, shown to the user without a traceback.

    Args:
        message: what is wrong, with the offending value and where it was found.
        hint: the command to run or the setting to change; shown on its own line.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(LaimarkError):
    """The configuration cannot be used as it is."""

    exit_code = 3


class DataError(LaimarkError):
    """A file, log line or message is malformed."""

    exit_code = 4


class StateError(LaimarkError):
    """The state home is missing, damaged, or was written by a newer version."""

    exit_code = 5


class LockedError(LaimarkError):
    """Another process holds what this one needs."""

    exit_code = 6


class RunnerError(LaimarkError):
    """The runner is not there, refused, or answered wrongly."""

    exit_code = 7


class BaseChangedError(RunnerError):
    """The base model that the runner serves is not the one the adapters were made for."""

    exit_code = 8


class TrainingError(LaimarkError):
    """A training job failed; nothing was changed."""

    exit_code = 9


class ConversionError(LaimarkError):
    """An adapter or model cannot be converted faithfully, so it is not converted at all."""

    exit_code = 10


class RejectedError(LaimarkError):
    """The gate said no: a normal outcome that changes nothing."""

    exit_code = 11


class MissingExtraError(LaimarkError):
    """An optional dependency is needed for this command and is not installed."""

    exit_code = 12
