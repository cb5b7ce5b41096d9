"""The file, the environment and the defaults, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.config.load import load, load_settings
from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def refusal(file: Path, text: str) -> ConfigError:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    return caught.value


def test_a_missing_file_means_the_defaults(file: Path) -> None:
    assert load(file, {}) == Config()


@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_an_emptied_file_is_no_wish_for_the_defaults(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty: was an edit of it interrupted"):
        load(file, {})


def test_the_file_wins_over_the_defaults_and_the_environment_over_the_file(file: Path) -> None:
    file.write_text("[training]\nsteps = 5\nrank = 4\n")
    config = load(file, {"LAIMARK_TRAINING_RANK": "2"})
    assert (config.training.steps, config.training.rank, config.training.seed) == (5, 2, 0)


def test_settings_know_where_they_come_from(file: Path) -> None:
    file.write_text("[training]\nsteps = 5\nrank = 4\n")
    origins = {s.key.path: s.origin for s in load_settings(file, {"LAIMARK_TRAINING_RANK": "2"})}
    assert origins["training.steps"] == "file"
    assert origins["training.rank"] == "environment"
    assert origins["training.seed"] == "default"


def test_a_whole_number_is_taken_where_a_fraction_is_meant(file: Path) -> None:
    file.write_text("[schedule]\nidle_s = 30\n")
    idle_s = load(file, {}).schedule.idle_s
    assert (idle_s, type(idle_s)) == (30.0, float)


def test_the_process_environment_is_read_by_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAIMARK_PROMOTION_NAME", "anna")
    assert load(file).promotion.name == "anna"


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name(file: Path) -> None:
    error = refusal(file, "[base]\n\n[training]\nsteps = 5\nlearning_rat = 1\n")
    assert str(error) == f"{file}:5: unknown key training.learning_rat"
    assert error.hint == "did you mean 'learning_rate'?"
    assert error.exit_code == 3


def test_an_unknown_section_is_refused_with_its_line_and_the_nearest_name(file: Path) -> None:
    error = refusal(file, "[base]\n[trainin]\nsteps = 5\n")
    assert str(error) == f"{file}:2: unknown section [trainin]"
    assert error.hint == "did you mean 'training'?"


def test_a_name_that_resembles_nothing_gets_the_list(file: Path) -> None:
    assert refusal(file, "[promotion]\nzzz = 5\n").hint == "there are: mode, name"


def test_a_key_outside_its_section_is_refused(file: Path) -> None:
    assert str(refusal(file, "runner = 5\n")) == f"{file}:1: runner is 5, expected a section [runner]"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('steps = "many"', "training.steps is 'many', expected a whole number"),
        ("rank = 0", "training.rank is 0, expected at least 1 and at most 1024"),
        ('device = "gpu"', "training.device is 'gpu', expected one of 'auto', 'cpu', 'cuda', 'mps'"),
        ("learning_rate = nan", "training.learning_rate is nan, expected a number"),
        ("seed = 2026-11-22", "training.seed is datetime.date(2026, 11, 22), expected a whole number"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(file: Path, line: str, problem: str) -> None:
    assert str(refusal(file, f"[training]\n{line}\n")) == f"{file}:2: {problem}"


def test_contradicting_keys_are_refused_with_the_file(file: Path) -> None:
    error = refusal(file, "[training]\nmicro_batch_size = 3\n")
    assert str(error).startswith(f"{file}: training.micro_batch_size is 3")
    assert error.hint


def test_broken_toml_is_refused_with_its_position(file: Path) -> None:
    assert "line 2" in str(refusal(file, "[base]\nname = me\n"))


def test_bytes_that_are_no_utf8_are_refused(file: Path) -> None:
    file.write_bytes(b'[base]\nname = "\xff"\n')
    with pytest.raises(ConfigError, match="cannot be read"):
        load(file, {})


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


def test_reading_leaves_the_permissions_alone(file: Path) -> None:
    file.write_text("[training]\nsteps = 5\n")
    file.chmod(0o640)
    load(file, {})
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_byte_order_mark_is_no_mistake(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[training]\nsteps = 7\n")
    assert load(file, {}).training.steps == 7


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 5000])
def test_what_the_parser_chokes_on_is_a_configuration_error(file: Path, value: str) -> None:
    file.write_text(f"[training]\nsteps = {value}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(file, {})
