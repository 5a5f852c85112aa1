"""One step: the gradient of a batch, the same bits whoever computes its shards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.core.errors import InputError
from stages.interfaces import Head, Objective, Pace, Part, TokenRows
from stages.models import compute, takes_segments
from stages.repro.draws import undrawn
from stages.repro.streams import Streams
from stages.repro.workers import Group
from stages.training import embedding
from stages.training.dropout import Masks
from stages.training.plan import Plan
from stages.training.reduction import Reduction, owned, tree_sum


@dataclass(frozen=True)
class Gradient:
    """The reduced gradient of a batch."""

    leaves: Mapping[int, Tensor]  # of the learning parameters that this worker updates; of the embedding its rows alone
    digests: Sequence[str]  # of all leaves, the same on every worker, as is what follows
    loss: float  # mean over the batch
    norm: float  # 2-norm over all leaves
    stop: bool  # a worker was asked to stop
    tokens: int  # real tokens of the batch


@dataclass(frozen=True)
class Loss:
    """What a model is asked to make small, in which precision."""

    head: Head
    objective: Objective
    classes: np.ndarray[Any, Any] | None  # (C,) float32: weights of the classes, or None for all ones
    precision: str  # float32, or bfloat16 for matrix products alone

    def __call__(self, model: Any, part: Part, pad: int, device: torch.device) -> Tensor:
        """Return the weighted sum of the losses of a shard (scalar)."""

        def forward() -> Tensor:
            half = self.precision == "bfloat16"
            with torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext():
                return compute(model, self.head, part, pad, device).float()

        losses = self.objective.losses(forward, self.head, part)
        weights = torch.from_numpy(self.head.weights(part, self.classes)).to(losses.device)
        return (losses * weights).sum()

    def weight(self, part: Part) -> float:
        """Return what the sum over a shard adds to what a batch is divided by: the sum of its outputs' weights."""
        return float(self.head.weights(part, self.classes).sum(dtype=np.float64))


class Batches:
    """Computes the gradient of each batch of `plan` for `model`, whose input embedding it exchanges."""

    def __init__(
        self, model: Any, rows: TokenRows, plan: Plan, loss: Loss, paces: Mapping[str, Pace],
        streams: Streams, group: Group,
    ) -> None:  # fmt: skip
        self.model = model
        self.rows = rows
        self.plan = plan
        self.loss = loss
        self.paces = paces
        self.streams = streams
        self.group = group
        self.masks = Masks()
        self.segments = takes_segments(model) and "token_type_ids" in rows.take(np.arange(1))
        self.embedding = embedding.install(model)
        table = None if self.embedding is None else self.embedding.weight
        self.parameters = [p for p in model.parameters() if p.requires_grad and p is not table]
        self.later = {p: paces[n].epoch for n, p in model.named_parameters() if p.requires_grad and n in paces}
        self.later = {p: epoch for p, epoch in self.later.items() if epoch}
        room = [p.numel() for p in self.parameters]
        cost = [2 * count for count in room]  # a sum and an update
        if self.embedding is not None:
            most, width = self.embedding.weight.shape
            room.append(min(plan.batch_size * int(plan.lengths.max()) + 1, most) * width)
            cost.append(room[-1] + most * width)
        self.reduce = Reduction(room, cost, group)

    def gradient(self, step: int, stop: bool) -> Gradient:
        """Return the reduced gradient of the batch of `step`; `stop` tells all workers that this one wants to stop.

        Raises InputError when it is not finite.
        """
        shards, epoch = self.plan.shards(step), self.plan.epoch(step)
        parts = [self._part(shard, epoch) for shard in shards]
        for parameter, first in self.later.items():
            parameter.requires_grad_(epoch >= first)
        if self.embedding is not None:
            ids = np.concatenate([row for part in parts for row in part["input_ids"]] + [np.array([self.rows.pad])])
            self.embedding.begin(torch.from_numpy(ids.astype(np.int64)).to(self.group.device))
        leaves = self.parameters if self.embedding is None else [*self.parameters, self.embedding.table]
        weight = sum(map(self.loss.weight, parts)) or 1.0  # a batch without outputs has no gradient

        def leaf(index: int, onto: list[Tensor] | None) -> list[Tensor]:
            for place, parameter in enumerate(leaves):
                parameter.grad = None if onto is None else onto[place]
            self.masks.begin(self.streams.key("dropout", step, index))
            with undrawn(self.model), self.masks:
                loss = self.loss(self.model, parts[index], self.rows.pad, self.group.device) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            summed = [p.grad if p.grad is not None else torch.zeros_like(p) for p in leaves]
            return [
                *summed,
                torch.stack([loss.detach().cpu(), torch.tensor(float(stop))]) + (0 if onto is None else onto[-1]),
            ]

        low, high = owned(self.group.rank, self.group.size, len(shards))
        mine = tree_sum(low, high, leaf) if high > low else None
        for parameter in leaves:
            parameter.grad = None
        aside = None if mine is None else mine.pop()
        reduced = self.reduce(mine, aside, [p.shape for p in leaves], len(shards))
        norm = float(torch.linalg.vector_norm(reduced.norms))
        loss, stops = reduced.aside.tolist()
        if not np.isfinite(loss) or not np.isfinite(norm):
            raise InputError(
                f"step {step + 1}: the loss is {loss} and the gradient's norm {norm}: training diverged; "
                "lower train.lr, lengthen train.warmup or set train.clip_norm"
            )
        count = sum(int(part["length"].sum()) for part in parts)
        return Gradient(reduced.leaves, reduced.digests, loss, norm, stops > 0, count)

    def taken(self, name: str, steps: int) -> int:
        """Return how many of the first `steps` steps the parameter `name` has taken."""
        before = self.paces.get(name, Pace()).epoch * self.plan.steps_per_epoch
        return max(0, steps - before)

    def _part(self, rows: np.ndarray[Any, Any], epoch: int) -> Part:
        """Return the windows at `rows` as they are learnt from in an epoch."""

        def draw(place: int) -> np.random.Generator:
            return self.streams.generator("prepare", epoch, int(rows[place]))

        return self.loss.head.prepared(self.rows.take(rows), draw)

    @contextlib.contextmanager
    def assigned(self, gradient: Gradient, factor: float) -> Iterator[None]:
        """Give the parameters that this worker updates their gradient times `factor`; take it away again after.

        Nobody goes on before every worker has come out of it: then all parameters have taken the step.
        """
        if factor < 1 and gradient.leaves:
            torch._foreach_mul_(list(gradient.leaves.values()), factor)
        for place, value in gradient.leaves.items():
            if place < len(self.parameters):
                self.parameters[place].grad = value
            else:
                assert self.embedding is not None
                self.embedding.spread(value)
        for parameter in self.later:
            if not parameter.requires_grad:  # so that no moment and no decay touches it either
                parameter.grad = None
        yield
        for parameter in self.parameters:
            parameter.grad = None
        if self.embedding is not None:
            self.embedding.clear()
        self.group.barrier()
