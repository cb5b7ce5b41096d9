"""The two anchors of an arm with a penalty: the core one, measured once an arm, and the user one, blended each cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.bench.regularisers import Regulariser
from laimark_sidecar.files import write_atomic
from laimark_sidecar.training.worker.backend import adapter_tensors, set_adapter
from laimark_sidecar.training.worker.budget import Budget
from laimark_sidecar.training.worker.curvature import Anchor
from laimark_sidecar.training.worker.loop import Lessons
from laimark_sidecar.training.worker.penalty import Reference

CURVATURE_EXAMPLES = 64
"""As the worker's: at most this many of a cycle's lessons go into the user anchor."""


def anchor_path(folder: Path, cycle: int) -> Path:
    """Return where the user anchor after a cycle is; 0 is the core anchor."""
    return folder / f"anchor-{cycle:04}.safetensors"


def core_anchor(lab: Lab, rule: Regulariser, folder: Path) -> Anchor:
    """Return the curvature at D = 0; measured where the arm's folder does not hold it yet, the adapter stays as it is."""
    path = anchor_path(folder, 0)
    if not path.is_file():
        standing = adapter_tensors(lab.backend.layers)
        set_adapter(lab.backend.layers, lab.backend.fresh, path)
        rule.save(path, rule.measure(lab.backend, bare_items(lab, lab.core_replay, "core"), seed=lab.seed))
        set_adapter(lab.backend.layers, standing, path)
    return rule.load(path, lab.backend.device)


def parent_anchor(lab: Lab, rule: Regulariser, cycle: int, folder: Path) -> Anchor | None:
    """Return what the cycle before left, with its λ and c; None before any cycle has left one."""
    path = anchor_path(folder, cycle - 1)
    return rule.load(path, lab.backend.device) if cycle > 1 and path.is_file() else None


def keep_old_anchor(cycle: int, folder: Path) -> None:
    """Go on with the user anchor of the cycle before, if there is one: what was refused has no place to return to."""
    old, new = (anchor_path(folder, number) for number in (cycle - 1, cycle))
    if cycle > 1 and old.is_file():
        write_atomic(new, old.read_bytes())
    else:
        new.unlink(missing_ok=True)


def keep_next_anchor(
    lab: Lab, rule: Regulariser, lessons: Lessons, parent: Anchor | None, budget: Budget, path: Path
) -> None:
    """Measure the user anchor here, blend it into the cycle before's, and keep it; durable when it returns."""
    learned = [one for one in lessons.items if one.pool != "core"][:CURVATURE_EXAMPLES]
    anchor = rule.measure(lab.backend, learned, seed=lab.seed)
    if parent is not None:
        anchor = rule.blend(parent, anchor, lab.settings.gamma)
    rule.save(path, replace(anchor, nats_per_omega=budget.nats_per_omega, lambda_core=budget.lambda_core))


def first_budget(rule: Regulariser | None, parent: Anchor | None) -> Budget:
    """Return what the governor begins with: c and λ of the cycle before, as the product does."""
    if rule is None:
        return Budget(lambda_core=0.0)
    if parent is None or parent.nats_per_omega == 0.0:
        return Budget(lambda_core=1.0)
    return Budget(lambda_core=parent.lambda_core, nats_per_omega=parent.nats_per_omega)


def here(lab: Lab) -> tuple[Reference, ...]:
    """Return D* = the adapter as it stands, copied."""
    return tuple(
        Reference(a_RD=layer.a_RD.detach().clone(), scaled_b_OR=layer.scale * layer.b_OR.detach().clone())
        for layer in lab.backend.layers
    )
