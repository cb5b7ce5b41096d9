"""Texts that tokenizers stumble over."""

from __future__ import annotations

UNICODE = (
    "naïve façade, 日本語のテキスト and 한국어, emoji 👍🏽🚀👩‍👩‍👧, combining é vs é,\r\n\ttabs   and    spaces  \n\n\n"
    "I'LL don't WE'VE 3 33 333 3333 12345.678e-9 0xFF _private __dunder__ a==b!=c ;-) \u200bzero\u200dwidth ﷽ İß"
)
SPECIAL = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
