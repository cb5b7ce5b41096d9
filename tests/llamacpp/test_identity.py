from __future__ import annotations

import hashlib
from pathlib import Path

from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.identity import identify


def test_identity_is_that_of_the_very_bytes(base: Base, demo_gguf: Path) -> None:
    found = identify(base)
    assert found.sha256 == hashlib.sha256(demo_gguf.read_bytes()).hexdigest()
    assert found.architecture == "llama"
    assert found.template_sha256 == hashlib.sha256(base.template.encode()).hexdigest()
    assert found.tokenizer_sha256 == base.vocabulary.sha256()
