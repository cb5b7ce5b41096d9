"""What the frozen base answers to the core prompts: the targets of core replay and the yardstick of forgetting.

Never gold answers from elsewhere and never the current adapter's own (that way lies collapse). Asked once a base and
prompt, then read from the cache: one safetensors file a prompt, named by a digest of all that decides its content.

Legend: N answer tokens, K cached logits a token.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.logs import action
from laimark_sidecar.training.worker.backend import TrainerBackend
from laimark_sidecar.training.worker.losses import BaseLogits, Item

log = logging.getLogger(__name__)

MAX_NEW_TOKENS = 64
TOP_LOGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCache:
    """Folder of the answers of one base, by the sha256 of the GGUF that is served."""

    folder: Path
    base_sha256: str

    def item(
        self, backend: TrainerBackend, prompt: Sequence[int], *, weight: float, end_ids: Sequence[int]
    ) -> Item:
        """Return the core item of a prompt, asking the base only where the cache does not know.

        A damaged cache file is asked anew; the cache may be deleted at any time.
        """
        path = self.folder / f"{self._digest(prompt, end_ids)}.safetensors"
        item = _read(path, prompt, weight, backend.device)
        if item is None:
            item = ask(backend, prompt, weight=weight, end_ids=end_ids)
            make_dir(self.folder)
            write_atomic(path, _encode(item, len(prompt)))
        return item

    def _digest(self, prompt: Sequence[int], end_ids: Sequence[int]) -> str:
        text = f"1 {self.base_sha256} {MAX_NEW_TOKENS} {TOP_LOGITS} {list(end_ids)} {list(prompt)}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@torch.no_grad()
def ask(backend: TrainerBackend, prompt: Sequence[int], *, weight: float, end_ids: Sequence[int]) -> Item:
    """Return the core item of a prompt from the frozen base, whatever adapter is on the model."""
    with backend.base_only():
        answer = backend.generate(prompt, max_new_tokens=MAX_NEW_TOKENS, end_ids=end_ids)
        ids = (*prompt, *answer)
        positions = tuple(range(len(prompt) - 1, len(ids) - 1))
        ids_1T = torch.tensor([ids], device=backend.device)
        logits_NV = backend.logits(
            ids_1T, torch.ones_like(ids_1T), torch.tensor(positions, device=backend.device)
        )[0]
    leading = logits_NV.topk(min(TOP_LOGITS, logits_NV.shape[1]), dim=-1)
    return Item(
        pool="core",
        ids=ids,
        positions=positions,
        weight=weight,
        base=BaseLogits(
            token_ids_NK=leading.indices, logits_NK=leading.values, logsumexp_N=logits_NV.logsumexp(dim=-1)
        ),
    )


def _encode(item: Item, prompt_length: int) -> bytes:
    assert item.base is not None
    return save(
        {
            "answer": torch.tensor(item.ids[prompt_length:], dtype=torch.int32),
            "token_ids": item.base.token_ids_NK.to("cpu", torch.int32),
            "logits": item.base.logits_NK.cpu().contiguous(),
            "logsumexp": item.base.logsumexp_N.cpu(),
        }
    )


def _read(path: Path, prompt: Sequence[int], weight: float, device: torch.device) -> Item | None:
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        answer = [int(token) for token in tensors["answer"]]
        base = BaseLogits(
            token_ids_NK=tensors["token_ids"].to(device, torch.int64),
            logits_NK=tensors["logits"].to(device),
            logsumexp_N=tensors["logsumexp"].to(device),
        )
    except (OSError, SafetensorError, KeyError) as error:
        log.warning(
            "core answer %s is damaged, asking the base again: %s",
            path.name,
            error,
            extra=action("core.damaged"),
        )
        return None
    positions = tuple(range(len(prompt) - 1, len(prompt) + len(answer) - 1))
    return Item(pool="core", ids=(*prompt, *answer), positions=positions, weight=weight, base=base)
