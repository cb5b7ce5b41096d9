from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.converters import oracle, raw_gguf, synthetic, tiny_models
from tests.converters.conftest import Family
from tests.converters.llama_cpp_logits import largest_difference, served_logits
from tests.converters.raw_gguf import RawGguf, RawTensor
from tests.support.lora import write_lora

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.adopted_adapter import adopt_adapter
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header

pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12]
Q, DOWN = "blk.0.attn_q.weight", "blk.1.ffn_down.weight"
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Server:
    """A process that serves adapters with llama.cpp until one kills it."""

    base: Path
    process: subprocess.Popen[str] | None = None

    def serve(self, adapter: Path) -> str:
        """Return `served`, `refused`, or `crashed`."""
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.converters.serving_child", str(self.base)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                # llama.cpp would start a debugger on an abort, which writes to stdout.
                env=os.environ | {"GGML_NO_BACKTRACE": "1"},
            )
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{adapter}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip() or "crashed"

    def stop(self) -> None:
        if self.process is not None:
            self.process.communicate()


@pytest.fixture(scope="module")
def server(unconverted: dict[str, Family]) -> Iterator[Server]:
    running = Server(base=unconverted["llama"].gguf)
    yield running
    running.stop()


def good(base: Path) -> RawGguf:
    header = read_header(base)
    shapes = {}
    for name in (Q, DOWN):
        out, into = header.tensors[name].shape
        shapes[name] = (out, into)
    return raw_gguf.adapter(shapes)


@pytest.mark.parametrize("family", tuple(tiny_models.CONFIGS))
def test_file_of_llama_cpps_own_script_keeps_its_tensors_and_answers_alike(
    families: dict[str, Family], family: str, tmp_path: Path
) -> None:
    files, out = families[family], tmp_path / "out.gguf"
    done = adopt_adapter(files.oracle, files.gguf, out, metadata={"version": "7"})
    oracle.assert_same_tensors(out, files.oracle)
    assert (done.tensors, done.rank, done.alpha, done.bytes) == (28, 4, 8.0, out.stat().st_size)
    keys = oracle.keys(out)
    assert keys.pop("laimark.version") == "7"
    assert keys == oracle.keys(files.adapter_gguf), "only ours: nothing foreign is carried over"


@pytest.mark.parametrize("dtype", ["f16", "bf16", "q8_0"])
def test_smaller_types_are_kept_bit_for_bit(
    families: dict[str, Family], oracle_dtypes: dict[str, Path], dtype: str, tmp_path: Path
) -> None:
    adopt_adapter(oracle_dtypes[dtype], families["llama"].gguf, tmp_path / "out.gguf")
    oracle.assert_same_tensors(tmp_path / "out.gguf", oracle_dtypes[dtype])


@pytest.mark.parametrize("alpha", [0.0, None])
def test_missing_alpha_is_served_as_llama_cpp_serves_it(
    unconverted: dict[str, Family], alpha: float | None, tmp_path: Path
) -> None:
    base = unconverted["llama"].gguf
    raw = good(base)
    del raw.keys["adapter.lora.alpha"]
    if alpha is not None:
        raw.keys["adapter.lora.alpha"] = (raw_gguf.FLOAT32, struct.pack("<f", alpha))
    foreign = raw.write(tmp_path / "foreign.gguf")
    adopt_adapter(foreign, base, tmp_path / "out.gguf")
    expected, found = (served_logits(base, IDS, file) for file in (foreign, tmp_path / "out.gguf"))
    assert largest_difference(expected, found) < 1e-4


def test_equal_input_gives_equal_bytes(families: dict[str, Family], tmp_path: Path) -> None:
    files = families["llama"]
    for name in ("1", "2"):
        adopt_adapter(files.oracle, files.gguf, tmp_path / name)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


CRASHES: dict[str, Callable[[RawGguf], None]] = {
    "alpha that is a whole number": lambda raw: raw.keys.update(
        {"adapter.lora.alpha": (raw_gguf.UINT32, struct.pack("<I", 8))}
    ),
    "alpha of double precision": lambda raw: raw.keys.update(
        {"adapter.lora.alpha": (raw_gguf.FLOAT64, struct.pack("<d", 8.0))}
    ),
}


