from __future__ import annotations

from pathlib import Path

from laimark_sidecar.pipeline.ollama_service import OllamaService


def test_the_drop_in_comes_after_the_users_own(tmp_path: Path) -> None:
    names = [OllamaService(address="127.0.0.1:1", root=tmp_path).drop_in.name, "override.conf"]
    assert sorted(names) == ["override.conf", "zz-laimark-sidecar.conf"]


def test_a_folder_that_is_not_there_yet_is_as_writable_as_the_one_that_is(tmp_path: Path) -> None:
    service = OllamaService(address="127.0.0.1:1", root=tmp_path / "no" / "root")
    assert service.writable()
    assert not service.moved()
    assert not service.drop_in.parent.exists()


def test_a_drop_in_with_another_address_does_not_count_as_moved(tmp_path: Path) -> None:
    service = OllamaService(address="127.0.0.1:2", root=tmp_path)
    service.drop_in.parent.mkdir(parents=True)
    service.drop_in.write_text(OllamaService(address="127.0.0.1:1").content, encoding="utf-8")
    assert not service.moved()
    service.drop_in.write_text(service.content, encoding="utf-8")
    assert service.moved()
