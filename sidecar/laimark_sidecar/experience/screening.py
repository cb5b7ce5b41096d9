"""Leaves out every example that holds a secret or personal data, and says where it stands, never what it is.

The whole example goes, prompt, target or hint: masks teach masks. Where only what was rejected holds it, that alone
goes: the lesson is one without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from laimark_sidecar.experience.privacy.rule import Group
from laimark_sidecar.experience.privacy.scan import Finding, findings
from laimark_sidecar.experience.untold import RULE as UNTOLD_NUMBER
from laimark_sidecar.experience.untold import tells_a_number
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.flagged import Flagged, Place
from laimark_sidecar.replay.item import Item


def _never(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may not be learned; by default nothing that any rule finds."""

    keep: frozenset[Group] = frozenset()
    """Groups of personal data that may be learned all the same."""
    allow: tuple[str, ...] = ()
    """Small letters: what is found is none if one of these texts occurs in it."""
    keep_numbers: bool = False
    """A number that the question does not tell may be learned all the same."""
    is_false_alarm: Callable[[str], bool] = _never
    """Of an example's id: the user has looked at what was found in it, and it is nothing."""

    def findings(self, text: str) -> tuple[Finding, ...]:
        """Return what is found in `text` and may not be learned."""
        return tuple(
            finding
            for finding in findings(text)
            if finding.group not in self.keep
            and not any(word in text[finding.start : finding.end].lower() for word in self.allow)
        )


STRICT = Policy()


class Screen:
    """A policy with a memory: requests of one conversation share their beginning, and each text is searched once."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._rules: dict[str, tuple[str, ...]] = {}

    def screened(self, items: Iterable[Item], record_id: str) -> tuple[tuple[Item, ...], tuple[Flagged, ...]]:
        """Return the items that may be learned, and what is to be remembered of the others.

        Args:
            items: what one line of the log teaches.
            record_id: of that line.
        """
        kept: list[Item] = []
        flagged: list[Flagged] = []
        for item in map(self._without_leak_in_rejected, items):
            found = self._found_in(item)
            if not found or self._policy.is_false_alarm(item.id):
                kept.append(item)
                continue
            flagged.append(
                Flagged(
                    item_id=item.id,
                    exchange_id=item.exchange_ids[0],
                    record_id=record_id,
                    time_s=item.time_s,
                    source=item.source,
                    signal=item.signal,
                    rules=tuple(dict.fromkeys(rule for rules in found.values() for rule in rules)),
                    places=tuple(found),
                )
            )
        return tuple(kept), tuple(flagged)

    def _without_leak_in_rejected(self, item: Item) -> Item:
        # Whoever said that a finding is nothing was shown the rest of the example, never this.
        return replace(item, rejected="") if self.finds(item.rejected) else item

    def _found_in(self, item: Item) -> dict[Place, tuple[str, ...]]:
        places = _places(item)
        found = {place: rules for place, texts in places.items() if (rules := self._found(texts))}
        if not self._policy.keep_numbers and tells_a_number(item, places["prompt"]):
            found["target"] = (*found.get("target", ()), UNTOLD_NUMBER)
        return found

    def finds(self, text: str) -> bool:
        """Whether something is found in `text` that may not be learned."""
        return bool(self._rules_in(text))

    def _found(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(rule for text in texts for rule in self._rules_in(text))

    def _rules_in(self, text: str) -> tuple[str, ...]:
        known = self._rules.get(text)
        if known is None:
            known = self._rules[text] = tuple(finding.rule for finding in self._policy.findings(text))
        return known


def _places(item: Item) -> dict[Place, tuple[str, ...]]:
    return {
        "prompt": tuple(text for message in item.messages for text in texts_of(message)),
        "target": (item.target,),
        "hint": (item.hint,),
    }


def texts_of(message: Message) -> tuple[str, ...]:
    """Return every text of a message: what was said, and what tools were called with."""
    return (message.content, *(call.arguments for call in message.tool_calls))
