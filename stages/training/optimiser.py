"""AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), with no decay on biases and norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stages.learning import Pace


def adamw(
    learning: Mapping[str, nn.Parameter], paces: Mapping[str, Pace],
    weight_decay: float, betas: tuple[float, float], epsilon: float,
) -> torch.optim.AdamW:  # fmt: skip
    """Return AdamW over the parameters `learning`; vectors (biases, norms) do not decay.

    Each group has its `pace`, the part of the learning rate that `paces` gives its parameters.
    """
    rates = {name: paces.get(name, Pace()).rate for name in learning}
    groups = [
        {"params": [p for n, p in learning.items() if rates[n] == rate and (p.ndim > 1) is matrices],
         "weight_decay": weight_decay if matrices else 0.0, "pace": rate}
        for rate in sorted(set(rates.values()), reverse=True) for matrices in (True, False)
    ]  # fmt: skip
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


def set_steps(optimiser: torch.optim.AdamW, steps: Mapping[Tensor, int]) -> None:
    """Say how many steps each parameter has taken, for the correction of its moments' bias."""
    for parameter, state in optimiser.state.items():
        state["step"].fill_(float(steps[parameter]))
