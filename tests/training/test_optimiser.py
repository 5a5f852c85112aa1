"""AdamW's groups and state."""

from __future__ import annotations

import torch
from torch import nn

from stages.learning import Pace
from stages.training.optimiser import adamw, set_steps, state_of


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def named(net: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}


def stepped(net: nn.Module, optimiser: torch.optim.AdamW) -> None:
    for group in optimiser.param_groups:
        group["lr"] = 0.1
    net(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    net.zero_grad()


def test_biases_and_norms_do_not_decay() -> None:
    net = model()
    groups = adamw(named(net), {}, 0.5, (0.9, 0.999), 1e-8).param_groups
    assert [(g["weight_decay"], len(g["params"])) for g in groups] == [(0.5, 2), (0.0, 4)]


def test_frozen_parameters_are_left_out() -> None:
    net = model()
    net[0].requires_grad_(False)
    assert sum(len(g["params"]) for g in adamw(named(net), {}, 0.5, (0.9, 0.999), 1e-8).param_groups) == 4


def test_parameters_of_one_pace_are_a_group() -> None:
    net = model()
    groups = adamw(named(net), {"0.weight": Pace(rate=0.5), "0.bias": Pace(rate=0.5)}, 0.1, (0.9, 0.999), 1e-8)
    told = [(g["pace"], g["weight_decay"], len(g["params"])) for g in groups.param_groups]
    assert told == [(1.0, 0.1, 1), (1.0, 0.0, 3), (0.5, 0.1, 1), (0.5, 0.0, 1)]


def test_state_taken_over_goes_on_with_the_same_bits() -> None:
    through = model()
    optimiser = adamw(named(through), {}, 0.1, (0.9, 0.999), 1e-8)
    for _ in range(3):
        stepped(through, optimiser)
    half = model()
    first = adamw(named(half), {}, 0.1, (0.9, 0.999), 1e-8)
    for _ in range(2):
        stepped(half, first)
    saved = {n: t.clone() for n, t in state_of(first, {p: n for n, p in half.named_parameters()}).items()}
    second = adamw(named(half), {}, 0.1, (0.9, 0.999), 1e-8)
    for name, value in state_of(second, {p: n for n, p in half.named_parameters()}).items():
        value.copy_(saved[name])
    set_steps(second, dict.fromkeys(half.parameters(), 2))
    stepped(half, second)
    assert all(torch.equal(a, b) for a, b in zip(through.parameters(), half.parameters(), strict=True))
