"""The arms: what users could do with the same lessons, from nothing at all to the oracle that sees everything at once."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.errors import DataError
from laimark_sidecar.training.adapter_kind import AdapterKind
from laimark_sidecar.training.job import Curvature, Preference

Metric = Literal["l2", "ewc_ab", "ewc_dense", "diag", "input", "kfac"]
"""In which metric being away from an anchor is paid for."""
Lessons = Literal["new", "reservoir", "all"]
Memory = Literal["", "recent", "similar", "inline"]
"""Which earlier corrections stand in the prompt, and how: as turns before the question, or as code above its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to learn. The default settings are plain sequential LoRA."""

    name: str
    metric: Metric | None = None
    """Both anchors (core and user) in this metric; None is no penalty."""
    replay: bool = False
    """Half new, a quarter of the reservoir, a quarter of the core's KL; else new tasks alone."""
    lessons: Lessons = "new"
    """`reservoir` and `all` begin at the base in each cycle and train on everything kept, with the core's quarter."""
    memory: Memory = ""
    trains: bool = True
    core_weight: float = 1.0
    """What the KL on core replay counts, beside what is learned."""
    wide_core: bool = False
    """Replays `Settings.core_wide` prompts instead of the base's own few."""
    preference: Preference = "none"
    """Whether what was answered wrongly is learned from, too; see `rejected`."""
    average: float = 0.0
    """Share of the adapter before in the moving average of updates that goes on."""
    kind: AdapterKind = "lora"
    """Of the adapter; all else is the same, the learning rate too unless `rate` says otherwise."""
    rate: float = 1.0
    """Times `Settings.learning_rate`: gains move in steps of another size than factors."""
    gate: bool = False
    """A part of the tasks is held out, and what the product's gate refuses does not go on; see `gated`."""


ARMS: tuple[Arm, ...] = (
    Arm(name="base", trains=False),
    Arm(name="replay+input+weight", replay=True, metric="input", core_weight=8.0),
    Arm(name="replay+input", replay=True, metric="input"),
    Arm(name="replay", replay=True),
    Arm(name="replay+ewc_dense", replay=True, metric="ewc_dense"),
    Arm(name="replay+l2", replay=True, metric="l2"),
    Arm(name="replay+kfac", replay=True, metric="kfac"),
    Arm(name="plain"),
    Arm(name="replay+diag", replay=True, metric="diag"),
    Arm(name="input", metric="input"),
    Arm(name="joint", lessons="all"),
    Arm(name="ewc_dense", metric="ewc_dense"),
    Arm(name="ewc_ab", metric="ewc_ab"),
    Arm(name="l2", metric="l2"),
    Arm(name="rag", trains=False, memory="similar"),
    Arm(name="rag_inline", trains=False, memory="inline"),
    Arm(name="few_shot", trains=False, memory="recent"),
    Arm(name="kfac", metric="kfac"),
    Arm(name="diag", metric="diag"),
    Arm(name="fresh", lessons="reservoir"),
    Arm(name="replay+ewc_ab", replay=True, metric="ewc_ab"),
    Arm(name="replay+weight", replay=True, core_weight=8.0),
    Arm(name="replay+input+average", replay=True, metric="input", average=0.5),
    Arm(name="replay+core", replay=True, core_weight=8.0, wide_core=True),
    Arm(name="replay+input+core", replay=True, metric="input", core_weight=8.0, wide_core=True),
    Arm(name="joint+core", lessons="all", core_weight=8.0, wide_core=True),
    Arm(name="replay+input+rslora", replay=True, metric="input", kind="rslora"),
    Arm(name="replay+input+dora", replay=True, metric="input", kind="dora"),
    Arm(name="replay+input+ia3", replay=True, metric="input", kind="ia3"),
    Arm(name="replay+input+ia3x10", replay=True, metric="input", kind="ia3", rate=10.0),
    Arm(name="replay+input+dpo", replay=True, metric="input", preference="dpo"),
    Arm(name="gated", replay=True, metric="input", gate=True),
    Arm(name="gated+weight", replay=True, metric="input", core_weight=8.0, gate=True),
)
"""In the order of running: what the question is about comes first."""


def available() -> tuple[Arm, ...]:
    """Return the arms that this version of the engine can run; those with a wide core need `Settings.core_wide`."""
    kinds = {*typing.get_args(Curvature), "l2", "ewc_ab", "ewc_dense"}
    return tuple(arm for arm in ARMS if arm.metric is None or arm.metric in kinds)


def chosen(names: str) -> tuple[Arm, ...]:
    """Return the arms of a comma-separated list, in the order of `ARMS`; `all` is every one that needs no special setting.

    Raises:
        DataError: an arm is unknown or not available.
    """
    if names == "all":
        return tuple(arm for arm in available() if not (arm.gate or arm.wide_core or arm.kind != "lora"))
    wanted = names.split(",")
    known = {arm.name for arm in available()}
    if unknown := [name for name in wanted if name not in known]:
        raise DataError(f"no such arm: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return tuple(arm for arm in available() if arm.name in wanted)
