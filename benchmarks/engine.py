"""All that the benchmarks know of the training engine's inside stands here; what they time is the engine's own code."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from benchmarks.talk import peak_mb
from stages.core.errors import InputError
from stages.core.files import read_json
from stages.core.params import load, part_of
from stages.finetune import Params, _assemble
from stages.inference import outputs, token_rows
from stages.learning import Head, TokenRows
from stages.models import build, is_packed
from stages.models.batch import collate
from stages.repro.streams import Streams
from stages.repro.workers import Group
from stages.training import reduction
from stages.training.dropout import Masks

Spec = Mapping[str, Any]


def adjusted(spec: Spec) -> Any:
    """Return the params of the working folder with what the side exchanges: precision, epochs, init, overrides."""
    params = load(Params)
    train = params.train.model_copy(update={k: spec[k] for k in ("precision", "epochs") if k in spec})
    model = params.model.model_copy(update={k: spec[k] for k in ("init", "overrides") if k in spec})
    return params.model_copy(update={"train": train, "model": model})


def head_of(params: Any, tokens: Path) -> Head:
    """Return the head of what is learnt."""
    found: Head = part_of(params.target, "head").Head(read_json(tokens / "schema.json")["space"])
    return found


def assembled(params: Any, group: Group, tokens: Path, base: Path, scratch: Path) -> tuple[Any, Any]:
    """Return model and loop as the finetune stage makes them, at step 0, with their curves open."""
    schema = read_json(tokens / "schema.json")
    loop = _assemble(
        params, group, schema, tokens, base, base.parent / "teacher", scratch / "scratch", scratch / "live"
    ).loop
    loop._resume()
    loop.model.train()
    return loop.model, loop


def facts(model: Any, rows: TokenRows, packed: bool) -> dict[str, Any]:
    """Return the sizes by which arithmetic is counted."""
    config = model.config
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    return {
        "parameters": sum(sizes.values()),
        "embedding": sum(n for name, n in sizes.items() if name.endswith("_embeddings.weight")),
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "intermediate": getattr(config, "intermediate_size", None) or config.hidden_dim,
        "labels": config.num_labels,
        "packed": packed,
        "mean_length": float(rows.lengths.mean()),
    }


class Ours:
    """The project's loop. With `inexact` its sum is torch's all_reduce, without trace and deterministic kernels."""

    def __init__(self, spec: Spec, group: Group) -> None:
        self.group = group
        self.scratch = Path(spec["scratch"])
        start = peak_mb()
        if spec.get("inexact"):
            torch.use_deterministic_algorithms(False)
            reduction.Reduction._swapped = _all_reduced  # type: ignore[method-assign]
            reduction.leaf_digest = lambda leaf: ""
        params = adjusted(spec)
        self.model, self.loop = assembled(params, group, Path(spec["tokens"]), Path(spec["base"]), self.scratch)
        plan = self.loop.batches.plan
        sizes = facts(self.model, self.loop.batches.rows, is_packed(self.model))
        self.facts = {**sizes, "batch_size": plan.batch_size, "start_mb": start}
        self.commands: dict[str, Callable[..., dict[str, Any]]] = {
            "steps": self.steps, "saved": self.saved, "order": self.order, "memory": lambda: {"mb": peak_mb()},
        }  # fmt: skip

    def steps(self, count: int) -> dict[str, Any]:
        """Take so many steps; return seconds, rows, real tokens and the sum of the squared lengths."""
        first = self.loop.state.step
        began = time.perf_counter()
        for _ in range(count):
            self.loop._step()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, **_batches(self.loop.batches.plan, first, count)}

    def order(self, count: int) -> dict[str, Any]:
        """Return the rows of the first so many steps, for a peer to take the same.

        Raises InputError when the first epoch has not so many full batches.
        """
        plan = self.loop.batches.plan
        batches = [plan.rows(n).tolist() for n in range(min(count, plan.steps_per_epoch))]
        full = next((n for n, rows in enumerate(batches) if len(rows) < plan.batch_size), len(batches))
        if full < count:
            raise InputError(f"{count} steps in all are too many: the first epoch has {full} full batches")
        return {"order": [row for rows in batches for row in rows]}

    def saved(self, count: int) -> dict[str, Any]:
        """Go back so many steps, write a checkpoint and take the same steps: what writes on meanwhile is counted."""
        began = time.perf_counter()
        self.loop._save()
        seconds = time.perf_counter() - began
        self.loop.state.step -= count
        found = self.steps(count)
        return {**found, "seconds": found["seconds"] + seconds}


class Whole:
    """Whole runs of the project's loop, one after another."""

    def __init__(self, spec: Spec, group: Group) -> None:
        self.spec = spec
        self.group = group
        self.facts: dict[str, Any] = {}
        self.commands = {"run": self.run}

    def run(self, tokens: str, test: bool = False) -> dict[str, Any]:
        """Train to the end on the folder `tokens`; return seconds and, if `test`, the accuracy on its test rows."""
        params, scratch = adjusted(self.spec), Path(self.spec["scratch"])
        model, loop = assembled(params, self.group, Path(tokens), Path(self.spec["base"]), scratch)
        began = time.perf_counter()
        loop.run()
        found: dict[str, Any] = {"seconds": time.perf_counter() - began}
        if test:
            self.group.broadcast([p.data for p in model.parameters()])  # the first has the best weights
            rows = token_rows(Path(tokens) / "test.arrow", loop.batches.rows.pad)
            best = outputs(model, rows, head_of(params, Path(tokens)), self.group, "test").argmax(1)
            labels = rows.take(np.arange(len(best)))["label"]
            found["accuracy"] = float((best == labels).mean())
        self.group.gather(None)
        if self.group.rank == 0:
            shutil.rmtree(scratch / "scratch")
        self.group.gather(None)
        return found


