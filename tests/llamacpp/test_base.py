from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.lora import write_lora

from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.llamacpp.base import Base


def _logits(base: Base, text: str = "def add(a, b):") -> np.ndarray:
    base.clear()
    return base.decode(base.vocabulary.tokenize(text), logits_from=0)


def test_adapter_changes_the_logits_and_the_base_returns_bit_for_bit(base: Base, lora: Path) -> None:
    before = _logits(base)
    adapter = base.load_adapter(lora)
    base.set_adapter(adapter)
    changed = _logits(base)
    base.set_adapter(None)
    after = _logits(base)
    base.unload(adapter)
    assert np.abs(changed - before).max() > 0.1
    assert np.array_equal(before, after)


def test_alternating_adapters_do_not_leak_into_each_other(
    base: Base, demo_gguf: Path, tmp_path: Path
) -> None:
    adapters = [
        base.load_adapter(write_lora(demo_gguf, tmp_path / f"{seed}.gguf", seed=seed)) for seed in range(3)
    ]
    first = []
    for adapter in adapters:
        base.set_adapter(adapter)
        first.append(_logits(base))
    for index in (2, 0, 1, 1, 0, 2):
        base.set_adapter(adapters[index])
        assert np.array_equal(_logits(base), first[index])
    for adapter in adapters:
        base.unload(adapter)


def test_scale_interpolates_between_base_and_adapter(base: Base, lora: Path) -> None:
    plain = _logits(base)
    adapter = base.load_adapter(lora)
    base.set_adapter(adapter, scale=0.0)
    none = _logits(base)
    base.set_adapter(adapter, scale=0.25)
    quarter = _logits(base)
    base.set_adapter(adapter, scale=1.0)
    whole = _logits(base)
    base.unload(adapter)
    assert np.abs(none - plain).max() < 1e-4
    assert 0 < np.abs(quarter - plain).mean() < np.abs(whole - plain).mean()


def test_unloading_the_applied_adapter_brings_the_base_back(base: Base, lora: Path) -> None:
    plain = _logits(base)
    adapter = base.load_adapter(lora)
    base.set_adapter(adapter)
    base.unload(adapter)
    assert np.array_equal(_logits(base), plain)


def test_logits_from_returns_the_same_rows_as_all_logits(base: Base) -> None:
    tokens = base.vocabulary.tokenize("for item in items: print(item)")
    everything = _logits(base, "for item in items: print(item)")
    base.clear()
    tail = base.decode(tokens, logits_from=len(tokens) - 3)
    base.clear()
    last = base.decode(tokens)
    assert everything.shape == (len(tokens), base.vocabulary.size)
    assert np.array_equal(tail, everything[-3:])
    assert np.abs(last - everything[-1:]).max() < 1e-4


def test_logits_do_not_depend_on_how_a_long_prompt_is_cut(demo_gguf: Path) -> None:
    with Base(demo_gguf, context=1024, threads=1) as base:
        tokens = (base.vocabulary.tokenize("x = 1\n") * 400)[:700]
        whole = base.decode(tokens, logits_from=500)
        base.clear()
        base.decode(tokens[:650])
        parts = base.decode(tokens[650:], logits_from=0)
    assert whole.shape[0] == 200
    assert np.abs(whole[-50:] - parts).max() < 1e-3


def test_stale_numbers_do_not_survive_a_wipe(base: Base, demo_gguf: Path, tmp_path: Path) -> None:
    plain = _logits(base)
    adapter = base.load_adapter(write_lora(demo_gguf, tmp_path / "nan.gguf", value=float("nan")))
    base.set_adapter(adapter)
    assert not np.isfinite(_logits(base)).all()
    base.unload(adapter)
    base.clear(wipe=True)
    assert np.array_equal(_logits(base), plain)


def test_conversation_beyond_the_context_is_refused_before_decoding(base: Base) -> None:
    base.clear()
    token = base.vocabulary.tokenize("a")[0]
    with pytest.raises(DataError, match="513 tokens do not fit a context of 512"):
        base.decode([token] * 513)
    assert base.decode([token] * 512).shape == (1, base.vocabulary.size)


def test_nothing_to_decode_is_an_error(base: Base) -> None:
    with pytest.raises(DataError, match="empty"):
        base.decode([])


def test_context_is_cut_to_what_the_model_was_trained_for(demo_gguf: Path) -> None:
    with Base(demo_gguf, context=1 << 20, threads=1) as base:
        assert base.context == int(base.metadata(f"{base.architecture}.context_length"))


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"GGUF"])
def test_file_that_is_no_model_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(RunnerError, match=r"bad\.gguf"):
        Base(path)


def test_missing_base_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"none\.gguf does not exist"):
        Base(tmp_path / "none.gguf")


def test_adapter_for_another_model_is_refused_with_the_reason(
    base: Base, demo_gguf: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunnerError, match="incorrect shape"):
        base.load_adapter(write_lora(demo_gguf, tmp_path / "wrong.gguf", wrong_shapes=True))
    assert np.isfinite(_logits(base)).all()


def test_metadata_of_an_unknown_key_is_empty(base: Base) -> None:
    assert base.metadata("no.such.key") == ""


def test_closing_twice_is_harmless_and_frees_adapters_first(demo_gguf: Path, lora: Path) -> None:
    base = Base(demo_gguf, threads=1)
    base.set_adapter(base.load_adapter(lora))
    base.close()
    base.close()


def test_what_is_decoded_after_rewinding_is_what_a_fresh_conversation_gives(base: Base) -> None:
    words = base.vocabulary.tokenize
    prompt, first, second = words("def add(a, b):"), words("return a + b"), words("raise ValueError")
    fresh = _logits(base, "def add(a, b):")[-1:]
    wanted = base.decode(second, logits_from=0)
    base.clear()
    base.decode(prompt)
    base.decode(first)
    base.rewind(len(prompt))
    assert np.abs(base.decode(second, logits_from=0) - wanted).max() < 1e-4
    base.rewind(0)
    assert np.abs(base.decode(prompt) - fresh).max() < 1e-4


def test_a_conversation_is_not_rewound_to_where_it_has_not_been(base: Base) -> None:
    base.clear()
    base.decode(base.vocabulary.tokenize("x = 1"))
    for position in (-1, 100):
        with pytest.raises(DataError, match="cannot rewind a conversation of"):
            base.rewind(position)
