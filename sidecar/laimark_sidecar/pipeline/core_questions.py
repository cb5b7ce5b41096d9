"""What the user asked that may stand for what the base can do: first questions that taught nothing and judge nothing.

Where he corrected the base, its own answer is what it must unlearn; so a conversation that brought a lesson gives none.
"""

from __future__ import annotations

from collections.abc import Iterator

from laimark_sidecar.curriculum.core_mix import CorePrompt, split_of_words
from laimark_sidecar.curriculum.language import language_of
from laimark_sidecar.errors import DataError
from laimark_sidecar.experience.background import is_background
from laimark_sidecar.experience.candidate import split_of
from laimark_sidecar.experience.fences import domain
from laimark_sidecar.experience.screening import Policy
from laimark_sidecar.experience.tree import root_prompt
from laimark_sidecar.journal.erasing import lines_of
from laimark_sidecar.journal.exchange import Exchange, decode
from laimark_sidecar.journal.sealing import Opener
from laimark_sidecar.pipeline.screening import policy_of
from laimark_sidecar.pipeline.source_list import trusted
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.store import ReplayStore

LONGEST = 1500
"""Characters; a longer one is a document, which would be most of what is replayed."""


def own_questions(workshop: Workshop, store: ReplayStore) -> Iterator[CorePrompt]:
    """Yield them in the order of the journal: of trusted sources, without secrets, none of a conversation that judges.

    Raises:
        StateError: the journal is sealed and its key is not there.
    """
    policy, sources = policy_of(workshop, store), set(trusted(workshop.home))
    taught = {root_prompt(item.messages)[0].content for item in store.items()}
    opener = Opener(workshop.home.journal)
    for line in lines_of(workshop.home.journal):
        try:
            record = decode(opener.opened(line.content))
        except DataError:
            continue  # told by whoever learns from the journal; here it is one question less
        if isinstance(record, Exchange) and record.source in sources and _is_first(record):
            prompt = record.messages[-1].content
            if prompt not in taught and _may_stay(record, prompt, policy, workshop):
                yield CorePrompt(
                    id=f"own-{record.id}",
                    split=split_of_words(prompt),
                    language=language_of(prompt),
                    domain=domain(prompt),
                    prompt=prompt,
                    record=record.id,
                )


def _is_first(record: Exchange) -> bool:
    """Whether it is one typed question and nothing else: what can be asked again as it was."""
    return (
        [message.role for message in record.messages] == ["user"]
        and record.messages[0].parts == 1
        and not record.messages[0].attachments
        and not record.background
        and not record.truncated
        and not is_background(record.messages)
    )


def _may_stay(record: Exchange, prompt: str, policy: Policy, workshop: Workshop) -> bool:
    share = workshop.config.replay.heldout_share
    return (
        len(prompt.strip()) > 0
        and len(prompt) <= LONGEST
        and split_of(record.messages, share) == "train"
        and not policy.findings(prompt)
    )
