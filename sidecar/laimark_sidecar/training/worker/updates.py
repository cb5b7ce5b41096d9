"""What is trained of a linear layer W (O, D), and the update D = W' - W that it amounts to, whatever the kind.

    LoRA, rsLoRA   D = s·B·A
    DoRA           D = diag(m/n - 1) W + diag(m/n) s·B·A,   n = the lengths of the rows of W + s·B·A
    IA3            D = diag(l - 1) W  of outputs,  W diag(l - 1)  of inputs

So each is a product of two thin matrices and gains on W, `Form`. Legend: R rank, S rank of a form, D inputs, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """D = b · a + gains ∘ W, exact."""

    a_SD: Tensor
    b_OS: Tensor
    gains: Tensor | None = None
    """(O, 1) on the rows of W, or (1, D) on its columns; None for none."""

    def minus(self, other: Form) -> Form:
        """Return the difference of two updates of one weight, of the same kind."""
        gains = self.gains if other.gains is None else -other.gains
        if self.gains is not None and other.gains is not None:
            gains = self.gains - other.gains
        return Form(
            a_SD=torch.cat([self.a_SD, other.a_SD]),
            b_OS=torch.cat([self.b_OS, -other.b_OS], dim=1),
            gains=gains,
        )

    def detached(self) -> Form:
        """Return a copy that nothing moves any more."""
        gains = None if self.gains is None else self.gains.detach().clone()
        return Form(a_SD=self.a_SD.detach().clone(), b_OS=self.b_OS.detach().clone(), gains=gains)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LowRank:
    """LoRA and rsLoRA."""

    a_RD: torch.nn.Parameter
    b_OR: torch.nn.Parameter
    scale: float
    """alpha / rank, or alpha / sqrt(rank)."""

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What is trained, by the end of its name in PEFT's file."""
        return {"lora_A.weight": self.a_RD, "lora_B.weight": self.b_OR}

    def form(self) -> Form:
        return Form(a_SD=self.a_RD, b_OS=self.scale * self.b_OR)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Directed:
    """DoRA: `low_rank` turns the rows of W, `magnitude_O` sets their lengths."""

    low_rank: LowRank
    magnitude_O: torch.nn.Parameter
    weight_OD: Tensor
    """The frozen W."""

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        return {**self.low_rank.parameters, "lora_magnitude_vector": self.magnitude_O}

    def form(self) -> Form:
        """Return D as it depends on A, B and m.

        Training by PEFT takes n for a constant in the task's gradient (section 4.3 of the paper); here it is none, so
        a gradient through this is exact. Builds one matrix as large as W, as PEFT's own forward pass does.
        """
        moved = self.low_rank.form()
        turned_OD = self.weight_OD.float() + moved.b_OS @ moved.a_SD
        ratio_O1 = (self.magnitude_O / torch.linalg.vector_norm(turned_OD, dim=1))[:, None]
        return Form(a_SD=moved.a_SD, b_OS=ratio_O1 * moved.b_OS, gains=ratio_O1 - 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gains:
    """IA3."""

    gains: torch.nn.Parameter
    """l: (O, 1) on the outputs, or (1, D) on the inputs."""
    weight_OD: Tensor
    """The frozen W."""

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        return {"ia3_l": self.gains}

    def form(self) -> Form:
        outputs, inputs = self.weight_OD.shape
        return Form(
            a_SD=self.gains.new_zeros((0, inputs)),
            b_OS=self.gains.new_zeros((outputs, 0)),
            gains=self.gains - 1.0,
        )


Update = LowRank | Directed | Gains
