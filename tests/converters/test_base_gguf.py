from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.converters import tiny_models
from tests.converters.conftest import Family
from tests.converters.llama_cpp_logits import largest_difference, mean_kl, opened, served_logits

from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601] * 4


@pytest.mark.parametrize("family", tuple(tiny_models.CONFIGS))
def test_served_base_computes_what_transformers_computes(unconverted: dict[str, Family], family: str) -> None:
    files = unconverted[family]
    expected, served = tiny_models.torch_logits(files.hf, IDS), served_logits(files.gguf, IDS)
    assert mean_kl(expected, served) < 1e-6
    assert largest_difference(expected, served) < 1e-2


@pytest.mark.parametrize(("dtype", "kl"), [("f32", 1e-6), ("f16", 1e-5), ("q8_0", 1e-3)])
def test_demo_base_keeps_its_logits_in_every_type(
    demo_base_dir: Path, tmp_path: Path, dtype: Any, kl: float
) -> None:
    write_base_gguf(demo_base_dir, tmp_path / "demo.gguf", dtype=dtype)
    expected, served = (
        tiny_models.torch_logits(demo_base_dir, IDS),
        served_logits(tmp_path / "demo.gguf", IDS),
    )
    assert mean_kl(expected, served) < kl
    assert largest_difference(expected, served) < 0.5


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


@pytest.mark.parametrize(
    "rope",
    [
        pytest.param({"rope_type": "default", "rope_theta": 500.0}, id="theta"),
        pytest.param({"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}, id="linear"),
        pytest.param(LLAMA3 | {"rope_theta": 100.0, "original_max_position_embeddings": 32}, id="llama3"),
        pytest.param(
            {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0, "original_max_position_embeddings": 64},
            id="yarn",
        ),
        pytest.param(
            {
                "rope_type": "yarn",
                "factor": 4.0,
                "rope_theta": 100.0,
                "original_max_position_embeddings": 64,
                "attention_factor": 1.5,
            },
            id="yarn with an attention factor",
        ),
    ],
)
def test_rotary_scaling_is_served_as_transformers_computes_it(
    demo_base_dir: Path, tmp_path: Path, rope: dict[str, Any]
) -> None:
    base = tiny_models.build_base("llama", demo_base_dir, tmp_path / "base", rope_parameters=rope)
    write_base_gguf(base, tmp_path / "base.gguf", dtype="f32")
    expected, served = tiny_models.torch_logits(base, IDS), served_logits(tmp_path / "base.gguf", IDS)
    assert mean_kl(expected, served) < 1e-6
    config = json.loads((base / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
    (base / "config.json").write_text(json.dumps(config))
    assert mean_kl(expected, tiny_models.torch_logits(base, IDS)) > 1e-3, "the scaling must matter here"


def test_keys_say_how_text_becomes_tokens_and_turns(demo_base_dir: Path, demo_gguf: Path) -> None:
    header = read_header(demo_gguf)
    template = (demo_base_dir / "chat_template.jinja").read_text(encoding="utf-8")
    assert header.text("tokenizer.chat_template") == template
    assert header.keys["tokenizer.ggml.add_bos_token"] is False
    reader = gguf.GGUFReader(demo_gguf)
    texts = reader.fields["tokenizer.ggml.tokens"].contents()
    eos, eot = reader.fields["tokenizer.ggml.eos_token_id"], reader.fields["tokenizer.ggml.eot_token_id"]
    assert texts[eos.contents()] == texts[eot.contents()] == "<|im_end|>"


def test_template_makes_the_runner_prompt_as_the_folder_says(demo_base_dir: Path, demo_gguf: Path) -> None:
    with opened(demo_gguf) as model:
        answer = model.create_chat_completion(
            messages=[{"role": "user", "content": "def add(a, b):"}], max_tokens=4, temperature=0.0
        )
        prompt = b"<|im_start|>user\ndef add(a, b):<|im_end|>\n<|im_start|>assistant\n"
        assert answer["usage"]["prompt_tokens"] == len(model.tokenize(prompt, add_bos=False, special=True))


def test_equal_input_gives_equal_bytes_wherever_it_lies(
    demo_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    shutil.copytree(demo_base_dir, tmp_path / "elsewhere")
    write_base_gguf(tmp_path / "elsewhere", tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == demo_gguf.read_bytes()


def test_shards_give_the_same_file_as_one(demo_base_dir: Path, demo_gguf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    shutil.copytree(demo_base_dir, folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weight_map = {name: f"part{number % 2}.safetensors" for number, name in enumerate(tensors)}
    for part in set(weight_map.values()):
        save_file({name: tensors[name] for name, where in weight_map.items() if where == part}, folder / part)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    write_base_gguf(folder, tmp_path / "sharded.gguf")
    assert (tmp_path / "sharded.gguf").read_bytes() == demo_gguf.read_bytes()


def change_weights(demo_base_dir: Path, folder: Path, **changes: torch.Tensor | None) -> Path:
    """Copy the demo base with tensors replaced, added or (None) left out; `__` stands for a dot in the name."""
    shutil.copytree(demo_base_dir, folder)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        if tensor is None:
            del tensors[key]
        else:
            tensors[key] = tensor
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__norm__weight": None}, r"lack model\.norm\.weight"),
        (
            {"model__norm__weight": torch.ones(7)},
            r"model\.norm\.weight has the shape \[7\], config\.json says",
        ),
        ({"model__layers__0__self_attn__q_norm__weight": torch.ones(7)}, r"hold model\.layers\.0.*no place"),
        ({"model__norm__weight": "nan"}, r"output_norm\.weight holds NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_the_old_file_stays(
    demo_base_dir: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    hidden = int(json.loads((demo_base_dir / "config.json").read_text())["hidden_size"])
    changes = {name: torch.full((hidden,), torch.nan) if t == "nan" else t for name, t in changes.items()}
    folder = change_weights(demo_base_dir, tmp_path / "base", **changes)
    (tmp_path / "out.gguf").write_bytes(b"served today")
    with pytest.raises(ConversionError, match=message):
        write_base_gguf(folder, tmp_path / "out.gguf")
    assert (tmp_path / "out.gguf").read_bytes() == b"served today"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "out.gguf"]


def test_tied_output_and_stored_frequencies_are_left_out(
    demo_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    tied = load_file(demo_base_dir / "model.safetensors")["model.embed_tokens.weight"].clone()
    extra = {"lm_head__weight": tied, "model__layers__0__self_attn__rotary_emb__inv_freq": torch.ones(4)}
    folder = change_weights(demo_base_dir, tmp_path / "base", **extra)
    write_base_gguf(folder, tmp_path / "out.gguf")
    assert (tmp_path / "out.gguf").read_bytes() == demo_gguf.read_bytes()


def test_bfloat16_weights_are_widened_exactly(unconverted: dict[str, Family], tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(unconverted["qwen2"].hf, folder)
    halved = {n: t.bfloat16() for n, t in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors")
    write_base_gguf(folder, tmp_path / "narrow.gguf", dtype="f32")
    save_file({n: t.float() for n, t in halved.items()}, folder / "model.safetensors")
    write_base_gguf(folder, tmp_path / "wide.gguf", dtype="f32")
    assert (tmp_path / "narrow.gguf").read_bytes() == (tmp_path / "wide.gguf").read_bytes()


def test_truncated_weights_are_refused(demo_base_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(demo_base_dir, folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ConversionError, match=r"model\.safetensors is truncated"):
        write_base_gguf(folder, tmp_path / "out.gguf")
