"""How long and how much memory does an adapter's conversion to GGUF take, ours against llama.cpp's own script?

Regime: the same PEFT adapter over all seven projections at rank 16, on the demo base and on a random base of a
real model's size, one thread. Three comparisons, because the answer differs:

* `process`: a fresh child process each, as the script's user runs it; imports count.
* `warm`: the conversion alone, repeated in one process after everything is imported.
* `as used`: the sidecar converts in its running process, the script's user starts a process: `warm` against `process`.

One warm-up, then the median and the spread of several runs; peak memory is the child's largest resident set. Ceiling:
no process of ours is faster than Python's start with numpy, reported as `floor_s`; the warm conversion writes and
fsyncs the file, which is reported as `write_s`.

The script of llama.cpp is taken from LAIMARK_LLAMA_CPP_SOURCE, else from where scripts/test unpacks it. The last
line on stdout is JSON. Run: `python -m scripts.bench_convert`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# Run by its path, a script has only its own folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from safetensors.numpy import save_file
from scripts.child_process import Child, run_child

from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.header import GgufHeader, read_header
from laimark_converters.names import PROJECTIONS
from laimark_sidecar.paths import modelfiles

RANK, ALPHA = 16, 32
OURS = (
    "import sys; from pathlib import Path; from laimark_converters.adapter_gguf import convert_adapter; "
    "convert_adapter(*map(Path, sys.argv[1:4]))"
)
OURS_WARM = """
import json, sys, time
from pathlib import Path
from laimark_converters.adapter_gguf import convert_adapter
seconds = []
for _ in range(1 + int(sys.argv[4])):
    start = time.perf_counter()
    convert_adapter(*map(Path, sys.argv[1:4]))
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds[1:]))
"""
THEIRS_WARM = """
import json, logging, runpy, sys, time
script, runs = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, script.rpartition("/")[0])
sys.argv = sys.argv[1:2] + sys.argv[3:]
seconds = []
for _ in range(1 + runs):
    start = time.perf_counter()
    runpy.run_path(script, run_name="__main__")
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds[1:]))
"""
WRITE = """
import json, os, sys, time
content, seconds = open(sys.argv[1], "rb").read(), []
for _ in range(1 + int(sys.argv[3])):
    start = time.perf_counter()
    with open(sys.argv[2], "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds[1:]))
"""
FLOOR = "import numpy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Seconds over all runs."""

    median_s: float
    fastest_s: float
    slowest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One way to convert."""

    process: Spread
    process_cpu: Spread
    warm: Spread
    peak_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both ways on one base. The outputs were compared tensor by tensor before anything was reported."""

    base: str
    adapter_mib: float
    write_s: float
    ours: Measured
    llama_cpp: Measured
    times_faster_process: float
    times_less_cpu_process: float
    times_faster_warm: float
    times_faster_as_used: float
    times_less_memory: float


def spread(seconds: Sequence[float]) -> Spread:
    return Spread(
        median_s=round(statistics.median(seconds), 4),
        fastest_s=round(min(seconds), 4),
        slowest_s=round(max(seconds), 4),
    )


def measured(processes: Sequence[Child], warm: Sequence[float]) -> Measured:
    return Measured(
        process=spread([child.seconds for child in processes]),
        process_cpu=spread([child.cpu_s for child in processes]),
        warm=spread(warm),
        peak_mib=round(max(child.peak_mib for child in processes), 1),
    )


def timings(child: Child) -> list[float]:
    """Return the seconds that a warm child printed as its last line."""
    seconds: list[float] = json.loads(child.printed.splitlines()[-1])
    return seconds


def write_random_base(folder: Path, *, hidden: int, layers: int) -> Path:
    """Write config.json and a GGUF that is all header (zeros in a hole of the file), and return the GGUF."""
    import gguf

    folder.mkdir(parents=True)
    intermediate, heads, kv_heads = hidden * 11 // 4, hidden // 64, hidden // 256
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": 32000,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    sizes = {
        "attn_q": (hidden, hidden),
        "attn_k": (kv_heads * 64, hidden),
        "attn_v": (kv_heads * 64, hidden),
        "attn_output": (hidden, hidden),
        "ffn_gate": (intermediate, hidden),
        "ffn_up": (intermediate, hidden),
        "ffn_down": (hidden, intermediate),
    }
    writer = gguf.GGUFWriter(folder / "base.gguf", "llama")
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    total = 0
    for layer in range(layers):
        for name, shape in sizes.items():
            size = 2 * shape[0] * shape[1]
            writer.add_tensor_info(f"blk.{layer}.{name}.weight", shape, np.dtype(np.float16), size)
            total += size
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    file = folder / "base.gguf"
    os.truncate(file, file.stat().st_size + total + 64)
    return file


