"""Run llama.cpp's own base converter over several folders in one process, with a tokenizer that it does not know.

The script knows tokenizers by a hash of token ids and refuses locally trained ones; which tokens a random model has
does not matter here, so every family is given the same byte-level BPE. Weights and keys are the script's own.
Arguments: the folder of llama.cpp's Python sources, then one JSON list of [model folder, output].
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path
from typing import Any

PRE_TOKENIZER = "smollm"


def accept_any_tokenizer(base: Any) -> None:
    """Let every text model of the `conversion` package take the folder's byte-level BPE."""
    set_vocab = base.TextModel._set_vocab_gpt2
    base.TextModel.get_vocab_base_pre = lambda *_: PRE_TOKENIZER
    waiting = [base.TextModel]
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        model.set_vocab = set_vocab


def run(source: Path, jobs: list[list[str]]) -> None:
    """Write the base of each job exactly as the script's command line would, in f32."""
    sys.path[:0] = [str(source), str(source / "gguf-py")]
    conversion = importlib.import_module("conversion")
    base = importlib.import_module("conversion.base")
    script = source / "convert_hf_to_gguf.py"
    for folder, out in jobs:
        named = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))["architectures"][0]
        conversion.get_model_class(named)
        accept_any_tokenizer(base)
        sys.argv = [str(script), folder, "--outfile", out, "--outtype", "f32"]
        runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    run(Path(sys.argv[1]), json.loads(sys.argv[2]))
