"""A base of random weights with the demo base's tokenizer, and a laboratory on it whose cells take a second."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

with warnings.catch_warnings():
    # Third parties may warn while they are imported; our own warnings stay errors.
    warnings.simplefilter("ignore")
    import peft
    import transformers

    del peft

from laimark_sidecar.bench.core import core_of
from laimark_sidecar.bench.lab import Lab, set_up
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.bench.stream import Stream, User, divided
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.demo.code_tasks import Task, completion_prompt

LabMaker = Callable[[Path], Lab]


@pytest.fixture(scope="session")
def tiny_base(demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "base"
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=4096,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "core.jsonl"):
        shutil.copy(demo_base_dir / name, folder / name)
    return folder


def tasks(name: str, count: int) -> tuple[Task, ...]:
    """Return tasks that are the same for the same name."""
    return tuple(
        Task(
            kind="complete",
            prompt=completion_prompt(f"def {name}_{number}(value):\n    total = value * {number}"),
            answer=f"return total + {number}",
        )
        for number in range(count)
    )


def small_stream() -> Stream:
    users = {
        name: User(name=name, work=tasks(name, 6), exam=tasks(f"{name}_exam", 3)) for name in ("ada", "bob")
    }
    return divided(users, ["ada", "bob", "ada"], tasks=3)


@pytest.fixture
def settings(tiny_base: Path) -> Settings:
    return Settings(
        base=str(tiny_base),
        cycles=3,
        tasks=3,
        written=2,
        exam=3,
        stay=1,
        steps=2,
        batch=4,
        rank=2,
        alpha=4.0,
        core_replay=3,
        core_watched=2,
        core_exam=2,
        autocast=False,
    )


@pytest.fixture
def make_lab(settings: Settings) -> LabMaker:
    """Return a maker of laboratories of the same seed, each loaded anew as after a restart."""

    def make(out: Path) -> Lab:
        core = core_of(Path(settings.base), built=None)
        return set_up(
            settings, small_stream(), core, out, seed=0, clock=SystemClock(), say=lambda _text: None
        )

    return make
