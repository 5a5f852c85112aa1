"""What the adversarial objectives share: shifts of the input embeddings, measured window by window.

A shift is (T, H): a vector for each real token of a shard, one window after another. Padding is never shifted, and a
norm is that of one window, so a window gets the same shift whatever it is computed with.
All passes of a step have the same dropout masks, so that they attack one and the same network (Zhu et al. 2020,
arXiv:1909.11764, section 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.learning import Forward, Head, Part

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-60  # a window whose gradient is zero is not shifted


def norms(shift: Tensor, windows: Tensor) -> Tensor:
    """Return the 2-norm of the window of each token, (T, 1) float64; `windows` (T,) names them."""
    squares = shift.double().square().sum(dim=1)
    total = squares.new_zeros(int(windows.max()) + 1).index_add_(0, windows, squares)
    return total.sqrt()[windows, None]


def scaled(shift: Tensor, windows: Tensor, norm: float) -> Tensor:
    """Return `shift` with the 2-norm of every window `norm`."""
    return (shift * (norm / norms(shift, windows).clamp_min(TINY))).float()


def projected(shift: Tensor, windows: Tensor, radius: float) -> Tensor:
    """Return the nearest shift of which no window's 2-norm is above `radius`."""
    return (shift * (radius / norms(shift, windows).clamp_min(TINY)).clamp_max(1)).float()


def start(forward: Forward, radius: float) -> Tensor:
    """Return a random shift, `radius / sqrt(n) * U(-1, 1)` for each of a window's n numbers: its norm is <= `radius`.

    It is a function of the seed, the step and the window (algorithm 1 of FreeLB).
    """
    import torch

    noise = forward.noise()
    sizes = torch.bincount(forward.windows)[forward.windows, None] * noise.shape[1]  # (T, 1)
    return noise * radius / sizes.sqrt()


def ascended(
    shift: Tensor, losses: Tensor, forward: Forward, step_size: float, radius: float, keep: bool = False
) -> Tensor:
    """Return `shift` after a step of `step_size` along the gradient of `losses` (N,), inside the ball of `radius`.

    `shift` requires a gradient; `keep` says that the losses are yet to be gone back through.
    """
    import torch

    (slope,) = torch.autograd.grad((losses * forward.weights).sum(), shift, retain_graph=keep)
    with torch.no_grad():
        return projected(shift + scaled(slope, forward.windows, step_size), forward.windows, radius)


def losses_at(shift: Tensor, forward: Forward, head: Head, part: Part) -> Tensor:
    """Return the target's own losses (N,) with the input embeddings shifted."""
    return head.losses(forward(shift, again=True), part, 0.0)
