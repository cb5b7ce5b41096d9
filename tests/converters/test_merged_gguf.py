from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType as Kind
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.converters import oracle, tiny_models
from tests.converters.conftest import Family
from tests.converters.llama_cpp_logits import mean_kl, served_logits
from tests.support.lora import write_lora

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.adapter_reader import read_adapter_gguf
from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header
from laimark_converters.merged_gguf import Merged, merge

pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601]
FILE_TYPES = {"f32": 0, "q4_0": 2, "q8_0": 7, "q4_k_m": 15, "q6_k": 18}
"""llama.h `llama_ftype`."""


def quantised(base: Path, out: Path, file_type: str) -> Path:
    """Quantise with llama.cpp itself."""
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype, options.nthread, options.allow_requantize = FILE_TYPES[file_type], 1, True
    assert llama_cpp.llama_model_quantize(str(base).encode(), str(out).encode(), ctypes.byref(options)) == 0
    return out


@pytest.fixture(scope="module")
def demo_lora(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lora(demo_gguf, tmp_path_factory.mktemp("lora") / "lora.gguf")


@pytest.mark.parametrize("family", tuple(tiny_models.CONFIGS))
@pytest.mark.parametrize("touched", ["f32", "f16", "bf16"])
def test_merged_file_answers_as_the_base_with_its_adapter(
    unconverted: dict[str, Family], family: str, touched: Any, tmp_path: Path
) -> None:
    files = unconverted[family]
    merge(files.gguf, files.adapter_gguf, tmp_path / "merged.gguf", touched=touched)
    expected = served_logits(files.gguf, IDS, files.adapter_gguf)
    assert mean_kl(expected, served_logits(tmp_path / "merged.gguf", IDS)) < 1e-3
    assert mean_kl(expected, served_logits(files.gguf, IDS)) > 1e-1, "the adapter must matter"


def test_q8_0_is_fine_enough_for_a_trained_model(demo_gguf: Path, demo_lora: Path, tmp_path: Path) -> None:
    # A trained one, because random weights amplify rounding: there q8_0 is at 3e-3 and f16 at 3e-6.
    merge(demo_gguf, demo_lora, tmp_path / "merged.gguf", touched="q8_0")
    expected = served_logits(demo_gguf, IDS, demo_lora)
    assert mean_kl(expected, served_logits(tmp_path / "merged.gguf", IDS)) < 1e-3
    assert mean_kl(expected, served_logits(demo_gguf, IDS)) > 1e-1, "the adapter must matter"


@pytest.fixture(scope="module")
def wide(demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base whose rows K-quants can block, and its adapter."""
    root = tmp_path_factory.mktemp("wide")
    hf = tiny_models.build_base(
        "llama", demo_base_dir, root / "hf", hidden_size=256, intermediate_size=512, initializer_range=0.1
    )
    write_base_gguf(hf, root / "base.gguf", dtype="f32")
    convert_adapter(tiny_models.build_adapter(hf, root / "adapter"), root / "base.gguf", root / "lora.gguf")
    return root / "base.gguf", root / "lora.gguf"


@pytest.mark.parametrize(
    ("file_type", "kinds"),
    [("q4_0", {Kind.Q4_0}), ("q8_0", {Kind.Q8_0}), ("q4_k_m", {Kind.Q4_K, Kind.Q6_K}), ("q6_k", {Kind.Q6_K})],
)
def test_quantised_base_is_merged_from_the_values_that_it_stands_for(
    wide: tuple[Path, Path], file_type: str, kinds: set[Kind], tmp_path: Path
) -> None:
    base, lora = wide
    small = quantised(base, tmp_path / "small.gguf", file_type)
    assert kinds <= {info.kind for info in read_header(small).tensors.values()}
    merge(small, lora, tmp_path / "merged.gguf", touched="f16")
    found = served_logits(tmp_path / "merged.gguf", IDS)
    # The oracle is llama.cpp's own dequantisation: on quantised weights it rounds activations too, which alone is 2e-3.
    twin = quantised(small, tmp_path / "twin.gguf", "f32")
    assert mean_kl(served_logits(twin, IDS, lora), found) < 1e-3
    assert mean_kl(served_logits(small, IDS, lora), found) < 1e-2
    assert mean_kl(served_logits(small, IDS), found) > 1


def test_wrong_scale_is_caught_by_the_logits(unconverted: dict[str, Family], tmp_path: Path) -> None:
    files = unconverted["llama"]
    merge(files.gguf, files.adapter_gguf, tmp_path / "merged.gguf", touched="f32", scale=0.8)
    expected = served_logits(files.gguf, IDS, files.adapter_gguf)
    assert mean_kl(expected, served_logits(tmp_path / "merged.gguf", IDS)) > 1e-3


def test_peft_folder_is_merged_as_its_gguf_is(unconverted: dict[str, Family], tmp_path: Path) -> None:
    files = unconverted["llama"]
    from_folder = merge(files.gguf, files.adapter, tmp_path / "folder.gguf", scale=0.5)
    from_gguf = merge(files.gguf, files.adapter_gguf, tmp_path / "gguf.gguf", scale=0.5)
    assert from_folder == from_gguf
    assert (tmp_path / "folder.gguf").read_bytes() == (tmp_path / "gguf.gguf").read_bytes()


def test_report_says_what_was_written_and_from_what(demo_gguf: Path, demo_lora: Path, tmp_path: Path) -> None:
    done = merge(demo_gguf, demo_lora, tmp_path / "merged.gguf")
    content = (tmp_path / "merged.gguf").read_bytes()
    sources = {
        "base_sha256": hashlib.sha256(demo_gguf.read_bytes()).hexdigest(),
        "adapter_sha256": hashlib.sha256(demo_lora.read_bytes()).hexdigest(),
    }
    assert (done.sha256, done.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert {"base_sha256": done.base_sha256, "adapter_sha256": done.adapter_sha256} == sources
    origin = {f"laimark.merged.{key}": value for key, value in sources.items()}
    assert oracle.keys(tmp_path / "merged.gguf") == oracle.keys(demo_gguf) | origin


def test_untouched_tensors_are_the_bases_bytes(demo_gguf: Path, demo_lora: Path, tmp_path: Path) -> None:
    small = quantised(demo_gguf, tmp_path / "small.gguf", "q4_0")
    done = merge(small, demo_lora, tmp_path / "merged.gguf")
    before, after = oracle.tensors(small), oracle.tensors(tmp_path / "merged.gguf")
    assert list(after) == list(before)
    assert set(done.residuals) == set(read_adapter_gguf(demo_lora).pairs)
    for name, (kind, values) in before.items():
        if name in done.residuals:
            assert after[name][0] == "Q8_0"
        else:
            assert after[name][0] == kind
            np.testing.assert_array_equal(after[name][1], values, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 40),
    blocks=st.integers(1, 3),
    rank=st.integers(1, 9),
    alpha=st.floats(-64, 64, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3),
    base_kind=st.sampled_from([Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q5_1]),
    touched=st.sampled_from(["q8_0", "f16", "bf16", "f32"]),
    seed=st.integers(0, 1 << 31),
)
def test_merged_weights_are_the_sum_within_the_rounding_of_their_type(
    tmp_path_factory: pytest.TempPathFactory,
    rows: int,
    blocks: int,
    rank: int,
    alpha: float,
    base_kind: Kind,
    touched: Any,
    seed: int,
) -> None:
    folder, random = tmp_path_factory.mktemp("sum"), np.random.default_rng(seed)
    weights = random.standard_normal((rows, 32 * blocks)).astype(np.float32)
    encoded = gguf.quants.quantize(weights, base_kind)
    write(folder / "base.gguf", {"w": (encoded, base_kind), "other": (encoded, base_kind)})
    a = random.standard_normal((rank, 32 * blocks)).astype(np.float32)
    b = random.standard_normal((rows, rank)).astype(np.float32)
    write(folder / "lora.gguf", {"w.lora_a": (a, Kind.F32), "w.lora_b": (b, Kind.F32)}, alpha=alpha)
    done = merge(folder / "base.gguf", folder / "lora.gguf", folder / "out.gguf", touched=touched)
    exact = gguf.quants.dequantize(encoded, base_kind) + (alpha / rank if alpha else 1.0) * (
        b.astype(np.float64) @ a.astype(np.float64)
    )
    found = {t.name: t for t in gguf.GGUFReader(folder / "out.gguf").tensors}
    assert found["w"].tensor_type.name.lower() == touched
    merged = gguf.quants.dequantize(found["w"].data, found["w"].tensor_type)
    step = {"f32": 2**-23, "f16": 2**-10, "bf16": 2**-8, "q8_0": 0.5 / 127 + 2**-10}[touched]
    assert np.abs(merged - exact).max() <= step * np.abs(exact).max()
    assert done.residuals["w"].max_relative == pytest.approx(
        np.abs(merged - exact).max() / np.abs(exact).max(), rel=1e-6
    )
    np.testing.assert_array_equal(found["other"].data.view(np.uint8).ravel(), encoded.view(np.uint8).ravel())


def write(file: Path, tensors: dict[str, Any], alpha: float | None = None) -> None:
    writer = gguf.GGUFWriter(file, "llama")
    if alpha is not None:
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
    for name, (values, kind) in tensors.items():
        writer.add_tensor(name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_update_below_half_a_step_of_the_base_survives(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = gguf.quants.quantize(random.standard_normal((64, 256)).astype(np.float32), Kind.Q4_0)
    a, b = (random.choice([-0.1, 0.1], size).astype(np.float32) for size in ((1, 256), (64, 1)))
    write(tmp_path / "base.gguf", {"w": (weights, Kind.Q4_0)})
    write(tmp_path / "lora.gguf", {"w.lora_a": (a, Kind.F32), "w.lora_b": (b, Kind.F32)}, alpha=1.0)
    done = merge(tmp_path / "base.gguf", tmp_path / "lora.gguf", tmp_path / "out.gguf")
    base, update = gguf.quants.dequantize(weights, Kind.Q4_0), b @ a
    tensor = gguf.GGUFReader(tmp_path / "out.gguf").tensors[0]
    merged = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    rounded = gguf.quants.dequantize(gguf.quants.quantize(base + update, Kind.Q4_0), Kind.Q4_0)

    def share(found: NDArray[np.float32]) -> float:
        """How much of the update is in it."""
        return float(np.vdot(found - base, update) / np.vdot(update, update))

    assert share(merged) == pytest.approx(1, abs=0.05)
    assert share(rounded) < 0.5, "the base's own grid must lose it for this to mean anything"
    assert done.residuals["w"].of_update < 1


def test_equal_input_gives_equal_bytes(demo_gguf: Path, demo_lora: Path, tmp_path: Path) -> None:
    assert merge(demo_gguf, demo_lora, tmp_path / "1") == merge(demo_gguf, demo_lora, tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


CHILD = """
import resource, signal, sys
from pathlib import Path
from laimark_converters.merged_gguf import merge
if sys.argv[4] == "killed":
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
merge(*map(Path, sys.argv[1:4]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize("how", ["full", "killed"])
def test_full_disk_or_kill_in_the_middle_leaves_the_old_file(
    demo_gguf: Path, demo_lora: Path, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out" / "merged.gguf"
    out.parent.mkdir()
    out.write_bytes(b"served today")
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(demo_gguf), str(demo_lora), str(out), how],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode < 0 if how == "killed" else "OSError" in child.stderr, child.stderr
    assert out.read_bytes() == b"served today"
    if how == "full":
        assert list(out.parent.iterdir()) == [out]


def refused(*arguments: Path, **options: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        merge(*arguments, **options)
    return str(caught.value)


def test_refusal_leaves_the_old_file_and_nothing_beside_it(
    demo_gguf: Path, tmp_path: Path, unconverted: dict[str, Family]
) -> None:
    out = tmp_path / "merged.gguf"
    out.write_bytes(b"served today")
    assert "the adapter is for" in refused(demo_gguf, unconverted["llama"].adapter_gguf, out)
    assert "scale is nan" in refused(demo_gguf, demo_gguf, out, scale=float("nan"))
    assert "not a LoRA adapter" in refused(demo_gguf, demo_gguf, out)
    assert "cannot be read" in refused(tmp_path / "none", demo_gguf, out)
    assert out.read_bytes() == b"served today"
    assert list(tmp_path.iterdir()) == [out]


def test_values_that_are_not_finite_are_refused(demo_gguf: Path, tmp_path: Path) -> None:
    bad = write_lora(demo_gguf, tmp_path / "bad.gguf", value=float("nan"))
    assert "holds NaN or infinity" in refused(demo_gguf, bad, tmp_path / "merged.gguf")
    assert list(tmp_path.iterdir()) == [bad]


def test_sources_are_never_replaced(demo_gguf: Path, demo_lora: Path) -> None:
    before = demo_gguf.read_bytes()
    assert "would replace" in refused(demo_gguf, demo_lora, demo_gguf)
    assert "would replace" in refused(demo_gguf, demo_lora, demo_lora)
    assert demo_gguf.read_bytes() == before


def test_merged_model_is_refused_as_a_base(demo_gguf: Path, demo_lora: Path, tmp_path: Path) -> None:
    done: Merged = merge(demo_gguf, demo_lora, tmp_path / "once.gguf")
    assert done.bytes
    assert "merged model already" in refused(tmp_path / "once.gguf", demo_lora, tmp_path / "twice.gguf")
