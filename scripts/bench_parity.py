"""Does a training base made from a served GGUF compute what the runner computes, and what does making it cost?

Regime: parity on tiny random models of every family that can be trained on (two layers of width 256, gemma 3 six) and on
the trained demo model, each in f16, Q8_0, Q6_K and Q4_K_M as llama.cpp itself quantises, over 512 tokens of text; cost on
one wide random Llama, each run a fresh child process on one thread, so imports count. Ceiling: quantised bases cannot come
closer than llama.cpp's own rounding of activations to 8 bits, measured beside as `noise`; making cannot be faster than
reading the GGUF and writing the folder, reported as `copy_s`; memory not below numpy and gguf imported, `floor_mib`.
The last line on stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# tests/ holds the tiny models; a script's own folder is what Python puts on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gguf
import numpy as np
from scripts.bench_merge import FLOOR, finish
from scripts.child_process import run_child
from tests.converters import served_models
from transformers.utils import logging as transformers_logging

from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.training_base import write_training_base
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.training.fidelity import measure_fidelity

MAKE = (
    "import sys; from pathlib import Path; from laimark_converters.training_base import write_training_base; "
    "write_training_base(Path(sys.argv[1]), Path(sys.argv[2]))"
)
COPY = (
    "import sys; source, target = open(sys.argv[1], 'rb'), open(sys.argv[2], 'wb'); size = int(sys.argv[3]); "
    "[source.read(1 << 20) for _ in iter(lambda: source.peek(1), b'')]; "
    "[target.write(bytes(1 << 20)) for _ in range(size >> 20)]; target.flush(); __import__('os').fsync(target)"
)
DEMO = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """One model in one type: logits of its training base against llama.cpp's."""

    model: str
    kind: str
    tokens: int
    kl: float
    difference: float
    noise_kl: float
    noise_difference: float
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Making a training base of one type, over all runs."""

    kind: str
    weights: int
    median_s: float
    fastest_s: float
    slowest_s: float
    million_weights_per_s: float
    peak_mib: float
    copy_s: float


def parities(folder: Path) -> list[Parity]:
    found = []
    for model in (DEMO, *served_models.FAMILIES):
        plain = folder / f"{model}.gguf"
        if model == DEMO:
            write_base_gguf(modelfiles() / "demo_base", plain)
        else:
            hf = served_models.build_hf(model, modelfiles() / "demo_base", folder / model)
            served_models.serve(hf, plain)
        for kind in ("f16", *served_models.QUANTISED):
            served = plain if kind == "f16" else folder / "quantised.gguf"
            if kind != "f16":
                served_models.quantise(plain, served, kind)
            found.append(parity(model, kind, served, folder / "training"))
    return found


def parity(model: str, kind: str, served: Path, training: Path) -> Parity:
    shutil.rmtree(training, ignore_errors=True)
    write_training_base(served, training)
    result = measure_fidelity(training, served, training.with_name("work"), python=sys.executable, threads=1)
    one = Parity(
        model=model,
        kind=kind,
        tokens=result.tokens,
        kl=float(f"{result.kl:.3g}"),
        difference=float(f"{result.difference:.3g}"),
        noise_kl=float(f"{result.noise_kl:.3g}"),
        noise_difference=float(f"{result.noise_difference:.3g}"),
        allowed=not result.flaw(),
    )
    print(
        f"{model:14} {kind:7} KL {one.kl:.1e} (noise {one.noise_kl:.1e}), largest difference {one.difference:.3f} "
        f"(noise {one.noise_difference:.3f}){'' if one.allowed else '  REFUSED'}",
        flush=True,
    )
    return one


def write_wide_base(file: Path, hidden: int, layers: int) -> int:
    """Write a random Llama in f16 and return its number of weights."""
    random, writer = np.random.default_rng(0), gguf.GGUFWriter(file, "llama")
    heads, wide, vocab = hidden // 64, hidden * 11 // 4, 8192
    writer.add_context_length(2048)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(wide)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads // 4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("none")
    sizes = {"token_embd": (vocab, hidden), "output": (vocab, hidden)}
    norms = ["output_norm"]
    for layer in range(layers):
        sizes |= {
            f"blk.{layer}.{name}": shape
            for name, shape in {
                "attn_q": (hidden, hidden),
                "attn_k": (hidden // 4, hidden),
                "attn_v": (hidden // 4, hidden),
                "attn_output": (hidden, hidden),
                "ffn_gate": (wide, hidden),
                "ffn_up": (wide, hidden),
                "ffn_down": (hidden, wide),
            }.items()
        }
        norms += [f"blk.{layer}.attn_norm", f"blk.{layer}.ffn_norm"]
    for name, shape in sizes.items():
        values = (random.standard_normal(shape, np.float32) * np.float32(0.02)).astype(np.float16)
        writer.add_tensor(f"{name}.weight", values)
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(hidden, np.float32))
    finish(writer, file)
    return sum(out * into for out, into in sizes.values())


def cost(kind: str, served: Path, weights: int, runs: int) -> Cost:
    training = served.with_name("made")
    results = []
    for _ in range(runs + 1):  # the first warms up
        shutil.rmtree(training, ignore_errors=True)
        results.append(run_child("-c", MAKE, str(served), str(training)))
    seconds = [result.seconds for result in results[1:]]
    size = (training / "model.safetensors").stat().st_size
    copies = [
        run_child("-c", COPY, str(served), str(training / "copy"), str(size)).seconds for _ in range(runs)
    ]
    shutil.rmtree(training)
    return Cost(
        kind=kind,
        weights=weights,
        median_s=round(statistics.median(seconds), 2),
        fastest_s=round(min(seconds), 2),
        slowest_s=round(max(seconds), 2),
        million_weights_per_s=round(weights / 1e6 / statistics.median(seconds), 1),
        peak_mib=round(max(result.peak_mib for result in results), 1),
        copy_s=round(statistics.median(copies), 2),
    )


def costs(folder: Path, hidden: int, layers: int, runs: int) -> list[Cost]:
    plain = folder / "wide.gguf"
    weights = write_wide_base(plain, hidden, layers)
    found = []
    for kind in ("f16", *served_models.QUANTISED):
        served = plain if kind == "f16" else folder / "wide-quantised.gguf"
        if kind != "f16":
            served_models.quantise(plain, served, kind)
        one = cost(kind, served, weights, runs)
        print(
            f"{weights / 1e6:.0f} M weights of {kind}: {one.median_s} s ({one.million_weights_per_s} M weights/s), "
            f"peak {one.peak_mib} MiB; reading and writing alone {one.copy_s} s",
            flush=True,
        )
        found.append(one)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=8)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        measured = costs(Path(name), arguments.hidden, arguments.layers, arguments.runs)
        compared = parities(Path(name))
    floor_mib = run_child("-c", FLOOR).peak_mib
    report = {
        "runs": arguments.runs,
        "floor_mib": round(floor_mib, 1),
        "seconds": round(time.perf_counter() - start, 1),
        "cost": [asdict(one) for one in measured],
        "parity": [asdict(one) for one in compared],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