class Predict:
    """The project's forward pass over rows."""

    def __init__(self, spec: Spec, group: Group) -> None:
        params = adjusted(spec)
        schema = read_json(Path(spec["tokens"]) / "schema.json")
        self.group = group
        self.head = head_of(params, Path(spec["tokens"]))
        self.rows = token_rows(Path(spec["tokens"]) / "test.arrow", schema["pad_token_id"])
        key = Streams(params.seed, params.seed_streams.model_dump()).key("init")
        model = params.model
        self.model: Any = build(Path(spec["base"]), self.head, model.init, model.head, model.overrides, key).model
        self.facts = {"rows": len(self.rows.lengths)}
        self.commands = {"predict": self.predict}

    def predict(self, rows: list[int]) -> dict[str, Any]:
        """Return the seconds that the logits of these test rows take."""
        chosen = np.array(rows)
        whole = self.rows
        part = dataclasses.replace(
            whole, lengths=whole.lengths[chosen], take=lambda indices: whole.take(chosen[indices])
        )  # fmt: skip
        began = time.perf_counter()
        outputs(self.model, part, self.head, self.group, "test")
        return {"seconds": time.perf_counter() - began}


class Ddp:
    """The same model, batches, shards, masks and AdamW in torch's DistributedDataParallel: nothing in it is exact."""

    def __init__(self, spec: Spec, group: Group) -> None:
        torch.use_deterministic_algorithms(False)
        params, base, tokens = adjusted(spec), Path(spec["base"]), Path(spec["tokens"])
        self.group = group
        _, self.loop = assembled(params, group, tokens, base, Path(spec["scratch"]))
        self.streams = Streams(params.seed, params.seed_streams.model_dump())
        self.head = head_of(params, tokens)
        asked, key = params.model, self.streams.key("init")
        model: Any = build(base, self.head, asked.init, asked.head, asked.overrides, key).model
        self.params = params
        self.masks = Masks()
        self.model = DistributedDataParallel(model.train(), gradient_as_bucket_view=True, broadcast_buffers=False)
        train = params.train
        self.optimiser = torch.optim.AdamW(
            [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": train.weight_decay},
             {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0}],
            lr=train.lr, betas=train.betas, eps=train.epsilon, fused=True,
        )  # fmt: skip
        self.step = 0
        self.facts: dict[str, Any] = {}
        self.commands = {"steps": self.steps}

    def steps(self, count: int) -> dict[str, Any]:
        """Take so many steps; return seconds, rows, real tokens and the sum of the squared lengths."""
        first = self.step
        began = time.perf_counter()
        for _ in range(count):
            self._step()
        return {"seconds": time.perf_counter() - began, **_batches(self.loop.batches.plan, first, count)}

    def _step(self) -> None:
        batches, group, train = self.loop.batches, self.group, self.params.train
        shards = batches.plan.shards(self.step)
        examples = sum(len(shard) for shard in shards)
        mine = range(len(shards))[len(shards) * group.rank // group.size : len(shards) * (group.rank + 1) // group.size]
        total = 0.0
        for index in mine:
            shard = shards[index]
            self.masks.begin(self.streams.key("dropout", self.step, index))
            part = batches.rows.take(shard)
            inputs = collate(part, batches.rows.pad, is_packed(self.model.module), batches.segments)
            self.model.require_backward_grad_sync = index == mine[-1]
            with self.masks:
                found = self.model(**inputs).logits
            wanted = torch.from_numpy(part["label"].astype(np.int64))
            # DDP divides the sum of all workers by their number.
            loss = functional.cross_entropy(found, wanted, reduction="sum") * (group.size / examples)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss)
        if train.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), train.clip_norm)
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = self.loop.schedule.rate(self.step)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1


def _batches(plan: Any, first: int, count: int) -> dict[str, int]:
    lengths = np.concatenate([plan.lengths[plan.rows(n)] for n in range(first, first + count)]).astype(np.int64)
    return {"rows": len(lengths), "tokens": int(lengths.sum()), "squares": int((lengths**2).sum())}


def _all_reduced(self: Any, mine: Any, shapes: Any, shards: int) -> Iterator[tuple[int, torch.Tensor]]:
    """Stand in for Reduction._swapped, by which workers without common memory sum: every shard's batch is full."""
    flat = torch.cat([t.reshape(-1) for t in mine])
    dist.all_reduce(flat)
    pieces = flat.split([shape.numel() for shape in shapes])
    yield from enumerate(piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True))
