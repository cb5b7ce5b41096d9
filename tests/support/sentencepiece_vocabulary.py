"""Writes the GGUF of a small SentencePiece vocabulary: bytes, letters and a few words, without tensors."""

from __future__ import annotations

from pathlib import Path

import gguf

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write_sentencepiece(file: Path) -> Path:
    """Write the file; a space is put before every text, as Llama 2's tokenizer does."""
    words = ["\u2581", *"abcdefghijklmnopqrstuvwxyzé", "he", "ll", "llo", "hello", "\u2581he", "\u2581hello"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    types = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * len(words)]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    # The longer a word, the sooner it is merged.
    writer.add_token_scores([0.0] * 259 + [float(len(word)) for word in words])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(TEMPLATE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
