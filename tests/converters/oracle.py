"""llama.cpp's own converter as the oracle: the source that ships inside the llama-cpp-python 0.3.36 sdist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

DEFAULT_SOURCE = Path("~/.cache/laimark-sidecar/llama.cpp-0.3.36")


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleJob:
    """One conversion: the adapter folder, the folder with the base's config.json, and where it goes."""

    adapter: Path
    base: Path
    out: Path
    dtype: str = "f32"


def source() -> Path:
    """Return the folder of llama.cpp's Python sources.

    Raises:
        FileNotFoundError: it was not unpacked; the message says how.
    """
    folder = Path(os.environ.get("LAIMARK_LLAMA_CPP_SOURCE", DEFAULT_SOURCE)).expanduser()
    if not (folder / "convert_lora_to_gguf.py").is_file():
        raise FileNotFoundError(
            f"llama.cpp's converter is the oracle of these tests and is not in {folder}: unpack vendor/llama.cpp/"
            "{convert_*.py,conversion,gguf-py} of the llama-cpp-python 0.3.36 sdist there (scripts/test does), "
            "or set LAIMARK_LLAMA_CPP_SOURCE"
        )
    return folder


def convert(jobs: list[OracleJob]) -> None:
    """Run the oracle over all jobs in one child process."""
    arguments = [
        ["--base", str(j.base), "--outfile", str(j.out), "--outtype", j.dtype, str(j.adapter)] for j in jobs
    ]
    _run("oracle_child.py", arguments)


def write_bases(bases: dict[Path, Path]) -> None:
    """Write the GGUF, in f32, of each model folder as llama.cpp's own script does, in one child process."""
    _run("oracle_base_child.py", [[str(folder), str(out)] for folder, out in bases.items()])


def _run(child: str, jobs: list[list[str]]) -> None:
    result = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(child)), str(source()), json.dumps(jobs)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]


def tensors(file: Path) -> dict[str, tuple[str, NDArray[Any]]]:
    """Return name -> (type, raw data) of a GGUF, read by gguf's own reader."""
    reader = gguf.GGUFReader(file)
    return {t.name: (t.tensor_type.name, np.array(t.data)) for t in reader.tensors}


def keys(file: Path) -> dict[str, Any]:
    """Return the keys of a GGUF, read by gguf's own reader; its own count keys left out."""
    reader = gguf.GGUFReader(file)
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}


def assert_same_tensors(ours: Path, theirs: Path) -> None:
    """Fail unless both files hold the same tensors, of the same type and bit for bit."""
    found, expected = tensors(ours), tensors(theirs)
    assert set(found) == set(expected)
    for name, (kind, values) in expected.items():
        assert found[name][0] == kind, name
        np.testing.assert_array_equal(found[name][1], values, err_msg=name)
