from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from laimark_sidecar.config.schema import Config
from laimark_sidecar.config.serving import Base
from laimark_sidecar.errors import BaseChangedError, ConfigError, ConversionError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import base as module
from laimark_sidecar.pipeline.base import identify, require_same, resolve


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path / "home")


def test_identity_is_that_of_the_bytes_served(home: Home, demo_gguf: Path) -> None:
    found = identify(home, demo_gguf, name="demo")
    assert found.sha256 == sha256_file(demo_gguf)
    assert (found.architecture, found.name) == ("llama", "demo")
    assert found.template_sha256 != found.tokenizer_sha256 != ""


def test_file_that_has_not_changed_is_not_read_again(
    home: Home, demo_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = identify(home, demo_gguf, name="demo")
    monkeypatch.delattr(module, "measure")
    assert identify(home, demo_gguf, name="demo") == first


def test_replaced_file_is_noticed(home: Home, demo_gguf: Path, tmp_path: Path) -> None:
    gguf = tmp_path / "base.gguf"
    shutil.copy(demo_gguf, gguf)
    before = identify(home, gguf, name="demo")
    with gguf.open("ab") as handle:
        handle.write(b"\0" * 32)
    after = identify(home, gguf, name="demo")
    assert after.sha256 == sha256_file(gguf) != before.sha256


@pytest.mark.parametrize("content", [b"{", b'{"x": ' + b"[" * 100_000])
def test_damaged_note_is_made_anew(home: Home, demo_gguf: Path, content: bytes) -> None:
    first = identify(home, demo_gguf, name="demo")
    (note,) = home.bases.glob("identity-*.json")
    note.write_bytes(content)
    assert identify(home, demo_gguf, name="demo") == first


def test_gguf_is_made_once_and_again_when_the_weights_change(
    home: Home, small_base_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hf_dir = tmp_path / "hf"
    shutil.copytree(small_base_dir, hf_dir)
    config = Config(base=Base(hf=str(hf_dir)))
    first = resolve(home, config)
    assert first.gguf.is_relative_to(home.bases)
    with monkeypatch.context() as patch:
        patch.delattr(module, "sha256_file")  # neither read nor hashed while nothing has changed
        patch.delattr(module, "convert_base")
        assert resolve(home, config) == first
    weights = hf_dir / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    second = resolve(home, config)
    assert second.gguf != first.gguf
    assert second.identity.sha256 != first.identity.sha256
    assert second.cache != first.cache


def test_damaged_made_gguf_is_noticed_and_made_again(
    home: Home, small_base_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(base=Base(hf=str(small_base_dir)))
    first = resolve(home, config)
    whole = first.gguf.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    unknown = whole.replace(b"llama", b"lamas")  # whole by its header, and llama.cpp refuses it
    for damage in (b"", whole[:100], whole[:middle], whole[:-1], flipped, unknown):
        caplog.clear()
        first.gguf.write_bytes(damage)
        assert resolve(home, config) == first
        assert first.gguf.read_bytes() == whole
        assert f"{first.gguf} is damaged and is made again" in caplog.text


def test_made_gguf_of_an_earlier_release_is_taken_as_it_is(home: Home, small_base_dir: Path) -> None:
    config = Config(base=Base(hf=str(small_base_dir)))
    first = resolve(home, config)
    (note,) = home.bases.glob("made-*/made.json")
    note.unlink()
    assert resolve(home, config) == first
    assert note.is_file()


def test_named_gguf_that_is_damaged_is_refused_with_its_path_and_left_as_it_is(
    home: Home, small_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    gguf = tmp_path / "mine.gguf"
    whole = demo_gguf.read_bytes()
    config = Config(base=Base(hf=str(small_base_dir), gguf=str(gguf)))
    for damage in (b"", b"hello, I am no GGUF", whole[:100], whole[: len(whole) // 2], whole[:-1]):
        gguf.write_bytes(damage)
        with pytest.raises(ConfigError, match=rf"base\.gguf: {gguf}: mine\.gguf is ") as caught:
            resolve(home, config)
        assert caught.value.hint
        assert gguf.read_bytes() == damage


def test_named_gguf_that_is_whole_and_still_refused_is_no_damage(
    home: Home, small_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    gguf = tmp_path / "mine.gguf"
    gguf.write_bytes(demo_gguf.read_bytes().replace(b"llama", b"lamas"))
    with pytest.raises(RunnerError, match=r"cannot load .*mine\.gguf"):
        resolve(home, Config(base=Base(hf=str(small_base_dir), gguf=str(gguf))))


def test_folder_of_a_named_gguf_is_named_and_not_made(home: Home, demo_gguf: Path) -> None:
    found = resolve(home, Config(base=Base(gguf=str(demo_gguf))))
    assert found.hf_made
    assert found.hf_dir.parent == found.cache == home.bases / found.identity.sha256[:16]
    assert not found.cache.exists()
    assert found.gguf == demo_gguf


def test_folder_of_the_users_own_is_never_made(home: Home, small_base_dir: Path, demo_gguf: Path) -> None:
    for base in (Base(), Base(hf=str(small_base_dir)), Base(hf=str(small_base_dir), gguf=str(demo_gguf))):
        found = resolve(home, Config(base=base))
        assert not found.hf_made
        assert (found.hf_dir / "config.json").is_file()


def test_missing_folder_or_file_names_the_key(home: Home, tmp_path: Path, small_base_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"base\.hf"):
        resolve(home, Config(base=Base(hf=str(tmp_path / "nothing"))))
    with pytest.raises(ConfigError, match=r"base\.gguf"):
        resolve(home, Config(base=Base(hf=str(small_base_dir), gguf=str(tmp_path / "nothing.gguf"))))


def test_a_tilde_of_nobody_names_the_key(home: Home, small_base_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"^base\.hf: ~nosuchuser/base: "):
        resolve(home, Config(base=Base(hf="~nosuchuser/base")))
    with pytest.raises(ConfigError, match=r"^base\.gguf: ~nosuchuser/base\.gguf: "):
        resolve(home, Config(base=Base(hf=str(small_base_dir), gguf="~nosuchuser/base.gguf")))


def test_folder_that_cannot_be_written_as_a_gguf_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mystery", "architectures": ["Mystery"]}')
    with pytest.raises(ConversionError):
        resolve(home, Config(base=Base(hf=str(tmp_path))))
    assert not list(home.bases.rglob("*.gguf"))


def test_other_bytes_are_refused_with_both_digests(home: Home, demo_gguf: Path) -> None:
    identity = identify(home, demo_gguf, name="demo")
    require_same(identity, replace(identity, name="renamed"), where="here")
    with pytest.raises(BaseChangedError, match="here: made for base demo") as caught:
        require_same(identity, replace(identity, sha256="f" * 64), where="here")
    assert identity.sha256[:12] in str(caught.value)
    assert "f" * 12 in str(caught.value)
