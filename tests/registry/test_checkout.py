from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.registry.drafts import added

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.registry.checkout import checkout
from laimark_sidecar.registry.registry import Registry


def test_a_checkout_holds_every_object_under_its_role(registry: Registry, tmp_path: Path) -> None:
    folder = checkout(registry.objects, added(registry, "a"), tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert json.loads((folder / "adapter_config.json").read_bytes()) == {"r": 16}


def test_writing_into_a_checkout_does_not_reach_the_registry(registry: Registry, tmp_path: Path) -> None:
    version = added(registry, "a")
    folder = checkout(registry.objects, version, tmp_path / "out")
    (folder / "adapter_config.json").write_bytes(b"overwritten")
    assert all(registry.objects.verify(sha256) for sha256 in version.objects.values())


def test_a_checkout_replaces_the_one_before(registry: Registry, tmp_path: Path) -> None:
    first, second = added(registry, "a"), added(registry, "b")
    folder = checkout(registry.objects, first, tmp_path / "out")
    (folder / "stray").touch()
    checkout(registry.objects, second, folder)
    assert (folder / "adapter_model.safetensors").read_bytes() == b"b" * 100
    assert not (folder / "stray").exists()


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_object_leaves_the_old_checkout_alone(
    registry: Registry, tmp_path: Path, damage: str
) -> None:
    first, second = added(registry, "a"), added(registry, "b")
    folder = checkout(registry.objects, first, tmp_path / "out")
    broken = registry.objects.path(second.objects["adapter_model.safetensors"])
    if damage == "flip":
        broken.chmod(0o600)
        broken.write_bytes(b"b" * 99 + b"c")
    else:
        broken.unlink()
    with pytest.raises(StateError):
        checkout(registry.objects, second, folder)
    assert (folder / "adapter_model.safetensors").read_bytes() == b"a" * 100
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_role_cannot_leave_the_folder(registry: Registry, tmp_path: Path) -> None:
    version = added(registry, "a")
    hostile = replace(version, objects={"../../evil": version.objects["adapter_config.json"]})
    with pytest.raises((DataError, StateError), match="evil"):
        checkout(registry.objects, hostile, tmp_path / "out")
    assert not (tmp_path.parent / "evil").exists()
