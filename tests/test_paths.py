from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.paths import Home, expanded, home, modelfiles


def test_the_environment_chooses_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAIMARK_HOME", str(tmp_path))
    assert home().root == tmp_path


def test_a_tilde_in_the_environment_is_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAIMARK_HOME", "~/somewhere")
    assert home().root == Path.home() / "somewhere"


def test_a_folder_that_is_named_from_here_is_the_same_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAIMARK_HOME", "rel")
    assert home().root == tmp_path / "rel"


def test_without_it_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAIMARK_HOME", raising=False)
    assert home().root == platformdirs.user_data_path("laimark-sidecar")


def test_a_tilde_of_nobody_is_refused_with_what_named_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAIMARK_HOME", "~nosuchuser/x")
    with pytest.raises(ConfigError, match=r"^LAIMARK_HOME: ~nosuchuser/x: ") as caught:
        home()
    assert "in full" in caught.value.hint


def test_only_a_tilde_at_the_beginning_means_a_user() -> None:
    assert expanded("/a/~nosuchuser", named_by="test") == Path("/a/~nosuchuser")
    assert expanded("~/a", named_by="test") == Path.home() / "a"


def test_asking_for_a_path_creates_nothing(tmp_path: Path) -> None:
    place = Home(root=tmp_path / "home")
    paths = [
        place.config,
        place.journal,
        place.replay,
        place.registry,
        place.cycles,
        place.bases,
        place.core,
        place.control,
    ]
    assert not any(path.exists() for path in paths)
    assert len({*paths, place.daemon_lock, place.runner_token}) == 10


def test_the_shipped_base_is_found() -> None:
    assert (modelfiles() / "demo_base" / "model.safetensors").is_file()
