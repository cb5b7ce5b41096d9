"""Requests that a client makes on its own (titles, tags, follow-ups, autocomplete): nobody's conversation.

The phrases are those of Open WebUI (backend/open_webui/config.py, `DEFAULT_*_PROMPT_TEMPLATE`), LibreChat
(`@librechat/agents` title.ts, BaseClient `generateTitle`), SillyTavern (extensions/memory, extensions/vectors), coding
agents that compact their context, LobeChat, Zed, Continue, and the fill-in-the-middle tokens of code models.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from laimark_sidecar.journal.exchange import Message

_HEAD_CHARS = 1500
_TASK = re.compile(
    r"### task:\s*(?:generate (?:a concise|\d+-\d+ broad tags|a detailed prompt for)|suggest \d+-\d+ relevant follow-?up"
    r"|you (?:are an autocompletion system|have been provided with a set of responses from various models)|analy[sz]e the chat history to determine|your task is to (?:reflect|synthesize))"
    r"|(?:please )?(?:generate|create|write|provide|suggest|summari[sz]e\b.{0,80}?\binto) (?:me )?(?:a |an )?"
    r"(?:concise|short|brief|very short|\d+(?:-\d+| to \d+)?[- ]word)[^\n]{0,60}\b(?:title|tags?)\b[^\n]{0,40}"
    r"(?:for (?:this|the) (?:chat|conversation|dialogue|discussion)|summarizing|of (?:this|the) (?:chat|conversation))"
    r"|your task is to reflect the speaker's likely facial expression"
    r"|you have been provided with a set of responses from various models to the latest user query"
    r"|write an extremely concise subtitle for (?:this|the) conversation"
    r"|generate a detailed summary of this conversation, only"
    r"|[^\n]{0,80}\breply with a title for the chat\b"
    r"|\[?(?:ignore previous instructions\.|pause your roleplay\.) summari[sz]e the most important (?:facts|parts|events)"
    r"|(?:critical: [^\n]{0,80})?your task is to create a (?:detailed|comprehensive) summary of the conversation so far"
    r"|(?:generate|suggest) (?:\d+(?:-\d+)? )?(?:short |relevant )*follow-?up questions (?:that )?the user\b"
    r"|(?:extract|identify) [^\n]{0,40}\b(?:facts|information|memories) about the user from (?:this|the) conversation"
    r"|you are a (?:professional |helpful )?conversation(?:al)? summari[sz]er\b"
    r"|summari[sz]e (?:this|the) (?:conversation|chat)(?: above)? in (?:at most |under )?\d+ words",
    re.IGNORECASE,
)
_FILL_IN = (
    "<|fim_prefix|>",
    "<fim_prefix>",
    "<\uff5cfim\u2581begin\uff5c>",
    "[SUFFIX]",
    "<PRE> ",
    "<|fim_begin|>",
)


def is_background(messages: Sequence[Message]) -> bool:
    """Whether a client, not its user, asked this. Looks at the first words of the last user message."""
    asked = next((message.content for message in reversed(messages) if message.role == "user"), "")
    head = asked[:_HEAD_CHARS].lstrip()
    return _TASK.match(head) is not None or head.startswith(_FILL_IN)
