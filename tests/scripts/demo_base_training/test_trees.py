"""A branch of a tree is learned exactly as a runner will ask for it. Oracle: transformers' Llama on the chat itself."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from scripts.demo_base_training.export import llama_config, untyped
from scripts.demo_base_training.network import Llama, NetworkSize
from scripts.demo_base_training.recipe import Recipe
from scripts.demo_base_training.tokenizer import TURN_END, chat_prompt, train_tokenizer
from scripts.demo_base_training.training import batch_of
from scripts.demo_base_training.trees import ANSWER, LENGTH, TEMPLATE, Rows, plant, stretches
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from laimark_sidecar.demo.code_tasks import Task, code_lines, completion_prompt, docstring_prompt

SOURCE = "\n".join(
    f'''
def scale_{name}(values, factor):
    """Multiply every {name} by a factor."""
    scaled = []
    for value in values:
        if value is None:

            continue
        scaled.append(value * factor)   # keeps the order
    return scaled
'''
    for name in ("length", "width", "weight", "price")
)
SIZE = NetworkSize(hidden=64, layers=2, heads=2, kv_heads=1, head=32, intermediate=96)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([SOURCE])


def planted(tokenizer: Tokenizer, fillers: tuple[Task, ...] = ()) -> Rows:
    rng = Random(0)
    parts = list(stretches(SOURCE, code_lines(SOURCE), rng=rng, chars=600))
    return Rows.of(plant(parts, fillers, tokenizer, rng=rng))


def chats(rows: Rows, tokenizer: Tokenizer) -> list[tuple[int, list[int], list[int], str]]:
    """Return row, places of a branch in it, places of the trunk it sees, and the whole chat as text."""
    found = []
    for row in range(len(rows)):
        for branch in np.unique(rows.branches[row])[1:]:
            own = np.flatnonzero(rows.branches[row] == branch)
            trunk = np.arange(rows.trees[row][own[0]], rows.limits[row][own[0]])
            ids = rows.tokens[row][np.concatenate([trunk, own])].tolist()
            found.append(
                (row, own.tolist(), trunk.tolist(), tokenizer.decode(ids, skip_special_tokens=False))
            )
    return found


def test_every_branch_spells_the_chat_that_a_runner_would_see(tokenizer: Tokenizer) -> None:
    found = chats(planted(tokenizer), tokenizer)
    assert len(found) > 8
    for _, _, _, text in found:
        prompt, _, answer = text.rpartition("<|im_start|>assistant\n")
        context = prompt.partition("```python\n")[2].removesuffix("\n```<|im_end|>\n")
        assert prompt + "<|im_start|>assistant\n" == chat_prompt(completion_prompt(context))
        assert f"{context}\n" in SOURCE
        following = SOURCE.partition(context + "\n")[2].splitlines()[0].strip()
        assert answer == following + TURN_END


def test_a_branch_is_computed_as_if_it_were_a_chat_of_its_own(tokenizer: Tokenizer) -> None:
    rows = planted(tokenizer)
    torch.manual_seed(0)
    network = Llama(SIZE)
    for parameter in network.parameters():  # the blocks start as the identity: make them matter
        torch.nn.init.normal_(parameter, std=0.2)
    oracle: Any = untyped(LlamaForCausalLM)(llama_config(SIZE))
    oracle.load_state_dict(network.state_dict(), strict=False)
    oracle.tie_weights()
    row, own, trunk, _ = chats(rows, tokenizer)[-1]
    with torch.no_grad():
        batch = batch_of(rows[slice(row, row + 1)], Recipe(minutes=1).role_weights(0), torch.device("cpu"))
        ours = network.logits(batch)[0, own]
        chat = torch.from_numpy(rows.tokens[row][trunk + own].astype(np.int64))
        theirs = oracle(chat[None]).logits[0, len(trunk) :]
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_only_answers_and_code_are_learned_and_each_answer_to_its_end(tokenizer: Tokenizer) -> None:
    rows = planted(tokenizer)
    end = tokenizer.token_to_id(TURN_END)
    learned = rows.target_roles != TEMPLATE
    assert learned.any()
    for row, own, _, _ in chats(rows, tokenizer):
        places = [place for place in own if rows.target_roles[row][place] == ANSWER]
        assert all(b == a + 1 for a, b in pairwise(places))
        assert rows.targets[row][places[-1]] == end
        assert not learned[row][own[-1]]


def test_room_that_a_stretch_leaves_is_filled_with_other_tasks(tokenizer: Tokenizer) -> None:
    filler = Task(kind="docstring", prompt=docstring_prompt("def area(side):"), answer="Return the area.")
    rows = planted(tokenizer, (filler,) * 40)
    chats_per_row = [len(np.unique(trees[trees < LENGTH])) for trees in rows.trees]
    assert max(chats_per_row) > 1
