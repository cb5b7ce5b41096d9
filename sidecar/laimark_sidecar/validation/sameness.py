"""How much alike the answers to different prompts are: a model that collapsed says one thing to everything. Pure.

Entropy and KL look at the next token after the base's own words; this looks at what the candidate says by itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from rapidfuzz.distance import LCSseq


def rouge_l(one: str, other: str) -> float:
    """Return ROUGE-L of two texts as F1: `2·LCS / (m + n)` in words, 0 to 1 (Lin 2004, section 3, with beta 1).

    Words stand between white space, so a text in a script without it is few long words, and only equal parts are alike.
    Two empty texts are equal.
    """
    a, b = one.split(), other.split()
    return 2 * LCSseq.similarity(a, b) / (len(a) + len(b)) if a or b else 1.0


def self_rouge(texts: Sequence[str]) -> float | None:
    """Return the mean ROUGE-L over all pairs of answers to different prompts; None for fewer than two."""
    pairs = [rouge_l(one, other) for one, other in itertools.combinations(texts, 2)]
    return math.fsum(pairs) / len(pairs) if pairs else None
