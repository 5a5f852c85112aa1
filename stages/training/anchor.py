"""The weights of the start, and what a regulariser makes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from stages.learning import Regulariser
from stages.repro.streams import Streams
from stages.repro.workers import Group
from stages.training.embedding import BatchEmbedding


class Anchor:
    """Holds a model to the weights that it has now, by `regulariser`; one copy of them for all workers.

    `new` names the parameters that were drawn. Of the input embedding a batch's rows alone are held, for they alone
    have a gradient. Weights are never written here: each worker mixes its own copies, the same for all shards of a
    step.
    """

    def __init__(
        self, regulariser: Regulariser, model: Any, new: Collection[str], embedding: BatchEmbedding | None,
        streams: Streams, group: Group,
    ) -> None:  # fmt: skip
        self.regulariser = regulariser
        self.embedding = embedding
        self.streams = streams
        held = model.named_parameters() if regulariser.holds else ()
        self.learning = [(p, name in new) for name, p in held if p.requires_grad]
        self.starts = group.share([p.detach().clone() for p, _ in self.learning]) if self.learning else []
        self.places = self._matrices(model)
        self._step = -1
        self._factors: list[Tensor | None] = []

    def _matrices(self, model: Any) -> list[tuple[nn.Module, str, int]]:
        """Return where a weight matrix stands, and its place in `learning`; tables of embeddings are none."""
        index = {id(p): place for place, (p, _) in enumerate(self.learning)}
        tables = {
            id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding | BatchEmbedding)
        }  # one may be the last layer's matrix, too
        return [
            (module, name, index[id(p)])
            for module in model.modules()
            for name, p in module.named_parameters(recurse=False)
            if p.ndim == 2 and id(p) in index and id(p) not in tables
        ]

    def penalty(self) -> Tensor | None:
        """Return what is added to the loss of a batch (scalar), None for nothing."""
        total = None
        for (parameter, new), start in zip(self.learning, self.starts, strict=True):
            weight: Tensor = parameter
            if self.embedding is not None and parameter is self.embedding.weight:
                weight, start = self.embedding.table, start[self.embedding.rows]
            added = self.regulariser.penalty(weight, start, new)
            total = added if total is None else total if added is None else total + added
        return total

    @contextlib.contextmanager
    def mixed(self, step: int) -> Iterator[None]:
        """Let forward passes see each matrix w as start + F (w - start), F a function of (seed, step, parameter)."""
        if step != self._step:
            self._step, self._factors = step, [self._factor(step, place) for _, _, place in self.places]
        before = []
        try:
            for (module, name, place), factor in zip(self.places, self._factors, strict=True):
                if factor is not None:
                    weight, start = self.learning[place][0], self.starts[place]
                    module._parameters[name] = torch.addcmul(start, factor, weight - start)  # type: ignore[assignment]
                    before.append((module, name, weight))
            yield
        finally:
            for module, name, weight in before:
                module._parameters[name] = weight

    def _factor(self, step: int, place: int) -> Tensor | None:
        weight, new = self.learning[place]
        found = self.regulariser.factor(weight.shape, new, lambda: self.streams.generator("mixout", step, place))
        return None if found is None else found.to(weight.device)
