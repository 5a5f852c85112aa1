"""No draw but ours: what torch, NumPy and Python draw by themselves depends on which worker computed what before."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from stages.core.errors import InputError


@contextlib.contextmanager
def undrawn(model: Any) -> Iterator[None]:
    """Raise InputError, which names `model`, if the body moves a global generator of torch, NumPy or Python."""
    before = _states()
    yield
    moved = [name for name, state in _states().items() if state != before.get(name, state)]
    if moved:
        raise InputError(
            f"{type(model).__name__}: draws random numbers of its own ({', '.join(moved)}) where they are no function "
            "of the seed and the rows: choose another base model (docs/architectures.md)"
        )


def _states() -> dict[str, Any]:
    name, keys, place, *rest = np.random.get_state()
    states: dict[str, Any] = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, np.asarray(keys).tobytes(), place, rest),
        "random": random.getstate(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states["cuda"] = torch.cuda.get_rng_state().numpy().tobytes()
    return states
