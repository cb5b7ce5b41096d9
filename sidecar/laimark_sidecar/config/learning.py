"""The settings of what is learned, when, and what may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.config.keys import key
from laimark_sidecar.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay(Section):
    """The replay buffer."""

    capacity: int = key(4096, "How many examples it holds; beyond that the least useful go.", least=16)
    heldout_share: float = key(
        0.2, "Share of conversations that is never trained on and judges instead.", least=0.05, most=0.5
    )
    quarantine_hours: float = key(24.0, "Hours that an example waits before it may be trained on.", least=0)
    per_source: int = key(
        64,
        "How many new examples foreign sources may bring into a cycle, together: a limit for poison.",
        least=1,
    )
    per_source_day: int = key(
        500, "How many examples one source may bring on one day; more is no person typing.", least=1
    )
    near_duplicates: int = key(3, "How many near copies of an example are kept.", least=1)
    review: Literal["none", "untrusted", "all"] = key(
        "none",
        "Which examples are used only after you have accepted them in `laimark-sidecar buffer review`: none, those of "
        "sources that are not trusted, or all.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy(Section):
    """What is never learned: secrets, whatever is said here, and of personal data what is said here."""

    contact: Literal["drop", "keep"] = key(
        "drop", "Examples that hold an e-mail address, a telephone number or where somebody lives."
    )
    payment: Literal["drop", "keep"] = key(
        "drop", "Examples that hold the number of a card, a bank account or a wallet."
    )
    identity: Literal["drop", "keep"] = key(
        "drop", "Examples that hold a passport's, tax or social insurance number, or a date of birth."
    )
    allow: str = key(
        "",
        "What is found is no reason if one of these texts occurs in it, for example your own address; with commas between.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Section):
    """A training job."""

    device: Literal["auto", "cpu", "cuda", "mps"] = key("auto", "Where to train.")
    python: str = key(
        "", "Python of the training worker, where it is another environment's. Empty: this one's."
    )
    steps: int = key(60, "Optimiser steps a cycle.", least=1, most=100_000)
    batch_size: int = key(8, "Examples an optimiser step.", least=1, most=1024)
    micro_batch_size: int = key(
        4, "Examples in memory at once; divides batch_size. Less needs less memory.", least=1, most=1024
    )
    max_length: int = key(1024, "Tokens an example; a longer prompt loses its oldest.", least=16)
    learning_rate: float = key(1e-4, "Peak learning rate.", above=0, most=1)
    rank: int = key(16, "Rank of the adapter.", least=1, most=1024)
    alpha: float = key(32.0, "Scale of the adapter: alpha / rank.", above=0)
    curvature: Literal["input", "diag", "kfac"] = key(
        "input",
        'Curvature of the penalty: "input" (covariance of the inputs), "diag" (diagonal Fisher) or "kfac" (covariance of '
        "the inputs and Fisher of the outputs).",
    )
    mode: Literal["ewc", "fresh"] = key(
        "ewc",
        '"ewc" goes on from the last version; "fresh" trains each cycle from the base on the whole buffer.',
    )
    consolidate_every: int = key(
        50,
        "Accepted cycles after which one trains from the base on the whole buffer, as one does when something was "
        "forgotten or the gate finds the base lost too much. 0: never by itself.",
        least=0,
    )
    core_weight: float = key(1.0, "Weight of staying with the base's own answers (core replay).", least=0)
    user_weight: float = key(1.0, "Weight of earlier lessons (user replay).", least=0)
    lambda_core: float = key(
        1.0,
        "Strength of the penalty for leaving the base, in nats, at first; from there it follows the measured distance.",
        least=0,
    )
    kl_soft: float = key(
        0.02,
        "Distance from the base (KL, nats a token) that the penalty for leaving it aims at: beyond it grows, below it "
        "fades. More lets a version learn more and keep less; it should lie well below gate.kl_alarm.",
        above=0,
        most=0.8,
    )
    lambda_user: float = key(
        0.1,
        "Strength of the penalty for leaving the last version, as a share of the task's gradient.",
        least=0,
    )
    threads: int = key(0, "CPU threads; 0 chooses.", least=0)
    core_prompts: int = key(256, "How many prompts stand for what the base can do.", least=1)
    seed: int = key(0, "Seed of everything random: equal data and seed give an equal version.", least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Section):
    """What a candidate must show before it may serve."""

    min_items: int = key(8, "Held-out examples without which nothing is accepted.", least=1)
    min_gain: float = key(0.0, "Gain on held-out examples that must be exceeded, in nats a token.")
    alpha: float = key(0.05, "Level of the test: the chance of accepting what is no gain.", above=0, most=0.5)
    max_core_loss: float = key(0.05, "What may be lost on the core prompts, in nats a token.", least=0)
    kl_alarm: float = key(0.3, "Distance from the base (KL, nats a token) that is reported.", above=0)
    kl_stop: float = key(
        0.8, "Distance from the base at which training stops and the candidate is refused.", above=0
    )
    entropy_floor: float = key(
        0.6,
        "Least entropy of the answers, as a share of the base's: below it they have collapsed.",
        least=0,
        most=1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Section):
    """When the daemon trains by itself."""

    idle_s: float = key(60.0, "Seconds without a request before training may start.", least=0)
    min_new: int = key(16, "New examples before a cycle is worth it.", least=1)
    min_interval_s: float = key(600.0, "Seconds from the end of a cycle to the start of the next.", least=0)
