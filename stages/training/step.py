"""One step: the gradient of a batch, the same bits whoever computes its shards."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.core.errors import InputError
from stages.learning import Forward, Head, Objective, Pace, Part, Regulariser, TokenRows
from stages.models import takes_segments
from stages.repro.draws import undrawn
from stages.repro.streams import Streams
from stages.repro.workers import Group
from stages.training import embedding
from stages.training.anchor import Anchor
from stages.training.dropout import Masks
from stages.training.plan import Plan
from stages.training.reduction import Reduction, owned, tree_sum
from stages.training.shard import Shard

Floats = np.ndarray[Any, np.dtype[np.float32]]


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
    classes: Floats | None  # (C,): weights of the classes, or None for all ones
    precision: str  # float32, or bfloat16 for matrix products alone

    def __call__(self, forward: Forward, part: Part) -> Tensor:
        """Return the weighted sum of the losses of a shard (scalar)."""
        return (self.objective.losses(forward, self.head, part) * forward.weights).sum()

    def weights(self, part: Part) -> Floats:
        """Return the weight of each loss of a shard, (N,)."""
        return self.head.weights(part, self.classes)

    def weight(self, part: Part) -> float:
        """Return what the sum over a shard adds to what a batch is divided by: the sum of its outputs' weights."""
        return float(self.weights(part).sum(dtype=np.float64))


class Batches:
    """Computes the gradient of each batch of `plan` for `model`, whose input embedding it exchanges.

    `regulariser` holds the model to the weights that it has now; `new` names the parameters that were drawn.
    """

    def __init__(
        self, model: Any, rows: TokenRows, plan: Plan, loss: Loss, regulariser: Regulariser, new: Collection[str],
        paces: Mapping[str, Pace],
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
        self.anchor = Anchor(regulariser, model, new, self.embedding, streams, group)

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
            forward = self._forward(step, index, parts[index], shards[index])
            with undrawn(self.model), self.masks, self.anchor.mixed(step):
                loss = self.loss(forward, parts[index]) / weight
            penalty = self.anchor.penalty() if index == 0 else None  # once a batch, whoever computes its first shard
            loss = loss if penalty is None else loss + penalty
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

    def _forward(self, step: int, index: int, part: Part, rows: np.ndarray[Any, Any]) -> Shard:
        """Return the forward pass over shard `index` of a step: `part`, of the windows at `rows`."""
        key = self.streams.key("dropout", step, index)
        self.masks.begin(key)
        return Shard(
            self.model, self.loss.head, part, self.rows.pad, self.group.device, self.loss.precision,
            weights=torch.from_numpy(self.loss.weights(part)).to(self.group.device),
            begin=lambda: self.masks.begin(key),
            draw=lambda place: self.streams.generator("perturbation", step, int(rows[place])),
        )  # fmt: skip

    def _part(self, rows: np.ndarray[Any, Any], epoch: int) -> Part:
        """Return the windows at `rows` as they are learnt from in an epoch."""

        def draw(place: int) -> np.random.Generator:
            return self.streams.generator("prepare", epoch, int(rows[place]))

        return self.loss.head.prepared(self.rows.take(rows), draw)

    def owns(self, parameter: Tensor) -> bool:
        """Return whether this worker updates a learning parameter."""
        leaf = next((i for i, p in enumerate(self.parameters) if p is parameter), len(self.parameters))
        return self.reduce.owns(leaf)

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