@pytest.mark.parametrize("what", CRASHES)
def test_key_that_kills_a_runner_is_harmless_once_adopted(
    unconverted: dict[str, Family], server: Server, what: str, tmp_path: Path
) -> None:
    base = unconverted["llama"].gguf
    raw = good(base)
    CRASHES[what](raw)
    foreign = raw.write(tmp_path / "foreign.gguf")
    assert server.serve(foreign) == "crashed", "otherwise nothing is proved"
    adopt_adapter(foreign, base, tmp_path / "out.gguf")
    assert server.serve(tmp_path / "out.gguf") == "served"


def test_embedding_that_kills_a_runner_is_refused(
    unconverted: dict[str, Family], server: Server, tmp_path: Path
) -> None:
    base = unconverted["llama"].gguf
    foreign = write_lora(base, tmp_path / "foreign.gguf", embeddings=True)
    assert server.serve(foreign) == "crashed", "otherwise nothing is proved"
    with pytest.raises(ConversionError, match=r"token_embd\.weight\.lora_a, which is no half"):
        adopt_adapter(foreign, base, tmp_path / "out.gguf")


NAMES = st.one_of(
    st.sampled_from(
        [
            "token_embd.weight", "output.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.0.attn_q.bias",
            "blk.9.attn_q.weight", "blk.00.attn_q.weight", "blk.-1.attn_q.weight", "blk.٣.attn_q.weight",
            "blk.99999999999999999999.attn_q.weight", "blk.1.attn_q.weight", "blk.0.attn_k.weight", "", "x" * 70,
        ]
    ).map(lambda name: name + ".lora_a"),
    st.sampled_from([f"{Q}.lora_a", f"{Q}.lora_b", f"{Q}.lora_c", Q]),
    st.text(max_size=12),
)  # fmt: skip
DIMS = st.lists(st.sampled_from([0, 1, 2, 4, 32, 64, 96, 128, 2**31, 2**63]), max_size=5).map(tuple)
KINDS = st.sampled_from([0, 1, 2, 3, 8, 12, 26, 27, 28, 30, 39, 4, 99, 2**32 - 1])
VALUES = st.one_of(
    st.binary(max_size=24).map(lambda value: (raw_gguf.TEXT, struct.pack("<Q", len(value)) + value)),
    st.floats(width=32).map(lambda value: (raw_gguf.FLOAT32, struct.pack("<f", value))),
    st.floats().map(lambda value: (raw_gguf.FLOAT64, struct.pack("<d", value))),
    st.integers(0, 2**32 - 1).map(lambda value: (raw_gguf.UINT32, struct.pack("<I", value))),
    st.tuples(st.integers(0, 20), st.binary(max_size=24)),
)
KEYS = st.sampled_from(
    [
        "general.architecture", "general.type", "adapter.type", "adapter.lora.alpha", "general.alignment",
        "adapter.alora.invocation_tokens", "split.count", "laimark.base_sha256", "anything",
    ]
)  # fmt: skip


@st.composite
def tensors_of_any_kind(draw: st.DrawFn) -> RawTensor:
    return RawTensor(name=draw(NAMES), dims=draw(DIMS), kind=draw(KINDS), data=draw(st.binary()))


MUTATIONS, FLIPS = st.sampled_from([0, 0, 1, 1, 2]), st.sampled_from([0, 0, 0, 1, 2])
RARELY = st.sampled_from([False] * 7 + [True])
COUNTS = st.sampled_from([0, 3, 2**16, 2**63, 2**64 - 1])
OFFSETS = st.sampled_from([0, 1, 32, 2**20, 2**63, 2**64 - 1])
NUMBERS = st.sampled_from([np.nan, np.inf, 3e38, 0.0]).map(lambda value: struct.pack("<f", value))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES,
    "dims": DIMS,
    "kind": KINDS,
    "offset": OFFSETS,
    "tensor_count": COUNTS,
    "key_count": COUNTS,
}


def mutate(draw: Any, raw: RawGguf) -> None:
    """Spoil one part of the file."""
    tensor = draw(st.sampled_from(raw.tensors))
    what = draw(st.sampled_from([*FIELDS, "extra", "fewer", "order", "key", "no key", "value"]))
    if what in FIELDS:
        setattr(raw if "count" in what else tensor, what, draw(FIELDS[what]))
    elif what == "extra":
        raw.tensors.append(draw(tensors_of_any_kind()))
    elif what == "fewer":
        raw.tensors = raw.tensors[1:] or raw.tensors
    elif what == "order":
        raw.tensors = draw(st.permutations(raw.tensors))
    elif what == "key":
        raw.keys[draw(KEYS)] = draw(VALUES)
    elif what == "no key":
        raw.keys.pop(draw(KEYS), None)
    else:
        tensor.data = draw(NUMBERS) + tensor.data[4:]


