"""Style F1: does an arm write in its user's house style where it applies, and in nobody's where it does not? Pure.

The answers are those that were written greedily to a cycle's tasks before they were learned; the judges are the deterministic
verifiers of `house_styles`. For each style, over the cycles from the second on:

* *applicable*: the user writes in the style, and the right answer shows it. An answer that follows it is a hit.
* *control*: another user's task, whose right answer does not show it. An answer that follows it is a false alarm.

F1 = 2 hits / (2 hits + false alarms + misses); the macro F1 is the mean over the styles that ever applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from laimark_sidecar.bench.house_styles import STYLES, HouseStyle, Style, follows, shows


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleMark:
    """Of one answer."""

    wanted: tuple[HouseStyle, ...]
    """Styles that the right answer shows."""
    followed: tuple[HouseStyle, ...]
    """Styles that the answer follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The answers of one cycle."""

    style: Style
    """Of the user."""
    marks: tuple[StyleMark, ...]


def style_mark(gold: str, answer: str) -> StyleMark:
    """Judge one answer; both are lines of code."""
    return StyleMark(
        wanted=tuple(style for style in STYLES if shows(gold, style)),
        followed=tuple(style for style in STYLES if follows(answer, style)),
    )


def style_f1(written: Sequence[Written]) -> Mapping[HouseStyle, float]:
    """Return the F1 of each style that ever applied."""
    found = {style: _f1(written, style) for style in STYLES}
    return {style: f1 for style, f1 in found.items() if f1 is not None}


def macro_f1(written: Sequence[Written]) -> float | None:
    """Return the mean F1; None where no style ever applied."""
    found = style_f1(written)
    return fmean(found.values()) if found else None


def _f1(written: Sequence[Written], style: HouseStyle) -> float | None:
    hits = misses = alarms = 0
    for cycle in written:
        for mark in cycle.marks:
            wanted, followed = style in mark.wanted, style in mark.followed
            if cycle.style == style and wanted:
                hits, misses = hits + followed, misses + (not followed)
            elif cycle.style != style and not wanted:
                alarms += followed
    return 2 * hits / (2 * hits + alarms + misses) if hits + misses else None
