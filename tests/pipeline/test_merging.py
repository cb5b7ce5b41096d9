from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from tests.support.lora import write_lora

from laimark_sidecar.errors import ConversionError, StateError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.pipeline import merging as module
from laimark_sidecar.pipeline.merging import MergedType, answered, merge_to, merged, size_bytes
from laimark_sidecar.validation.fingerprint import distance
from laimark_sidecar.validation.scorer import fingerprint

TYPES: tuple[MergedType, ...] = ("f32", "f16", "bf16", "q8_0")


@pytest.fixture(scope="module")
def adapter(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lora(demo_gguf, tmp_path_factory.mktemp("lora") / "a.gguf", seed=3)


def test_the_file_is_lent_and_gone_and_what_it_answers_stays_known(
    demo_gguf: Path, adapter: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "merged"
    assert answered(folder, adapter) == ()
    with merged(folder, demo_gguf, adapter, touched="f16", threads=1) as model:
        assert model.sha256 == sha256_file(model.path)
        assert model.nats < module.MOST_NATS
        again = fingerprint(model.path, None, tmp_path / "scoring", threads=1)
    assert answered(folder, adapter) == (model.fingerprint,)
    assert distance(model.fingerprint, again.tokens) < 1e-3
    assert distance(fingerprint(demo_gguf, None, tmp_path / "scoring", threads=1), again.tokens) > 0.1
    assert [path.suffix for path in folder.iterdir()] == [".json"]
    actions = [record.__dict__["action"] for record in caplog.records]
    assert actions == ["merge.start", "merge.compare", "merge.done"], "whoever waits for it sees what is done"


def test_a_failed_use_and_a_crash_leave_no_model_behind(
    demo_gguf: Path, adapter: Path, tmp_path: Path
) -> None:
    left = tmp_path / "0123-f16.gguf"
    left.write_bytes(b"of a killed process")

    def use_and_fail() -> None:
        with merged(tmp_path, demo_gguf, adapter, touched="f16", threads=1):
            assert not left.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use_and_fail()
    assert list(tmp_path.glob("*.gguf")) == []


def test_a_merge_that_lost_its_adapter_is_not_lent(
    demo_gguf: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_NATS", 1e-9)  # as if rounding were a wrong merge
    with (
        pytest.raises(ConversionError, match="answers otherwise") as caught,
        merged(tmp_path, demo_gguf, adapter, touched="q8_0", threads=1),
    ):
        pytest.fail("it was lent")
    assert "ollama.merged_type" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("touched", TYPES)
def test_size_is_known_before_a_byte_is_written(
    demo_gguf: Path, adapter: Path, tmp_path: Path, touched: MergedType
) -> None:
    made = merge_to(demo_gguf, adapter, tmp_path / "out.gguf", touched=touched)
    assert size_bytes(demo_gguf, adapter, touched) == pytest.approx(made.bytes, abs=4096)


def test_a_full_disk_is_told_before_a_byte_is_written(
    demo_gguf: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SPARE_BYTES", shutil.disk_usage(tmp_path).total)
    with pytest.raises(StateError, match=r"merging needs .* GB are free") as caught:
        merge_to(demo_gguf, adapter, tmp_path / "out.gguf")
    assert "ollama" not in caught.value.hint, "who writes a file need not have it"
    with (
        pytest.raises(StateError, match="merging needs") as caught,
        merged(tmp_path, demo_gguf, adapter, touched="f16", threads=1),
    ):
        pytest.fail("it was lent")
    assert "own-server" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused_with_the_converter_s_words(demo_gguf: Path, tmp_path: Path) -> None:
    wrong = write_lora(demo_gguf, tmp_path / "wrong.gguf", wrong_shapes=True)
    with pytest.raises(ConversionError, match=r"wrong\.gguf"):
        merge_to(demo_gguf, wrong, tmp_path / "out.gguf")
    (tmp_path / "garbage.gguf").write_bytes(b"garbage")
    with pytest.raises(ConversionError, match=r"garbage\.gguf"):
        merge_to(demo_gguf, tmp_path / "garbage.gguf", tmp_path / "out.gguf")


@pytest.mark.parametrize(
    "content", [b'{"candidate": 1}', b'{"candidate": "\xff"}', b'{"x": ' + b"[" * 100_000]
)
def test_an_unreadable_note_is_as_good_as_none(
    demo_gguf: Path, adapter: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    note = tmp_path / f"{sha256_file(adapter)[:16]}-f16.json"
    note.write_bytes(content)
    assert answered(tmp_path, adapter) == ()
    assert "unreadable" in caplog.text
