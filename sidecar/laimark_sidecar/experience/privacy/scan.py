"""Finds secrets and personal data in a text, in one pass over its words, runs and numbers.

A pattern is only tried where something of its own stands: at one of its words, at the beginning of a long run, within
a long number. Repetitions in patterns are bounded or possessive, so a hostile text costs no more than a long one.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from laimark_sidecar.experience.privacy.occurrences import Occurrences
from laimark_sidecar.experience.privacy.rule import Group, Rule, shipped_rules
from laimark_sidecar.experience.privacy.runs import WORD, count_digits, runs
from laimark_sidecar.experience.privacy.values import entropy_bits
from laimark_sidecar.experience.privacy.views import views

_SHORTEST_RUN = 14
_FEWEST_DIGITS = 6
_LOOKED_AT = 300
"""Characters of a value that are checked: the longest with a checksum has 112."""
_NUMBER = re.compile(r"\d(?:[ .\-/()+·]{0,2}\d){5,300}+")
_BESIDE = 24
"""Characters beside a number that its pattern may look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found at `[start, end)`; the text itself is not kept."""

    rule: str
    group: Group
    start: int
    end: int


class Scanner:
    """A set of rules, arranged by where they are looked for."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._runs: defaultdict[str, list[tuple[str, Rule]]] = defaultdict(list)
        self._words: defaultdict[str, list[Rule]] = defaultdict(list)
        self._numbers: list[Rule] = []
        self._texts: list[Rule] = []
        for rule in rules:
            match rule.at:
                case "run":
                    for word in rule.words:
                        self._runs[word[0]].append((word, rule))
                case "word":
                    for word in rule.words:
                        self._words[word].append(rule)
                case "number":
                    self._numbers.append(rule)
                case "text":
                    self._texts.append(rule)
        self._occurrences = Occurrences(self._words)

    def scan(self, text: str) -> tuple[Finding, ...]:
        """Return what every rule finds in every reading of `text`, in order; ranges of one rule do not overlap."""
        found: set[tuple[int, int, str, Group]] = set()
        for view in views(text):
            for rule, match in self._matches(view.text):
                if _holds(rule, match):
                    found.add((*view.origin(*match.span()), rule.name, rule.group))
        last: dict[str, int] = {}
        kept: list[Finding] = []
        for start, end, name, group in sorted(found, key=lambda one: (one[0], -one[1], one[2])):
            if start >= last.get(name, 0):
                last[name] = end
                kept.append(Finding(rule=name, group=group, start=start, end=end))
        return tuple(kept)

    def _matches(self, text: str) -> Iterator[tuple[Rule, re.Match[str]]]:
        yield from self._at_runs(text)
        lowered = text.replace("İ", "i").lower()  # the only letter whose small form is longer: positions stay
        yield from self._at_words(text, lowered)
        for rule in self._texts:
            if not rule.words or any(word in lowered for word in rule.words):
                yield from ((rule, match) for match in rule.pattern.finditer(text))
        yield from self._in_numbers(text, lowered)

    def _at_runs(self, text: str) -> Iterator[tuple[Rule, re.Match[str]]]:
        for start, end in runs(text, WORD, _SHORTEST_RUN):
            # In JSON within a text a token may follow an escaped line break: its letter is none of the token's.
            escaped = start > 0 and text[start - 1] == "\\" and text[start] in "nrt"
            begin = start + escaped
            for word, rule in self._runs.get(text[begin], ()):
                match = rule.pattern.match(text, begin) if text.startswith(word, begin, end) else None
                if match:
                    yield rule, match

    def _at_words(self, text: str, lowered: str) -> Iterator[tuple[Rule, re.Match[str]]]:
        for at, word in self._occurrences.find(lowered):
            for rule in self._words[word]:
                match = rule.pattern.match(text, at)
                if match:
                    yield rule, match

    def _in_numbers(self, text: str, lowered: str) -> Iterator[tuple[Rule, re.Match[str]]]:
        if count_digits(text) < _FEWEST_DIGITS:
            return
        wanted = [
            rule for rule in self._numbers if not rule.words or any(word in lowered for word in rule.words)
        ]
        for number in _NUMBER.finditer(text):
            start, end = max(0, number.start() - _BESIDE), number.end() + _BESIDE
            for rule in wanted:
                yield from ((rule, match) for match in rule.pattern.finditer(text, start, end))


def _holds(rule: Rule, match: re.Match[str]) -> bool:
    value = (match["value"] if "value" in match.re.groupindex else match[0])[:_LOOKED_AT]
    return (
        (rule.check is None or rule.check(value))
        and (not rule.entropy or entropy_bits(value) >= rule.entropy)
        and (rule.allow is None or rule.allow.search(match[0]) is None)
    )


@functools.cache
def scanner() -> Scanner:
    """Return the scanner of the shipped rules, made once."""
    return Scanner(shipped_rules())


def findings(text: str) -> tuple[Finding, ...]:
    """Return every secret and all personal data in `text`; linear in its length."""
    return scanner().scan(text)
