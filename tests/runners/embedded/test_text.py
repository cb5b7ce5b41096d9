from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.runners.embedded.text import TextStream


@st.composite
def _cut_text(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    text = draw(st.text(alphabet="ab<|é世🙂", max_size=40))
    data = text.encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=20)))
    edges = [0, *cuts, len(data)]
    return text, [data[start:end] for start, end in itertools.pairwise(edges)]


@given(_cut_text())
def test_text_comes_out_whole_however_it_is_cut(case: tuple[str, list[bytes]]) -> None:
    text, pieces = case
    stream = TextStream()
    parts = [stream.push(piece) for piece in pieces] + [stream.finish()]
    assert "".join(parts) == text
    assert "\ufffd" not in "".join(parts)


@given(_cut_text(), st.lists(st.text(alphabet="ab<|é", min_size=1, max_size=3), min_size=1, max_size=3))
def test_answer_ends_before_the_first_stop_string(case: tuple[str, list[bytes]], stops: list[str]) -> None:
    text, pieces = case
    stream = TextStream(stops)
    shown = ""
    for piece in pieces:
        shown += stream.push(piece)
        assert not any(stop in shown for stop in stops)
        if stream.stopped:
            break
    shown += stream.finish()
    positions = [text.find(stop) for stop in stops if stop in text]
    assert stream.stopped == bool(positions)
    if not positions:
        assert shown == text
    else:
        # Which of two overlapping stops comes first may depend on the cut; none is ever shown.
        assert text.startswith(shown)
        assert not any(stop in shown for stop in stops)


def test_possible_beginning_of_a_stop_string_is_held_back() -> None:
    stream = TextStream(["<end>"])
    assert stream.push(b"hello <e") == "hello "
    assert stream.push(b"x") == "<ex"
    assert stream.push(b"<end>more") == ""
    assert stream.stopped
    assert stream.push(b"after") == ""
    assert stream.finish() == ""


def test_half_a_code_point_at_the_end_is_replaced() -> None:
    stream = TextStream()
    assert stream.push("é".encode()[:1]) == ""
    assert stream.finish() == "\ufffd"
