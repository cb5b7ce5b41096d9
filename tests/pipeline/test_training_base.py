from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.converters import served_models
from tests.support.homes import never, opened, reconfigure, silent

from laimark_sidecar.errors import ConversionError, MissingExtraError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import training_base as module
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.training_base import NOTE, compared_before, ensure_training_base
from laimark_sidecar.pipeline.workshop import Workshop

pytestmark = pytest.mark.timeout(120)  # each comparison starts torch


@pytest.fixture(scope="module")
def gguf(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served_models.quantise(demo_gguf, tmp_path_factory.mktemp("served") / "base.gguf", "q8_0")


@pytest.fixture
def workshop(ready_home: Home, gguf: Path) -> Workshop:
    """A home whose user named the served file only."""
    reconfigure(ready_home, "base", hf="", gguf=str(gguf))
    return opened(ready_home)


@pytest.fixture(scope="module")
def made_cache(ready_root: Path, gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first use leaves in a base's cache, made once."""
    home = Home(root=tmp_path_factory.mktemp("made") / "home")
    shutil.copytree(ready_root, home.root)
    reconfigure(home, "base", hf="", gguf=str(gguf))
    told: list[tuple[str, float]] = []
    workshop = opened(home)
    ensure_training_base(workshop, report=lambda *step: told.append(step), should_stop=never)
    assert [share for what, share in told if what == "making the training base"][-1] == 1.0
    assert told[-1][0].startswith("comparing")
    return workshop.base.cache


@pytest.fixture
def made(workshop: Workshop, made_cache: Path) -> Workshop:
    shutil.copytree(made_cache, workshop.base.cache)
    return workshop


def no_comparison(*_arguments: object, **_settings: object) -> None:
    raise AssertionError("compared again")


def test_folder_is_made_compared_and_then_taken_as_it_is(
    made: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = compared_before(made.base.cache / NOTE)
    assert compared is not None
    assert compared.gguf_sha256 == made.base.identity.sha256
    assert compared.fidelity.flaw() == ""
    assert {file.name for file in made.base.hf_dir.iterdir()} == set(compared.sizes)
    monkeypatch.setattr(module, "measure_fidelity", no_comparison)
    monkeypatch.setattr(module, "make_training_base", no_comparison)
    ensure_training_base(made, report=silent, should_stop=never)


def test_folder_of_the_users_own_is_left_alone(ready_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = opened(ready_home)
    monkeypatch.setattr(module, "measure_fidelity", no_comparison)
    ensure_training_base(workshop, report=silent, should_stop=never)
    assert not workshop.base.cache.exists()


def test_truncated_folder_is_made_and_compared_again(
    made: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    weights = made.base.hf_dir / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    ensure_training_base(made, report=silent, should_stop=never)
    assert weights.read_bytes() == whole
    assert "is damaged and is made again" in caplog.text


def test_finished_folder_without_a_comparison_is_compared_but_not_made_again(
    made: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made.base.cache / NOTE).write_bytes(b"{")
    monkeypatch.setattr(module, "make_training_base", no_comparison)
    ensure_training_base(made, report=silent, should_stop=never)
    assert compared_before(made.base.cache / NOTE) is not None


def test_unfaithful_folder_is_refused_removed_and_not_tried_twice(
    made: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = made.base.cache / NOTE
    config = made.base.hf_dir / "config.json"
    note.unlink()
    config.write_bytes(config.read_bytes().replace(b'"rope_theta": 10000.0', b'"rope_theta": 500.0'))
    with pytest.raises(
        ConversionError, match=r"does not compute what the runner computes: .* nats"
    ) as caught:
        ensure_training_base(made, report=silent, should_stop=never)
    assert "base.hf" in caught.value.hint
    assert not made.base.hf_dir.exists()
    monkeypatch.setattr(module, "make_training_base", no_comparison)
    with pytest.raises(ConversionError, match="nats"):
        ensure_training_base(made, report=silent, should_stop=never)


@pytest.mark.parametrize("other", [{"gguf_sha256": "f" * 64}, {"context": 4096}])
def test_folder_of_other_bytes_or_for_another_window_is_made_again(
    made: Workshop, other: dict[str, Any]
) -> None:
    note = made.base.cache / NOTE
    compared = compared_before(note)
    assert compared is not None
    note.write_bytes(msgspec.json.encode(replace(compared, **other)))
    (made.base.hf_dir / "stale").touch()
    ensure_training_base(made, report=silent, should_stop=never)
    assert not (made.base.hf_dir / "stale").exists()
    assert compared_before(note) == compared


@pytest.mark.parametrize("asked_before", [0, 3])
def test_stop_while_making_leaves_nothing_half(workshop: Workshop, asked_before: int) -> None:
    answers = iter([*[False] * asked_before, True])
    stop: Callable[[], bool] = lambda: next(answers)  # noqa: E731
    with pytest.raises(Yielded, match="will start again"):
        ensure_training_base(workshop, report=silent, should_stop=stop)
    assert not list(workshop.base.cache.iterdir())


def test_folder_of_an_earlier_base_makes_room_and_the_rest_of_its_cache_stays(workshop: Workshop) -> None:
    earlier, own = workshop.home.bases / "0123456789abcdef", workshop.home.bases / "made-1234"
    for file in (
        earlier / "training-base" / "model.safetensors",
        earlier / ".training-base.tmp" / "model.safetensors",
        earlier / NOTE,
        earlier / "core-anchor.safetensors",
        own / "base.gguf",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    with pytest.raises(Yielded):
        ensure_training_base(workshop, report=silent, should_stop=lambda: True)
    assert [file.name for file in earlier.iterdir()] == ["core-anchor.safetensors"]
    assert (own / "base.gguf").is_file()


def test_stop_while_comparing_keeps_the_folder(made: Workshop) -> None:
    (made.base.cache / NOTE).unlink()
    with pytest.raises(Yielded, match="comparing"):
        ensure_training_base(made, report=silent, should_stop=lambda: True)
    assert made.base.hf_dir.is_dir()
    assert not (made.base.cache / NOTE).exists()


def test_missing_training_packages_are_an_expected_error(made: Workshop, tmp_path: Path) -> None:
    (made.base.cache / NOTE).unlink()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n")
    python.chmod(0o700)
    config = replace(made.config, training=replace(made.config.training, python=str(python)))
    with pytest.raises(MissingExtraError, match="torch"):
        ensure_training_base(replace(made, config=config), report=silent, should_stop=never)
