"""The ceiling: how fast this machine multiplies float32 matrices of the model's shapes, and does nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import torch


class Gemm:
    """The matrix products of one training step over all layers: each with its own weights, as in the model."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Take `tokens` a process, `layers`, `hidden`, `intermediate`; threads are those of OMP_NUM_THREADS."""
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.manual_seed(0)
        tokens, h, i = spec["tokens"], spec["hidden"], spec["intermediate"]
        shapes = [(h, h)] * 4 + [(h, i), (i, h)]
        self.inputs = {size: torch.randn(tokens, size) for size in (h, i)}
        self.outputs = {size: torch.empty(tokens, size) for size in (h, i)}
        self.weights = [[torch.randn(out, into) for into, out in shapes] for _ in range(spec["layers"])]
        self.gradients = [[torch.empty_like(w) for w in layer] for layer in self.weights]
        self.flops = 6 * tokens * sum(w.numel() for layer in self.weights for w in layer)
        self._pass()

    def rate(self, least: float) -> dict[str, Any]:
        """Multiply for at least so many seconds; return operations and seconds."""
        began, passes = time.perf_counter(), 0
        while (seconds := time.perf_counter() - began) < least:
            self._pass()
            passes += 1
        return {"flops_a_second": passes * self.flops / seconds}

    def _pass(self) -> None:
        with torch.no_grad():
            for weights, gradients in zip(self.weights, self.gradients, strict=True):
                for weight, gradient in zip(weights, gradients, strict=True):
                    out, into = weight.shape
                    torch.mm(self.inputs[into], weight.t(), out=self.outputs[out])  # forward
                    torch.mm(self.inputs[out], weight, out=self.outputs[into])  # gradient of the input
                    torch.mm(self.inputs[out].t(), self.inputs[into], out=gradient)  # gradient of the weight
