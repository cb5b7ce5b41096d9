"""How long does it take to switch adapters on a loaded base, and what does an adapter cost per token?

Regime: one process, one thread, demo base in f16 unless another GGUF is given, four random adapters of rank 16 on all linear
layers, 1000 switches in a fixed pseudo-random order. A switch is setting the adapter and clearing the KV cache, which
is all that the embedded server does between two requests. Ceiling: a switch copies nothing, so it should cost no more
than a few calls into the library. Since llama.cpp may put work off, the first decode after a switch is timed against
one without. The cost per token is paired: base and adapter take turns on the same text. Everything is CPU time of the
one thread, so other programs on the machine do not count. An adapter adds rank * (in + out) / (in * out) of a layer's
work: a sixth at the demo base's width of 192, under one percent at 4096, so the cost of the demo base is an upper end.

Usage: bench_adapter_switch.py [--base BASE.gguf] [--switches 1000]; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np

from laimark_converters.base_gguf import write_base_gguf
from laimark_sidecar.llamacpp.base import Adapter, Base
from laimark_sidecar.paths import modelfiles

RANK = 16
LAYERS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
DECODED_TOKENS = 64
ROUNDS = 15


def random_adapter(base: Path, out: Path, seed: int) -> Path:
    numbers = np.random.default_rng(seed)
    reader = gguf.GGUFReader(base)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(out, architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(RANK))
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        if len(parts) == 4 and parts[2] in LAYERS:
            width, height = (int(size) for size in tensor.shape)
            writer.add_tensor(
                f"{tensor.name}.lora_a", numbers.normal(0, width**-0.5, (RANK, width)).astype(np.float32)
            )
            writer.add_tensor(
                f"{tensor.name}.lora_b", numbers.normal(0, 0.05, (height, RANK)).astype(np.float32)
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def switch_times_us(base: Base, adapters: list[Adapter], switches: int) -> list[float]:
    order = random.Random(0).choices(range(len(adapters)), k=switches + 50)
    times = []
    for index in order:
        start = time.thread_time()
        base.set_adapter(adapters[index])
        base.clear()
        times.append((time.thread_time() - start) * 1e6)
    return times[50:]


def first_decode_us(base: Base, adapters: list[Adapter], prompt: list[int], *, switch: bool) -> list[float]:
    times = []
    for index in range(200):
        base.set_adapter(adapters[index % 2 if switch else 0])
        base.clear()
        start = time.thread_time()
        base.decode(prompt[:1])
        times.append((time.thread_time() - start) * 1e6)
    return times[20:]


def seconds_per_token(base: Base, adapter: Adapter | None, prompt: list[int]) -> float:
    base.set_adapter(adapter)
    base.clear()
    token = int(base.decode(prompt)[0].argmax())
    start = time.thread_time()
    for _ in range(DECODED_TOKENS):
        base.decode([token])
    return (time.thread_time() - start) / DECODED_TOKENS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--switches", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.base
        if path is None:
            path = Path(folder) / "base.gguf"
            write_base_gguf(modelfiles() / "demo_base", path)
        with Base(path, threads=1) as base:
            adapters = [
                base.load_adapter(random_adapter(path, Path(folder) / f"{n}.gguf", n)) for n in range(4)
            ]
            switches = switch_times_us(base, adapters, options.switches)
            prompt = base.vocabulary.tokenize("def add(a, b):\n    return a + b\n")
            seconds_per_token(base, adapters[0], prompt)
            same = statistics.median(first_decode_us(base, adapters, prompt, switch=False))
            other = statistics.median(first_decode_us(base, adapters, prompt, switch=True))
            pairs = [
                (seconds_per_token(base, None, prompt), seconds_per_token(base, adapters[n % 4], prompt))
                for n in range(ROUNDS)
            ]
    ratios = [tuned / plain - 1 for plain, tuned in pairs]
    quantiles = statistics.quantiles(switches, n=100)
    result = {
        "switches": len(switches),
        "switch_p50_us": round(quantiles[49], 1),
        "switch_p95_us": round(quantiles[94], 1),
        "first_decode_extra_p50_us": round(other - same, 1),
        "base_tokens_per_s": round(1 / statistics.median(plain for plain, _ in pairs), 1),
        "adapter_tokens_per_s": round(1 / statistics.median(tuned for _, tuned in pairs), 1),
        "adapter_cost_percent_median": round(100 * statistics.median(ratios), 1),
        "adapter_cost_percent_iqr": [round(100 * q, 1) for q in statistics.quantiles(ratios, n=4)[::2]],
        "rank": RANK,
        "threads": 1,
    }
    for name, value in result.items():
        print(f"{name:30} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
