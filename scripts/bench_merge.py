"""How long and how much memory does merging an adapter into a served GGUF take, and what does rounding cost?

Regime: a random Llama-shaped base of f16 or q8_0 weights with a rank-16 LoRA over all seven projections, whose
update has a hundredth of the weights' size; each merge is a fresh child process on one thread, so imports count.
One warm-up, then the median and the spread of several runs; peak memory is the child's largest resident set.
Ceiling: no merge is faster than hashing the base and copying it, reported as `copy_s`; memory cannot fall below
numpy and gguf imported, reported as `floor_mib`. The last line on stdout is JSON. Run: `python -m scripts.bench_merge`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

# Run by its path, a script has only its own folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gguf
import numpy as np
from scripts.child_process import run_child

from laimark_converters.merge_plan import Touched

RANK, SIZE, UPDATE = 16, 0.02, 0.01
MERGE = (
    "import json, sys; from pathlib import Path; from laimark_converters.merged_gguf import merge; "
    "done = merge(*map(Path, sys.argv[1:4]), touched=sys.argv[4]); r = done.residuals.values(); "
    "print(json.dumps([done.bytes, max(x.max_relative for x in r), sum(x.mean_relative for x in r) / len(r), "
    "max(x.of_update for x in r)]))"
)
COPY = (
    "import hashlib, shutil, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256'); "
    "shutil.copyfile(sys.argv[1], sys.argv[3])"
)
FLOOR = "import numpy, gguf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One precision on one base, over all runs. Residuals are over all tensors: worst, mean, worst."""

    base: str
    touched: str
    median_s: float
    fastest_s: float
    slowest_s: float
    peak_mib: float
    merged_mib: float
    max_relative: float
    mean_relative: float
    of_update: float


def shapes(hidden: int, layers: int) -> dict[str, tuple[int, int]]:
    wide, narrow = hidden * 11 // 4, hidden // 4
    sizes = {
        "attn_q": (hidden, hidden),
        "attn_k": (narrow, hidden),
        "attn_v": (narrow, hidden),
        "attn_output": (hidden, hidden),
        "ffn_gate": (wide, hidden),
        "ffn_up": (wide, hidden),
        "ffn_down": (hidden, wide),
    }
    return {f"blk.{n}.{name}.weight": shape for n in range(layers) for name, shape in sizes.items()}


def write_base(file: Path, hidden: int, layers: int, kind: gguf.GGMLQuantizationType) -> Path:
    random, writer = np.random.default_rng(0), gguf.GGUFWriter(file, "llama")
    for name, shape in shapes(hidden, layers).items():
        weights = random.standard_normal(shape, np.float32) * np.float32(SIZE)
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    return finish(writer, file)


def write_lora(file: Path, hidden: int, layers: int) -> Path:
    random, writer = np.random.default_rng(1), gguf.GGUFWriter(file, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(RANK))
    for name, (out, into) in shapes(hidden, layers).items():
        writer.add_tensor(f"{name}.lora_a", random.standard_normal((RANK, into), np.float32))
        b = random.standard_normal((out, RANK), np.float32) * np.float32(SIZE * UPDATE / RANK**0.5)
        writer.add_tensor(f"{name}.lora_b", b)
    return finish(writer, file)


def finish(writer: gguf.GGUFWriter, file: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def measure(base: Path, lora: Path, touched: str, runs: int) -> Measured:
    out = base.with_name("merged.gguf")
    run_child("-c", MERGE, str(base), str(lora), str(out), touched)
    results = [run_child("-c", MERGE, str(base), str(lora), str(out), touched) for _ in range(runs)]
    seconds = [result.seconds for result in results]
    size_bytes, largest, mean, of_update = json.loads(results[0].printed)
    return Measured(
        base=base.stem,
        touched=touched,
        median_s=round(statistics.median(seconds), 2),
        fastest_s=round(min(seconds), 2),
        slowest_s=round(max(seconds), 2),
        peak_mib=round(max(result.peak_mib for result in results), 1),
        merged_mib=round(size_bytes / (1 << 20), 1),
        max_relative=float(f"{largest:.3g}"),
        mean_relative=float(f"{mean:.3g}"),
        of_update=float(f"{of_update:.3g}"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=8)
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lora = write_lora(folder / "lora.gguf", arguments.hidden, arguments.layers)
        bases = [
            write_base(folder / f"{kind.name.lower()}.gguf", arguments.hidden, arguments.layers, kind)
            for kind in (gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.Q8_0)
        ]
        floor_mib = run_child("-c", FLOOR).peak_mib
        copies = [
            run_child("-c", COPY, str(bases[0]), "", str(folder / "copy")).seconds
            for _ in range(arguments.runs)
        ]
        base_mib = bases[0].stat().st_size / (1 << 20)
        measured = [measure(base, lora, kind, arguments.runs) for base in bases for kind in get_args(Touched)]
    for m in measured:
        print(
            f"{m.base} base, {m.touched}: {m.median_s} s, {m.peak_mib} MiB, file {m.merged_mib} MiB; rounding is "
            f"{m.mean_relative:.2g} of the weights and {m.of_update:.2g} of the update"
        )
    report = {
        "runs": arguments.runs,
        "weights": sum(out * into for out, into in shapes(arguments.hidden, arguments.layers).values()),
        "rank": RANK,
        "f16_base_mib": round(base_mib, 1),
        "copy_s": round(statistics.median(copies), 2),
        "floor_mib": round(floor_mib, 1),
        "seconds": round(time.perf_counter() - start, 1),
        "measured": [asdict(m) for m in measured],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
