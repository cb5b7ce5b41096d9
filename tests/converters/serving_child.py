"""Serve adapters with llama.cpp until one kills the process: what a runner would live through.

Argument: the base. Each line on stdin is a path; the reply is `served` after a few tokens, or `refused`.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import llama_cpp
from tests.converters.llama_cpp_logits import opened

IDS = [5, 77, 300]


def main() -> None:
    """Answer until stdin ends."""
    with opened(Path(sys.argv[1])) as model:
        for line in sys.stdin:
            loaded = llama_cpp.llama_adapter_lora_init(model.model, line.strip().encode())
            if loaded:
                adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
                llama_cpp.llama_set_adapters_lora(model.ctx, adapters, 1, (ctypes.c_float * 1)(1.0))
                model.reset()
                model.eval(IDS)
                llama_cpp.llama_set_adapters_lora(model.ctx, adapters, 0, (ctypes.c_float * 1)(1.0))
                llama_cpp.llama_adapter_lora_free(loaded)
            sys.stdout.write("served\n" if loaded else "refused\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
