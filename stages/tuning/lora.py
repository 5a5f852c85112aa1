"""LoRA: a product of two narrow matrices is learnt beside each chosen one (Hu et al. 2022, arXiv:2106.09685).

    y = W x + scale * B A x,    scale = alpha / rank, or alpha / sqrt(rank) with rslora (Kalajdzievski 2023)

A (rank, in) is drawn, B (out, rank) begins as 0. With dora the columns of W + BA are given a length that is learnt
(Liu et al. 2024, arXiv:2402.09353). By the PEFT library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from stages.core.errors import InputError
from stages.tuning.modules import Modules, chosen, sides, transposed
from stages.tuning.peft import Peft, Save

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LoRA(Peft):
    """Low-rank changes of chosen matrices learn, and the head."""

    rank: Annotated[int, Field(ge=1, description="of the change, >= 1, at most the smaller side of a matrix")] = 8
    alpha: Annotated[float, Field(gt=0, description="strength of the change, > 0")] = 16.0
    dropout: Annotated[float, Field(ge=0, lt=1, description="of what goes into the change, [0, 1)")] = 0.0
    modules: Modules = "attention"
    rslora: bool = False
    dora: bool = False
    save: Save = "adapter"

    def config(self, model: nn.Module) -> Any:
        """Return PEFT's config. Raises InputError for modules that are none, or smaller than the rank."""
        from peft import LoraConfig

        found = chosen(model, self.modules)
        for name, module in found.items():
            least = min(sides(module))
            if self.rank > least:
                raise InputError(
                    f"train.tuning.rank: found {self.rank}, wanted at most {least}, the smaller side of {name}"
                )
        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, use_rslora=self.rslora,  # type: ignore[arg-type]
            use_dora=self.dora, target_modules=list(found), fan_in_fan_out=transposed(found.values()),
        )  # fmt: skip
