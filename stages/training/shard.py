"""The forward pass over one shard, as often and in whichever way an objective asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.core.errors import InputError
from stages.learning import Head, Part
from stages.models import compute, is_packed


@dataclass(frozen=True)
class Shard:
    """See stages.learning.Forward."""

    model: Any
    head: Head
    part: Part
    pad: int
    device: torch.device
    precision: str  # float32, or bfloat16 for matrix products alone
    weights: Tensor  # (N,) of each loss
    begin: Callable[[], None]  # begins the shard's dropout masks anew
    draw: Callable[[int], np.random.Generator]  # of a window of the shard, in this step

    @property
    def windows(self) -> Tensor:
        """Return which window each token is of, (T,)."""
        lengths = torch.from_numpy(self.part["length"].astype(np.int64))
        return torch.repeat_interleave(torch.arange(len(lengths)), lengths).to(self.device)

    def still(self) -> Tensor:
        """Return zeros, (T, H)."""
        return torch.zeros(int(self.part["length"].sum()), self._width, device=self.device)

    def noise(self) -> Tensor:
        """Return numbers that are uniform in [-1, 1), (T, H): a window's are the first ones of its generator."""
        lengths = self.part["length"].tolist()
        drawn = [self.draw(i).random((length, self._width), np.float32) for i, length in enumerate(lengths)]
        return torch.from_numpy(2 * np.concatenate(drawn) - 1).to(self.device)

    def __call__(self, shift: Tensor | None = None, again: bool = False) -> Tensor:
        """Return the outputs (M, C); `shift` (T, H) is added to the input embeddings, `again` repeats the masks."""
        if again:
            self.begin()
        half = self.precision == "bfloat16"
        autocast = torch.autocast(self.device.type, torch.bfloat16) if half else contextlib.nullcontext()
        with autocast, contextlib.nullcontext() if shift is None else self._shifted(shift):
            return compute(self.model, self.head, self.part, self.pad, self.device).float()

    @property
    def _width(self) -> int:
        return int(self.model.get_input_embeddings().weight.shape[1])

    @contextlib.contextmanager
    def _shifted(self, shift: Tensor) -> Iterator[None]:
        """Add `shift` (T, H) to what the input embedding returns: (1, T, H), or with padding (B, L, H).

        Raises InputError for a model that does not read it once a pass, as encoders with a decoder.
        """
        if getattr(self.model, "virtual_tokens", 0):
            raise InputError("train.objective: an adversary perturbs the tokens of texts, not virtual ones: set plain")
        embedding, lengths, reads = self.model.get_input_embeddings(), self.part["length"], []

        def add(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            reads.append(output.shape)
            if is_packed(self.model):
                return output + shift
            rows, longest, width = output.shape  # a model may pad further
            places = torch.from_numpy((np.arange(longest) < lengths[:, None]).flatten().nonzero()[0])
            flat = output.new_zeros(rows * longest, width).index_copy(0, places.to(self.device), shift)
            return output + flat.view_as(output)

        handle = embedding.register_forward_hook(add)
        try:
            yield
        finally:
            handle.remove()
        if len(reads) != 1:
            raise InputError(
                f"train.objective: {type(self.model).__name__} reads its input embedding {len(reads)} times a pass, "
                "wanted once to perturb it: set plain, smoothed, focal or rdrop"
            )