@FUZZ
@given(data=st.data())
def test_no_foreign_file_kills_a_runner(
    unconverted: dict[str, Family],
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    base, folder = unconverted["llama"].gguf, tmp_path_factory.mktemp("fuzz")
    raw = good(base)
    for _ in range(data.draw(MUTATIONS)):
        mutate(data.draw, raw)
    content = bytearray(raw.encode())
    for _ in range(data.draw(FLIPS)):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content))) if data.draw(RARELY) else None
    foreign, out = folder / "foreign.gguf", folder / "out.gguf"
    foreign.write_bytes(content[:cut])
    out.write_bytes(b"old")
    try:
        adopt_adapter(foreign, base, out)
    except ConversionError:
        assert out.read_bytes() == b"old"
    else:
        assert server.serve(out) == "served"


SPOILT = st.sampled_from(["shape", "dtype", "name", "missing", "extra", "nan", "settings"])
SETTINGS = st.sampled_from(
    [
        {"r": 0}, {"r": 2**40}, {"r": -1}, {"r": "4"}, {"lora_alpha": 0}, {"lora_alpha": 1e300}, {"lora_alpha": -8},
        {"lora_alpha": 1e-45}, {"use_rslora": True}, {"rank_pattern": {"(": 1}}, {"rank_pattern": {".*": 5}},
        {"alpha_pattern": {".*": 1e39}}, {"peft_type": "LOHA"}, {"use_dora": True}, {"bias": "all"},
    ]
)  # fmt: skip


def spoil(draw: Any, tensors: dict[str, np.ndarray], settings_: dict[str, Any]) -> None:
    what, key = draw(SPOILT), draw(st.sampled_from(sorted(tensors)))
    if what == "shape":
        shape = draw(st.sampled_from([(1, 1), (4, 64), (64, 4), (4, 4, 64), (64,), (0, 64), (128, 5)]))
        tensors[key] = np.ones(shape, np.float32)
    elif what == "dtype":
        tensors[key] = np.nan_to_num(tensors[key]).astype(
            draw(st.sampled_from([np.float16, np.float64, np.int32, np.bool_]))
        )
    elif what == "name":
        name = draw(
            st.one_of(st.text(max_size=8), st.sampled_from(["lm_head", "model.layers.77.mlp.up_proj"]))
        )
        tensors[f"base_model.model.{name}.lora_A.weight"] = tensors.pop(key)
    elif what == "missing":
        del tensors[key]
    elif what == "extra":
        tensors[key.replace("layers.0", "layers.00")] = tensors[key]
    elif what == "nan":
        tensors[key] = tensors[key] * np.float32(np.nan)
    elif what == "settings":
        settings_ |= draw(SETTINGS)


@FUZZ
@given(data=st.data())
def test_no_peft_folder_kills_a_runner(
    unconverted: dict[str, Family],
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    base, folder = unconverted["llama"].gguf, tmp_path_factory.mktemp("fuzz")
    random, tensors = np.random.default_rng(0), {}
    for module, name in (("layers.0.self_attn.q_proj", Q), ("layers.1.mlp.down_proj", DOWN)):
        out_rows, into = read_header(base).tensors[name].shape
        for half, shape in (("A", (4, into)), ("B", (out_rows, 4))):
            key = f"base_model.model.model.{module}.lora_{half}.weight"
            tensors[key] = random.standard_normal(shape).astype(np.float32)
    settings_: dict[str, Any] = {}
    for _ in range(data.draw(MUTATIONS)):
        spoil(data.draw, tensors, settings_)
    adapter = synthetic.write_adapter(folder / "adapter", tensors, **settings_)
    file, out = adapter / "adapter_model.safetensors", folder / "out.gguf"
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(FLIPS)):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content))) if data.draw(RARELY) else None
    file.write_bytes(content[:cut])
    out.write_bytes(b"old")
    try:
        convert_adapter(adapter, base, out)
    except ConversionError:
        assert out.read_bytes() == b"old"
    else:
        assert server.serve(out) == "served"
