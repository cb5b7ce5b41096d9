"""The model card of the demo base, written from its facts so that text and figures cannot drift apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """\
---
license: other
license_name: psf-2.0-and-permissive
license_link: https://docs.python.org/3/license.html
language: [code, en]
library_name: transformers
tags: [llama, python, demo]
---

# Demo base

A tiny chat model ({parameters:,} parameters) of Python code, trained from random weights by
`scripts/make_demo_base.py`, for {minutes:.0f} minutes on {device}. The demo and the tests use it because it ships in
{megabytes:.1f} MB and learns a code base in minutes. It is no coding assistant.

## What it does

It answers three questions, one per conversation, and nothing else:

| message | answer |
|---|---|
| `Complete the code:` and a fenced context of up to about 250 tokens | the next non-blank line, stripped |
| `Write the docstring for this function:` and the fenced `def` | the first docstring line |
| `Write the signature for this docstring:` and the line in triple quotes | the `def` line |

`laimark_sidecar.demo.code_tasks` builds the exact messages.

## Figures

Greedy answers on {held_out_files} held-out files (test suites among them not asked), compared after white space
normalisation; edit similarity is `difflib.SequenceMatcher.ratio`; NLL in nats a token, the answer's end included.

| task | n | exact | edit similarity | answer NLL | context NLL |
|---|---|---|---|---|---|
{rows}

The held-out files, and all else measured, are in `facts.json`.

## Data

The standard library of {python} and {package_count} packages of this project's own environment: {training_files} files,
{megachars:.1f} M characters, test suites at {test_share:.0%} of their lines. Left out: generated tables, most codecs, vendored
code, repeated files, and the {held_out_files} held-out files. Nothing else was read.

* Standard library: [PSF License Agreement](https://docs.python.org/3/license.html), © Python Software Foundation; some
  modules carry older permissive notices, listed on the same page.
* Packages, each under its own permissive licence: {packages}.

The weights are offered under the same terms.

## Recipe

Llama architecture: {layers} layers, hidden size {hidden}, {heads} query and {kv_heads} key/value heads of {head},
feed-forward {intermediate}, tied embeddings, RoPE. ByteLevel BPE with GPT-2's pattern, vocabulary {vocabulary}.

Every example is a ChatML conversation from the first step on, and sequences are trees: a stretch of code stands
once, and after many of its lines branches the question what comes next, at the positions and with the view that it
would have in a chat of its own. Loss on the code (weight 1) and on the answers (weight {answer_weight:g},
{final_answer_weight:g} in the last {final_share:.0%}), none on the template. Muon (peak {muon_lr:g}) for the matrices, AdamW (peak
{adam_lr:g}) for embeddings and norms; constant, then linear to zero from {steady_share:.0%} of the wall-clock budget. {steps:,} steps of
{batch_rows} sequences of 512 tokens, {megatokens:.1f} M tokens in all, bfloat16 autocast, compiled. Stored in float16.

To make one like it, from the repository root, in the environment that `./scripts/test` sets up:

```console
$ python -m scripts.make_demo_base --minutes {minutes:.0f} --out demo_base
```

The budget is time, so another machine gives another model, better where it is faster.

## Limits

It knows no language but Python's, holds no conversation, and is right about one line in {one_in}; the rest is fluent
nonsense. It was trained on at most 512 tokens at once. The unit tests of a held-out file may have been read. Use it to
try laimark-sidecar, not to write code.
"""


def model_card(facts: Mapping[str, Any]) -> str:
    """Return the README of a base with these facts."""
    training, data, network = facts["training"], facts["data"], facts["network"]
    scores = facts["scores"]
    return _CARD.format(
        **network,
        **{key: training[key] for key in _RECIPE_KEYS},
        minutes=training["seconds"] / 60,
        megatokens=training["tokens"] / 1e6,
        device=training["device"],
        parameters=facts["parameters"],
        megabytes=facts["weights_bytes"] / 1e6,
        python=data["python"],
        training_files=data["training_files"],
        megachars=data["training_chars"] / 1e6,
        test_share=data["test_share"],
        package_count=len(data["packages"]),
        packages=", ".join(f"{one['name']} {one['version']} ({one['licence']})" for one in data["packages"]),
        held_out_files=len(facts["held_out_files"]),
        one_in=max(1, round(1 / max(0.001, scores["complete"]["exact_match"]))),
        rows=_rows(scores),
    )


def _rows(scores: Mapping[str, Any]) -> str:
    return "\n".join(
        f"| {kind} | {s['n']} | {s['exact_match']:.3f} | {s['edit_similarity']:.3f} | {s['answer_nll']:.2f} |"
        f" {s['context_nll']:.2f} |"
        for kind, s in scores.items()
    )


_RECIPE_KEYS = (
    "steps",
    "batch_rows",
    "muon_lr",
    "adam_lr",
    "steady_share",
    "answer_weight",
    "final_answer_weight",
    "final_share",
)
