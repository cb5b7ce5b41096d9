"""Bases that want a begin-of-text token before every prompt, whose templates write it too, or do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import gguf

from laimark_converters.base_gguf import write_base_gguf


def wanting_bos(base_dir: Path, folder: Path, *, written: bool) -> Path:
    """Make a GGUF of a Hugging Face folder whose tokenizer adds the token; `written`: the template writes it as well."""
    made = folder / ("written" if written else "left-out")
    shutil.copytree(base_dir, made)
    if written:
        template = made / "chat_template.jinja"
        template.write_text("{{ bos_token }}" + template.read_text(encoding="utf-8"), encoding="utf-8")
    out = made / "base.gguf"
    write_base_gguf(made, out)
    field = gguf.GGUFReader(out, "r+").fields["tokenizer.ggml.add_bos_token"]
    assert not field.parts[field.data[0]][0]
    field.parts[field.data[0]][0] = True
    return out
