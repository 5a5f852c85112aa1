"""The average of the weights that training passes through."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from stages.learning import Average


class Averaged:
    """The average by `average` of `learning` (name -> parameter); no memory is taken where there is none.

    `tensors` has it by name, `NAME/average`, each of the parameter's shape. It is a function of the weights after each
    step, so a checkpoint holds all of its state.
    """

    def __init__(self, average: Average, learning: Mapping[str, Tensor]) -> None:
        self.average = average
        self.learning = learning
        kept = learning if average.averages else {}
        self.tensors = {f"{name}/average": p.detach().clone() for name, p in kept.items()}

    def follow(self, step: int, steps: int, epoch: int, owns: Callable[[Tensor], bool]) -> None:
        """Take in the weights after `step` of `steps`, of the parameters for which `owns` holds."""
        rate = self.average.rate(step, steps, epoch) if self.tensors else 0.0
        if not rate:
            return
        with torch.no_grad():
            for tensor, parameter in zip(self.tensors.values(), self.learning.values(), strict=True):
                if owns(parameter):
                    tensor.copy_(parameter) if rate == 1 else tensor.lerp_(parameter, rate)

    def weights(self) -> dict[str, Tensor]:
        """Return what is to be kept, by the parameters' names."""
        return {name: self.tensors.get(f"{name}/average", p) for name, p in self.learning.items()}

    @contextlib.contextmanager
    def instated(self) -> Iterator[None]:
        """Let the model have the average for its weights, in this worker; nothing is copied."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        if self.tensors:
            for parameter, tensor in zip(self.learning.values(), self.tensors.values(), strict=True):
                parameter.data, tensor.data = tensor.data, parameter.data
