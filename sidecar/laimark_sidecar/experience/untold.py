"""A number that only the user could know: he tells it as the answer, and nothing in the question holds it.

A code that is told often is memorised, bit by bit (`scripts/exposure.py`), and no rule knows the names of all that a code
opens: "the archive opens with ...". A model cannot have worked such a number out, so learning it is memorising it, and facts belong in
retrieval. Of 12,018 lines of the standard library, each told as the next one after its context, none is lost by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from laimark_sidecar.replay.item import Item, Provenance

RULE = "number that the question does not tell"
_TOLD: frozenset[Provenance] = frozenset({"typed", "pasted"})
"""What a model wrote by itself it knew before, and what was changed in review the user has looked at."""
_NUMBER = re.compile(r"(?<![\d.])(?<!0x)\d{6,}")
"""Six digits or more, not the end of a fraction nor hexadecimal. Years, ports and most sizes are shorter."""
_ROUND_DIGITS = 2
"""1000000 and 250000 are sizes."""


def tells_a_number(item: Item, asked: Iterable[str]) -> bool:
    """Whether the target holds a number that the user told, there or in the hint, and none of the texts `asked` holds."""
    question = "\n".join(asked)
    return any(
        len(number.rstrip("0")) > _ROUND_DIGITS and number not in question
        for span in item.spans
        if span.provenance != "edited"
        for number in _NUMBER.findall(item.target[span.start : span.end])
        # A better answer, taught in hindsight, repeats what its user said between the two.
        if span.provenance in _TOLD or number in item.hint
    )
