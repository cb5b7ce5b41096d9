from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import gguf
import pytest
from tests.converters import oracle, other_adapters, synthetic, tiny_models, zoo
from tests.converters.llama_cpp_logits import largest_difference, mean_kl, served_logits
from tests.converters.oracle import OracleJob

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.architectures import ARCHITECTURES, HF_CLASSES, REFUSED, for_gguf, for_hf_class
from laimark_converters.errors import ConversionError

# llama.cpp's scripts import torch and transformers in a child process before they do anything.
pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601]
UNCONVERTED_BY_THE_ORACLE = {"mistral3"}
"""llama.cpp's adapter script writes the base model in place of the adapter there."""

BASES_THAT_DIFFER_THEMSELVES = {"gemma4"}
"""llama.cpp's own conversion of the tiny base is 4e-3 nats from transformers, without any adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """One family: its model and adapter by transformers and peft, the rest by llama.cpp's scripts and by us."""

    hf: Path
    gguf: Path
    adapter: Path
    ours: Path
    oracle: Path


@pytest.fixture(scope="module")
def converted(demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Converted]:
    root, made = tmp_path_factory.mktemp("zoo"), {}
    for name in zoo.CONFIGS:
        # The folder's name becomes the model's, and llama.cpp treats some names specially.
        folder = root / name
        hf = zoo.build_base(name, demo_base_dir, folder / "tiny")
        made[name] = Converted(
            hf=hf,
            gguf=folder / "base.gguf",
            adapter=zoo.build_adapter(name, hf, folder / "adapter"),
            ours=folder / "ours.gguf",
            oracle=folder / "oracle.gguf",
        )
    for name, stub in synthetic.WITHOUT_A_CLASS.items():
        folder = root / name
        synthetic.write_hf_config(stub, folder)
        made[name] = Converted(
            hf=folder,
            gguf=synthetic.write_header_only(stub, folder / "base.gguf"),
            adapter=synthetic.write_stub_adapter(stub, folder / "adapter"),
            ours=folder / "ours.gguf",
            oracle=folder / "oracle.gguf",
        )
    oracle.write_bases({made[name].hf: made[name].gguf for name in zoo.CONFIGS})
    oracle.convert(
        [
            OracleJob(adapter=files.adapter, base=files.hf, out=files.oracle)
            for name, files in made.items()
            if name not in UNCONVERTED_BY_THE_ORACLE
        ]
    )
    for files in made.values():
        convert_adapter(files.adapter, files.gguf, files.ours)
    return made


@pytest.mark.parametrize(
    "name", sorted((set(zoo.CONFIGS) | set(synthetic.WITHOUT_A_CLASS)) - UNCONVERTED_BY_THE_ORACLE)
)
def test_tensors_are_those_of_llama_cpps_own_script(converted: dict[str, Converted], name: str) -> None:
    oracle.assert_same_tensors(converted[name].ours, converted[name].oracle)


@pytest.mark.parametrize("name", sorted(set(zoo.CONFIGS) - BASES_THAT_DIFFER_THEMSELVES))
def test_served_adapter_computes_what_peft_computes(converted: dict[str, Converted], name: str) -> None:
    files = converted[name]
    expected = tiny_models.torch_logits(files.hf, IDS, files.adapter)
    served = served_logits(files.gguf, IDS, files.ours)
    assert mean_kl(expected, served) < 1e-6
    assert largest_difference(expected, served) < 1e-2
    assert mean_kl(expected, served_logits(files.gguf, IDS)) > 1e-2, "the adapter must matter"


@pytest.mark.parametrize("name", sorted(BASES_THAT_DIFFER_THEMSELVES | {"llama"}))
def test_served_adapter_answers_as_the_model_that_peft_merged(
    converted: dict[str, Converted], name: str, tmp_path: Path
) -> None:
    files = converted[name]
    merged = other_adapters.merged_by_peft(files.hf, files.adapter, tmp_path / "merged")
    oracle.write_bases({merged: tmp_path / "merged.gguf"})
    expected, served = (
        served_logits(tmp_path / "merged.gguf", IDS),
        served_logits(files.gguf, IDS, files.ours),
    )
    assert mean_kl(expected, served) < 1e-9
    assert mean_kl(expected, served_logits(files.gguf, IDS)) > 1e-1, "the adapter must matter"


def test_every_architecture_was_compared_with_an_oracle() -> None:
    compared = set(zoo.CONFIGS) | {stub.gguf for stub in synthetic.WITHOUT_A_CLASS.values()}
    assert set(ARCHITECTURES) == compared


def test_every_architecture_is_one_that_llama_cpp_knows() -> None:
    newer_than_the_gguf_package = {"nanbeige"}
    known = set(gguf.MODEL_ARCH_NAMES.values()) | newer_than_the_gguf_package
    assert set(ARCHITECTURES) | set(REFUSED) <= known


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"nanbeige"}))
def test_projections_have_the_names_of_ggufs_own_table(name: str) -> None:
    architecture = ARCHITECTURES[name]
    code = next(code for code, text in gguf.MODEL_ARCH_NAMES.items() if text == name)
    table = gguf.get_tensor_name_map(code, 4)
    for module, short in architecture.projections.items():
        found = table.get_name(f"{architecture.layers}.3.{module}")
        assert found in {f"blk.3.{short}", None}, "None: the architecture has no such tensor at all"


def test_no_architecture_is_both_converted_and_refused() -> None:
    assert not set(ARCHITECTURES) & set(REFUSED)


def test_every_base_class_has_an_architecture() -> None:
    assert set(HF_CLASSES.values()) <= set(ARCHITECTURES)
    assert for_hf_class("MistralForCausalLM").gguf == "llama"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("falcon", "q, k and v are one tensor"), ("internlm2", "q, k and v are one"), ("qwen3moe", "experts")],
)
def test_known_unfit_architecture_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(ConversionError, match=rf"'{name}'.*{reason}"):
        for_gguf(name)


def test_grouped_heads_whose_order_is_not_known_are_refused(tmp_path: Path) -> None:
    grouped = replace(synthetic.LLAMA, gguf="xverse")
    base = synthetic.write_header_only(grouped, tmp_path / "base.gguf")
    adapter = synthetic.write_stub_adapter(grouped, tmp_path / "adapter")
    with pytest.raises(ConversionError, match="4 heads and 2 key-value heads; adapters for xverse"):
        convert_adapter(adapter, base, tmp_path / "out.gguf")


def test_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="'brand-new'") as caught:
        for_gguf("brand-new")
    assert "llama" in caught.value.hint


def test_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="'MixtralForCausalLM'"):
        for_hf_class("MixtralForCausalLM")
