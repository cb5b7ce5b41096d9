from __future__ import annotations

import io

from laimark_sidecar.journal.cursor import Position
from laimark_sidecar.journal.lines import BATCH_BYTES, Budget, Lines


def test_a_line_without_its_end_is_left_for_later() -> None:
    lines = Lines(io.BytesIO(b"one\ntwo\nthr"), Position(inode=1), Budget(lines=10))
    assert list(lines) == [(0, b"one\n"), (4, b"two\n")]
    assert (lines.position.offset, lines.newly_torn) == (8, True)
    lines.remember_torn()
    assert not lines.newly_torn


def test_a_batch_ends_by_lines_or_by_bytes() -> None:
    budget = Budget(lines=2)
    assert len(list(Lines(io.BytesIO(b"a\nb\nc\n"), Position(inode=1), budget))) == 2
    assert budget.spent
    heavy = Budget(lines=2)
    heavy.take(BATCH_BYTES)
    assert heavy.spent
