"""Build the wheel and check that it holds what an installation needs: the shipped model, the licence, the entry points."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = (
    "laimark_sidecar/__main__.py",
    "laimark_sidecar/training/worker/__init__.py",
    "laimark_sidecar/experience/privacy/rules/tokens.toml",
    "laimark_converters/__init__.py",
    "laimark_sidecar/modelfiles/core/prompts.jsonl",
    "laimark_sidecar/modelfiles/demo_base/model.safetensors",
    "laimark_sidecar/modelfiles/demo_base/tokenizer.json",
    "laimark_sidecar/modelfiles/demo_base/config.json",
)


def declared_entry_points(pyproject: str) -> set[tuple[str, str, str]]:
    """Return (group, name, target) of every script and entry point that pyproject declares."""
    project = tomllib.loads(pyproject)["project"]
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    return {(group, name, target) for group, names in groups.items() for name, target in names.items()}


def packed_entry_points(text: str) -> set[tuple[str, str, str]]:
    """Return (group, name, target) of every entry point in a wheel's `entry_points.txt`."""
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(text)
    return {(group, name, target) for group in parser.sections() for name, target in parser.items(group)}


def problems(wheel: Path, pyproject: str) -> list[str]:
    """Return what the wheel lacks, one line each."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entries = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        packed = packed_entry_points(archive.read(entries[0]).decode()) if entries else set()
    found = [f"missing file: {name}" for name in NEEDED if name not in names]
    if not any(".dist-info/licenses/LICENSE" in name for name in names):
        found.append("missing file: LICENSE")
    for group, name, target in sorted(declared_entry_points(pyproject) - packed):
        found.append(f"missing entry point: {group}: {name} = {target}")
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = Path(folder).glob("*.whl")
        found = problems(wheel, (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB, {len(found)} problems")
    for problem in found:
        print(f"  {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
