from __future__ import annotations

from pathlib import Path

from laimark_sidecar.runners.llama_server.log_file import size_of, trouble_since

# llama-server 0.5.0-dev in router mode, with too little memory.
LOG = """\
[52095] 0.00.183.300 W n_ctx_seq (4000000) > n_ctx_train (2048) -- possible training context overflow
[52095] 0.00.183.336 E ggml_aligned_malloc: insufficient memory (attempted to allocate 11718.75 MB)
[52095] 0.00.183.352 E ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 12288000000
[52095] 0.00.194.363 E cmn  common_init_: failed to create context with model '/base.gguf'
[52095] 0.00.194.364 E cmn  common_init_: failed to create context with model '/base.gguf'
[52095] 0.00.194.778 E srv  llama_server: exiting due to model loading error
0.00.301.834 I srv           run: instance name=me~one exited with status 1
"""


def test_the_cause_is_told_first_and_each_line_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)
    assert trouble_since(log, 0) == (
        "ggml_aligned_malloc: insufficient memory (attempted to allocate 11718.75 MB); "
        "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 12288000000; "
        "cmn common_init_: failed to create context with model '/base.gguf'"
    )


def test_what_was_said_before_is_not_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert size_of(log) == 0
    assert trouble_since(log, 0) == ""
    log.write_text(LOG)
    assert trouble_since(log, size_of(log)) == ""
    with log.open("a") as handle:
        handle.write("error loading model: tensor is missing\n")
    assert trouble_since(log, len(LOG)) == "error loading model: tensor is missing"
