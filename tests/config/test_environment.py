"""Overrides from the environment."""

from __future__ import annotations

import pytest

from laimark_sidecar.config.environment import environment_values, variable
from laimark_sidecar.config.schema import all_keys
from laimark_sidecar.errors import ConfigError


def values(**environ: str) -> dict[str, bool | int | float | str]:
    return environment_values(environ, all_keys())


def test_every_key_has_a_variable_of_its_own() -> None:
    names = [variable(key) for key in all_keys()]
    assert len(set(names)) == len(names)
    assert "LAIMARK_TRAINING_BATCH_SIZE" in names


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LAIMARK_TRAINING_STEPS", "12", 12),
        ("LAIMARK_TRAINING_LEARNING_RATE", "3e-4", 3e-4),
        ("LAIMARK_JOURNAL_RECORD", "false", False),
        ("LAIMARK_JOURNAL_RECORD", "1", True),
        ("LAIMARK_BASE_NAME", "12", "12"),
    ],
)
def test_text_is_read_as_the_kind_of_its_key(name: str, text: str, value: object) -> None:
    (read,) = values(**{name: text}).values()
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("LAIMARK_TRAINING_STEPS", "many", "training.steps is 'many', expected a whole number"),
        ("LAIMARK_TRAINING_STEPS", "0", "training.steps is 0, expected at least 1"),
        ("LAIMARK_JOURNAL_RECORD", "perhaps", "journal.record is 'perhaps', expected true or false"),
        ("LAIMARK_JOURNAL_FSYNC", "daily", "journal.fsync is 'daily', expected one of"),
        ("LAIMARK_GATE_ALPHA", "nan", "gate.alpha is nan, expected a number"),
    ],
)
def test_a_bad_value_is_refused_with_the_variable(name: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        values(**{name: text})
    assert str(caught.value).startswith(f"{name} in the environment: {problem}")


def test_a_typo_is_refused_with_the_nearest_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        values(LAIMARK_TRAINING_STEP="3")
    assert caught.value.hint == "did you mean LAIMARK_TRAINING_STEPS?"


@pytest.mark.parametrize(
    ("name", "meant"), [("LAIMARK_HOM", "LAIMARK_HOME"), ("LAIMARK_TRAININGSTEPS", "LAIMARK_TRAINING_STEPS")]
)
def test_a_slip_in_the_name_of_a_variable_is_no_other_program_s(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} in the environment means nothing") as caught:
        values(**{name: "x"})
    assert caught.value.hint == f"did you mean {meant}?"


def test_variables_of_other_things_are_left_alone() -> None:
    assert values(LAIMARK_HOME="/x", LAIMARK_TORCH="torch", LAIMARK_LLAMA_CPP_SOURCE="y", PATH="z") == {}
