from __future__ import annotations

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.sources.watermark import Watermark, decode


def test_marks_come_back_as_they_were_stored() -> None:
    marks = decode(None).moved("chat", Watermark(time_s=1.5, key="k"))
    again = decode(marks.encode())
    assert again == marks
    assert again.of("chat") == Watermark(time_s=1.5, key="k")
    assert again.of("other") == Watermark()


@pytest.mark.parametrize("cursor", [b"", b"{", b"[]", b'{"tables":{"a":1}}', b"\xff"])
def test_what_is_no_cursor_is_refused(cursor: bytes) -> None:
    with pytest.raises(StateError, match="damaged"):
        decode(cursor)