def write_adapter(folder: Path, base: GgufHeader) -> Path:
    """Write a random adapter over every projection that the base has."""
    random, folder_made = np.random.default_rng(0), folder
    folder_made.mkdir(parents=True)
    tensors = {}
    layer = 0
    while f"blk.{layer}.attn_q.weight" in base.tensors:
        for module, name in PROJECTIONS.items():
            out, into = base.tensors[f"blk.{layer}.{name}.weight"].shape
            path = f"base_model.model.model.layers.{layer}.{module}"
            tensors[f"{path}.lora_A.weight"] = random.standard_normal((RANK, into), np.float32)
            tensors[f"{path}.lora_B.weight"] = random.standard_normal((out, RANK), np.float32)
        layer += 1
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def assert_equal(ours: Path, theirs: Path) -> None:
    """Stop the benchmark when the two do not hold the same tensors: a fast wrong answer is not a result."""
    import gguf

    found = {t.name: t.data for t in gguf.GGUFReader(ours).tensors}
    expected = {t.name: t.data for t in gguf.GGUFReader(theirs).tensors}
    same = set(found) == set(expected) and all(np.array_equal(found[name], expected[name]) for name in found)
    if not same:
        raise SystemExit(f"{ours} and {theirs} differ")


def compare(name: str, hf_dir: Path, base: Path, script: Path, folder: Path, runs: int) -> Comparison:
    adapter = write_adapter(folder / f"{name}-adapter", read_header(base))
    ours_out, theirs_out = folder / f"{name}-ours.gguf", folder / f"{name}-theirs.gguf"
    files = [str(adapter), str(base), str(ours_out)]
    options = ["--base", str(hf_dir), "--outfile", str(theirs_out), str(adapter)]
    # In turns, so that a busy spell of the machine meets both.
    pairs = [(run_child("-c", OURS, *files), run_child(str(script), *options)) for _ in range(1 + runs)]
    ours = measured([pair[0] for pair in pairs[1:]], timings(run_child("-c", OURS_WARM, *files, str(runs))))
    theirs = measured(
        [pair[1] for pair in pairs[1:]],
        timings(run_child("-c", THEIRS_WARM, str(script), str(runs), *options)),
    )
    assert_equal(ours_out, theirs_out)
    written = timings(run_child("-c", WRITE, str(ours_out), str(folder / "copy"), str(runs)))
    return Comparison(
        base=name,
        adapter_mib=round(ours_out.stat().st_size / (1 << 20), 1),
        write_s=spread(written).median_s,
        ours=ours,
        llama_cpp=theirs,
        times_faster_process=round(theirs.process.median_s / ours.process.median_s, 1),
        times_less_cpu_process=round(theirs.process_cpu.median_s / ours.process_cpu.median_s, 1),
        times_faster_warm=round(theirs.warm.median_s / ours.warm.median_s, 1),
        times_faster_as_used=round(theirs.process.median_s / ours.warm.median_s, 1),
        times_less_memory=round(theirs.peak_mib / ours.peak_mib, 1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=1024, help="of the larger, random base")
    parser.add_argument("--layers", type=int, default=16, help="of the larger, random base")
    arguments = parser.parse_args()
    default = "~/.cache/laimark-sidecar/llama.cpp-0.3.36"
    script = (
        Path(os.environ.get("LAIMARK_LLAMA_CPP_SOURCE", default)).expanduser() / "convert_lora_to_gguf.py"
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = folder / "demo.gguf"
        write_base_gguf(modelfiles() / "demo_base", demo)
        large = write_random_base(
            folder / "large", hidden=arguments.hidden, layers=arguments.layers
        )  # fmt: skip
        comparisons = [
            compare("demo", modelfiles() / "demo_base", demo, script, folder, arguments.runs),
            compare(
                f"hidden{arguments.hidden}x{arguments.layers}",
                large.parent,
                large,
                script,
                folder,
                arguments.runs,
            ),
        ]
        run_child("-c", FLOOR)
        floor = [run_child("-c", FLOOR) for _ in range(arguments.runs)]
    for c in comparisons:
        print(
            f"{c.base}: process {c.ours.process.median_s} s against {c.llama_cpp.process.median_s} s "
            f"({c.times_faster_process} times faster, {c.times_less_cpu_process} times less CPU), warm {c.ours.warm.median_s} s against "
            f"{c.llama_cpp.warm.median_s} s ({c.times_faster_warm}), as used {c.times_faster_as_used} times faster; "
            f"{c.ours.peak_mib} MiB against {c.llama_cpp.peak_mib} MiB"
        )
    report = {
        "runs": arguments.runs,
        "rank": RANK,
        "floor_s": round(statistics.median(child.seconds for child in floor), 3),
        "floor_mib": round(max(child.peak_mib for child in floor), 1),
        "seconds": round(time.perf_counter() - start, 1),
        "comparisons": [asdict(c) for c in comparisons],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
