"""AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), with no decay on biases and norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def adamw(model: nn.Module, weight_decay: float, betas: tuple[float, float], epsilon: float) -> torch.optim.AdamW:
    """Return AdamW over the parameters that learn; vectors (biases, norms) do not decay."""
    learning = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=betas, eps=epsilon, fused=True)


def state_of(optimiser: torch.optim.AdamW, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """Return the moments by parameter name: `NAME/first` and `NAME/second`, both of the parameter's shape.

    The moments are made, as zeros, for a parameter that has had no step yet.
    """
    found: dict[str, Tensor] = {}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            state: dict[str, Any] = optimiser.state[parameter]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            found[f"{names[parameter]}/first"] = state["exp_avg"]
            found[f"{names[parameter]}/second"] = state["exp_avg_sq"]
    return found


def set_steps(optimiser: torch.optim.AdamW, steps: int) -> None:
    """Say that `steps` steps have been taken, for the correction of the moments' bias."""
    for state in optimiser.state.values():
        state["step"].fill_(float(steps))
