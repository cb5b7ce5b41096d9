"""Every family's tiny base, adapter and conversions, made once: by peft, by us and by llama.cpp's own script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.converters import oracle, tiny_models
from tests.converters.oracle import OracleJob

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.base_gguf import write_base_gguf


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The files of one model family; `oracle` was written by llama.cpp's script, `adapter_gguf` by us."""

    hf: Path
    gguf: Path
    adapter: Path
    adapter_gguf: Path
    oracle: Path


@pytest.fixture(scope="session")
def unconverted(demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Family]:
    root = tmp_path_factory.mktemp("families")
    families = {}
    for name in tiny_models.CONFIGS:
        base = tiny_models.build_base(name, demo_base_dir, root / name)
        adapter = tiny_models.build_adapter(base, root / f"{name}-adapter")
        gguf = root / f"{name}.gguf"
        write_base_gguf(base, gguf, dtype="f32")
        ours = root / f"{name}-adapter.gguf"
        convert_adapter(adapter, gguf, ours)
        families[name] = Family(
            hf=base, gguf=gguf, adapter=adapter, adapter_gguf=ours, oracle=root / f"{name}-oracle.gguf"
        )
    return families


@pytest.fixture(scope="session")
def oracle_dtypes(
    unconverted: dict[str, Family], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The llama adapter as llama.cpp's script writes it in the smaller types; written by `families`."""
    folder = tmp_path_factory.mktemp("oracle")
    return {dtype: folder / f"{dtype}.gguf" for dtype in ("f16", "bf16", "q8_0")}


@pytest.fixture(scope="session")
def families(unconverted: dict[str, Family], oracle_dtypes: dict[str, Path]) -> dict[str, Family]:
    """All families, after the oracle ran over all of them in one child process."""
    jobs = [OracleJob(adapter=f.adapter, base=f.hf, out=f.oracle) for f in unconverted.values()]
    llama = unconverted["llama"]
    jobs += [
        OracleJob(adapter=llama.adapter, base=llama.hf, out=out, dtype=dtype)
        for dtype, out in oracle_dtypes.items()
    ]
    oracle.convert(jobs)
    return unconverted
