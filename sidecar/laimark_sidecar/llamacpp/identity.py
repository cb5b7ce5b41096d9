"""What makes a base model that base model, as plain values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from laimark_sidecar.files import sha256_file
from laimark_sidecar.llamacpp.base import Base


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufIdentity:
    """Digests of a served GGUF; adapters belong to exactly one `sha256`."""

    sha256: str
    """Of the file."""
    architecture: str
    template_sha256: str
    """Of the chat template's text."""
    tokenizer_sha256: str
    """Of the token list in order (`Vocabulary.sha256`)."""


def identify(base: Base) -> GgufIdentity:
    """Return the identity of a loaded base. Reads the whole file: seconds for a large one, so ask once."""
    return GgufIdentity(
        sha256=sha256_file(base.path),
        architecture=base.architecture,
        template_sha256=hashlib.sha256(base.template.encode("utf-8", "surrogatepass")).hexdigest(),
        tokenizer_sha256=base.vocabulary.sha256(),
    )
