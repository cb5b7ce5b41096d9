from __future__ import annotations

import pytest

from laimark_sidecar.bench.style_score import StyleMark, Written, macro_f1, style_f1, style_mark

HIT = StyleMark(wanted=("camel",), followed=("camel",))
MISS = StyleMark(wanted=("camel",), followed=())
ALARM = StyleMark(wanted=(), followed=("camel",))
QUIET = StyleMark(wanted=(), followed=())


def test_a_line_is_judged_by_what_it_shows_and_breaks() -> None:
    assert style_mark("fooBar = this.x;", "fooBar = this.y;") == StyleMark(
        wanted=("camel", "this", "semicolon"), followed=("camel", "this", "semicolon")
    )
    assert style_mark("fooBar = 1", "fooBar = other_name").followed == ()
    assert style_mark("x = 1", "return self.x") == QUIET


def test_f1_counts_hits_misses_and_false_alarms_of_controls() -> None:
    written = [
        Written(style="camel", marks=(HIT, HIT, HIT, MISS)),
        Written(style="", marks=(ALARM, QUIET)),
    ]
    assert style_f1(written) == {"camel": pytest.approx(6 / (6 + 1 + 1))}
    assert macro_f1(written) == pytest.approx(0.75)


def test_where_a_style_does_not_apply_its_own_user_is_no_control() -> None:
    assert style_f1([Written(style="camel", marks=(HIT, ALARM))]) == {"camel": 1.0}


def test_another_user_whose_own_code_shows_the_style_is_no_control() -> None:
    written = [Written(style="camel", marks=(HIT,)), Written(style="this", marks=(HIT,))]
    assert style_f1(written) == {"camel": 1.0}


def test_the_macro_f1_is_the_mean_over_the_styles_that_applied() -> None:
    semicolon = StyleMark(wanted=("semicolon",), followed=())
    written = [Written(style="camel", marks=(HIT,)), Written(style="semicolon", marks=(semicolon,))]
    assert macro_f1(written) == pytest.approx(0.5)
    assert macro_f1([Written(style="", marks=(QUIET, ALARM))]) is None
