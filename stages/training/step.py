"""One step: the gradient of a batch, the same bits whoever computes its shards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.core.errors import InputError
from stages.interfaces import Objective, TokenRows
from stages.repro.streams import Streams
from stages.repro.workers import Group
from stages.training import dropout, embedding
from stages.training.plan import Plan
from stages.training.reduction import owned, reduce, tree_sum


@dataclass(frozen=True)
class Gradient:
    """The reduced gradient of a batch: identical on every worker."""

    leaves: list[Tensor]  # of each learning parameter; of the input embedding, the batch's rows alone
    loss: float  # mean over the batch
    norm: float  # 2-norm over all leaves
    stop: bool  # a worker was asked to stop
    tokens: int  # real tokens of the batch


class Batches:
    """Computes the gradient of each batch of `plan` for `model`, whose dropout and input embedding it exchanges."""

    def __init__(
        self, model: Any, rows: TokenRows, collate: Callable[..., dict[str, Tensor]], plan: Plan,
        objective: Objective, class_weights: Tensor | None, precision: str, streams: Streams, group: Group,
    ) -> None:  # fmt: skip
        self.model = model
        self.rows = rows
        self.collate = collate
        self.plan = plan
        self.objective = objective
        self.class_weights = class_weights
        self.precision = precision
        self.streams = streams
        self.group = group
        self.masks = dropout.install(model)
        self.embedding = embedding.install(model)
        table = None if self.embedding is None else self.embedding.weight
        self.parameters = [p for p in model.parameters() if p.requires_grad and p is not table]

    def gradient(self, step: int, stop: bool) -> Gradient:
        """Return the reduced gradient of the batch of `step`; `stop` tells all workers that this one wants to stop.

        Raises InputError when it is not finite.
        """
        shards = self.plan.shards(step)
        tokens = [self.rows.tokens(shard.rows) for shard in shards]
        if self.embedding is not None:
            ids = np.concatenate([row for shard in tokens for row in shard] + [np.array([self.rows.pad])])
            self.embedding.begin(torch.from_numpy(ids.astype(np.int64)).to(self.group.device))
        leaves = self.parameters if self.embedding is None else [*self.parameters, self.embedding.table]
        weight = self._weight(np.concatenate([shard.rows for shard in shards]))
        aside = torch.tensor([0.0, float(stop)])

        def leaf(index: int, onto: list[Tensor] | None) -> list[Tensor]:
            for place, parameter in enumerate(leaves):
                parameter.grad = None if onto is None else onto[place]
            self.masks.begin(self.streams.key("dropout", step, index))
            inputs = self.collate(tokens[index], shards[index].length, self.rows.pad)
            loss = self._loss(inputs, shards[index].rows) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            summed = [p.grad if p.grad is not None else torch.zeros_like(p) for p in leaves]
            return [*summed, torch.stack([loss.detach().cpu(), aside[1]]) + (0 if onto is None else onto[-1])]

        low, high = owned(self.group.rank, self.group.size, len(shards))
        mine = tree_sum(low, high, leaf) if high > low else None
        for parameter in leaves:
            parameter.grad = None
        shapes = [p.shape for p in leaves] + [aside.shape]
        *summed, aside = reduce(mine, shapes, len(shards), self.group)
        norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(summed))))
        loss = float(aside[0])
        if not np.isfinite(loss) or not np.isfinite(norm):
            raise InputError(
                f"step {step + 1}: the loss is {loss} and the gradient's norm {norm}: training diverged; "
                "lower train.lr, lengthen train.warmup or set train.clip_norm"
            )
        count = sum(len(row) for shard in tokens for row in shard)
        return Gradient(leaves=summed, loss=loss, norm=norm, stop=bool(aside[1] > 0), tokens=count)

    def _weight(self, rows: np.ndarray[Any, Any]) -> float:
        """Return what the sum of losses is divided by: the examples' number, or the sum of their class weights."""
        if self.class_weights is None:
            return float(len(rows))
        return float(self.class_weights.cpu()[torch.from_numpy(self.rows.labels[rows])].sum())

    def _loss(self, inputs: dict[str, Tensor], rows: np.ndarray[Any, Any]) -> Tensor:
        device = self.group.device
        labels = torch.from_numpy(self.rows.labels[rows]).to(device)
        half = torch.autocast(device.type, torch.bfloat16) if self.precision == "bfloat16" else contextlib.nullcontext()
        with half:
            logits = self.model(**{name: value.to(device) for name, value in inputs.items()}).logits
        return self.objective.loss(logits.float(), labels, self.class_weights)

    @contextlib.contextmanager
    def assigned(self, gradient: Gradient, factor: float) -> Any:
        """Give every parameter its gradient times `factor`, for an optimiser's step; take it away again after."""
        leaves = gradient.leaves
        if factor < 1:
            torch._foreach_mul_(leaves, factor)
        for parameter, value in zip(self.parameters, leaves, strict=False):
            parameter.grad = value
        if self.embedding is not None:
            self.embedding.spread(leaves[-1])
        yield
        for parameter in self.parameters:
            parameter.grad = None
        if self.embedding is not None:
            self.embedding.clear()
