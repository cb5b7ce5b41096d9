from __future__ import annotations

from pathlib import Path

import pytest
import torch

from laimark_sidecar.training.worker.backend import PeftBackend
from laimark_sidecar.training.worker.core_answers import MAX_NEW_TOKENS, TOP_LOGITS, AnswerCache, ask
from laimark_sidecar.training.worker.losses import kl_to_base

PROMPT = [5, 9, 30, 77]
END = [2]


def test_the_answer_is_the_bases_whatever_adapter_is_on_the_model(backend: PeftBackend) -> None:
    before = ask(backend, PROMPT, weight=1.0, end_ids=END)
    with torch.no_grad():
        for layer in backend.layers:
            layer.b_OR.fill_(0.3)
    after = ask(backend, PROMPT, weight=1.0, end_ids=END)
    assert after.ids == before.ids
    assert before.base is not None
    assert after.base is not None
    assert torch.equal(after.base.logits_NK, before.base.logits_NK)
    assert torch.equal(after.base.logsumexp_N, before.base.logsumexp_N)


def test_the_base_has_no_distance_to_its_own_answers(backend: PeftBackend) -> None:
    item = ask(backend, PROMPT, weight=1.0, end_ids=END)
    assert item.base is not None
    ids = torch.tensor([item.ids])
    with torch.no_grad():
        logits = backend.logits(ids, torch.ones_like(ids), torch.tensor(item.positions))[0]
    assert float(kl_to_base(logits, item.base).abs().max()) < 1e-5
    assert item.base.logits_NK.shape == (len(item.positions), TOP_LOGITS)
    assert len(item.positions) <= MAX_NEW_TOKENS
    assert logits.argmax(-1).tolist() == list(item.ids[len(PROMPT) :])


def test_a_prompt_is_asked_once(moved: PeftBackend, tmp_path: Path) -> None:
    cache = AnswerCache(folder=tmp_path / "core", base_sha256="ab" * 32)
    first = cache.item(moved, PROMPT, weight=1.0, end_ids=END)
    (file,) = cache.folder.iterdir()
    written = file.stat().st_mtime_ns
    second = cache.item(moved, PROMPT, weight=0.5, end_ids=END)
    assert file.stat().st_mtime_ns == written
    assert (second.ids, second.positions, second.weight) == (first.ids, first.positions, 0.5)
    assert first.base is not None
    assert second.base is not None
    assert torch.equal(first.base.logits_NK, second.base.logits_NK)
    assert torch.equal(first.base.token_ids_NK, second.base.token_ids_NK)


def test_another_base_is_asked_itself(moved: PeftBackend, tmp_path: Path) -> None:
    for sha in ("ab" * 32, "cd" * 32):
        AnswerCache(folder=tmp_path / "core", base_sha256=sha).item(moved, PROMPT, weight=1.0, end_ids=END)
    assert len(list((tmp_path / "core").iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"damaged", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_cache_file_is_asked_again(moved: PeftBackend, tmp_path: Path, content: bytes) -> None:
    cache = AnswerCache(folder=tmp_path / "core", base_sha256="ab" * 32)
    first = cache.item(moved, PROMPT, weight=1.0, end_ids=END)
    (file,) = cache.folder.iterdir()
    file.write_bytes(content)
    assert cache.item(moved, PROMPT, weight=1.0, end_ids=END).ids == first.ids
    assert file.read_bytes() != content
