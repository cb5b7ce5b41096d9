"""Takes what a rule found out of a text, or hides it from who looks on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from laimark_sidecar.experience.candidate import item_id
from laimark_sidecar.experience.privacy.scan import Finding
from laimark_sidecar.experience.sameness import same
from laimark_sidecar.experience.screening import Policy
from laimark_sidecar.experience.spans import whole
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Item


def hidden(text: str, policy: Policy) -> str:
    """Return `text` with the name of the rule in place of each finding: fit to be shown."""
    return _replaced(text, policy, lambda finding: f"[{finding.rule}]")


def cut(text: str, policy: Policy) -> str:
    """Return `text` without its findings, and without the blanks that stood around them."""
    return _replaced(text, policy, lambda _: "").strip() if policy.findings(text) else text


def redacted(item: Item, policy: Policy, *, target: str | None = None) -> Item:
    """Return a new item without its findings; it stays on its side, held out or not.

    Args:
        item: what was flagged, or waits.
        policy: what counts as a finding.
        target: what the user wrote as the target instead; without it the findings are cut out of the old one.
    """
    messages = tuple(_message(message, policy) for message in item.messages)
    text = cut(item.target, policy) if target is None else target
    return replace(
        item,
        id=item_id(messages, text),
        messages=messages,
        target=text,
        spans=item.spans if text == item.target else whole(text, "edited"),
        hint=cut(item.hint, policy),
        rejected="" if same(item.rejected, text) else item.rejected,
    )


def _message(message: Message, policy: Policy) -> Message:
    calls = tuple(replace(call, arguments=cut(call.arguments, policy)) for call in message.tool_calls)
    return replace(message, content=cut(message.content, policy), tool_calls=calls)


def _replaced(text: str, policy: Policy, replacement: Callable[[Finding], str]) -> str:
    pieces: list[str] = []
    at = 0
    # Findings of different rules may overlap: what one has taken the next does not take again.
    for finding in sorted(policy.findings(text), key=lambda one: (one.start, -one.end)):
        if finding.start >= at:
            pieces += (text[at : finding.start], replacement(finding))
        at = max(at, finding.end)
    return "".join((*pieces, text[at:]))
