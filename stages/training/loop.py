"""The training loop: steps, evaluations, checkpoints; what it returns is a function of its inputs alone."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from stages.core import progress
from stages.core.errors import InputError
from stages.core.files import tsv_line
from stages.learning import Average
from stages.training import checkpoint, optimiser
from stages.training.averaging import Averaged
from stages.training.curves import Curve, intact
from stages.training.schedule import Schedule
from stages.training.step import Batches, Gradient
from stages.training.trace import COLUMNS as TRACE
from stages.training.trace import Trace

STEPS = ("step", "epoch", "loss", "lr", "grad_norm")
BESTS_KEPT = 3  # a kept checkpoint names a best that is at most one older than the newest


@dataclass(frozen=True)
class Settings:
    """What the loop itself is told; units and ranges stand in stages.finetune."""

    weight_decay: float
    betas: tuple[float, float]
    epsilon: float
    clip_norm: float | None
    average: Average
    evaluate_every: int  # steps
    checkpoint_every: int  # steps
    scores: tuple[str, ...]  # what `validate` returns, in the order of the columns of validation.tsv
    best_metric: str  # one of them
    higher: bool  # whether more of it is better
    patience: int | None  # evaluations without improvement, then stop; None never stops
    min_delta: float  # what counts as an improvement for patience


@dataclass
class State:
    """What changes as the run goes on, besides weights, moments and average: all of it is in a checkpoint."""

    step: int = 0  # steps taken
    best_step: int = 0
    best: dict[str, float] = field(default_factory=dict)  # validation metrics at best_step
    reference: float | None = None  # the metric from which patience counts
    waited: int = 0  # evaluations since
    chain: str = ""
    tokens: int = 0  # real tokens trained on


class Loop:
    """One run. `validate(model)` returns the validation metrics, the same on every worker."""

    def __init__(
        self, model: Any, batches: Batches, schedule: Schedule, settings: Settings,
        validate: Callable[[Any], Mapping[str, float]], scratch: Path, live: Path,
    ) -> None:  # fmt: skip
        self.model = model
        self.batches = batches
        self.schedule = schedule
        self.settings = settings
        self.validate = validate
        self.group = batches.group
        self.scratch = scratch
        self.live = live
        self.learning = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimiser = optimiser.adamw(
            self.learning, batches.paces, settings.weight_decay, settings.betas, settings.epsilon
        )
        self.moments = optimiser.state_of(self.optimiser, {p: n for n, p in self.learning.items()})
        self.averaged = Averaged(settings.average, self.learning)
        kept = [*self.learning.values(), *self.moments.values(), *self.averaged.tensors.values()]
        with torch.no_grad():  # once for all workers, where they share memory: each updates what it owns
            for tensor, shared in zip(kept, self.group.share(kept), strict=True):
                tensor.set_(shared)
        self.state = State()
        self.curves: dict[str, Curve] = {}
        self.stopping = False

    def run(self) -> State:
        """Train to the end, from the newest sound checkpoint if there is one; leave the best weights in the model.

        Raises SystemExit (143) after a checkpoint when SIGTERM came, InputError when training diverges or a
        checkpoint cannot be written.
        """
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        signal.signal(signal.SIGINT, lambda *_: setattr(self, "stopping", True))
        self._resume()
        self.model.train()
        steps = self.batches.plan.steps
        first = self.group.rank == 0
        bar = progress.bar(
            total=steps, initial=self.state.step, desc="finetune", unit="step", file=sys.stderr,
            disable=None if first else True, mininterval=0.5,
        )  # fmt: skip
        with bar:
            while self.state.step < steps and not self._patience_ended():
                began = time.perf_counter()
                gradient = self._step()
                rate = gradient.tokens / (time.perf_counter() - began)
                bar.set_postfix(loss=f"{gradient.loss:.3f}", lr=f"{self.schedule.rate(self.state.step - 1):.1e}",
                                tok_s=f"{rate:,.0f}", refresh=False)  # fmt: skip
                bar.update()
                improved = self._evaluate() if self._evaluation_due() else False
                if gradient.stop:
                    self._leave()
                if improved or self.state.step % self.settings.checkpoint_every == 0:
                    self._save()
        self._restore_best()
        return self.state

    def summary(self) -> dict[str, Any]:
        """Return what metrics/finetune.json says of the run."""
        state, plan = self.state, self.batches.plan
        return {
            "best_step": state.best_step,
            "best_epoch": round(state.best_step / plan.steps_per_epoch, 4),
            **{f"validation_{name}": value for name, value in state.best.items()},
            "learning_parameters": sum(p.numel() for p in self.learning.values()),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "steps": state.step,
            "stopped_early": state.step < plan.steps,
            "tokens": state.tokens,
        }

    def _step(self) -> Gradient:
        step = self.state.step
        gradient = self.batches.gradient(step, self.stopping)
        rate = self.schedule.rate(step)
        self.state.step += 1
        self.state.tokens += gradient.tokens
        if self.group.rank == 0:
            trace = Trace(self.state.chain)
            self.curves["trace"].append(trace.line(self.state.step, gradient.loss, gradient.norm, gradient.digests))
            self.state.chain = trace.chain
            epoch = self.state.step / self.batches.plan.steps_per_epoch
            self.curves["steps"].append(
                tsv_line((self.state.step, round(epoch, 4), gradient.loss, rate, gradient.norm))
            )
        clip = self.settings.clip_norm
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["pace"]
        with self.batches.assigned(gradient, 1.0 if clip is None else clip / (gradient.norm + 1e-6)):
            self.optimiser.step()
            plan = self.batches.plan
            self.averaged.follow(self.state.step, plan.steps, plan.steps_per_epoch, self.batches.owns)
        return gradient

    def _evaluation_due(self) -> bool:
        return self.state.step % self.settings.evaluate_every == 0 or self.state.step == self.batches.plan.steps

    def _evaluate(self) -> bool:
        """Measure on the validation split; return whether these weights are the best so far."""
        with self.averaged.instated():
            found = dict(self.validate(self.model))
        state, settings = self.state, self.settings
        if self.group.rank == 0:
            epoch = round(state.step / self.batches.plan.steps_per_epoch, 4)
            self.curves["validation"].append(tsv_line((state.step, epoch, *(found[name] for name in settings.scores))))
        value = found[settings.best_metric] * (1 if settings.higher else -1)
        if state.reference is None or value > state.reference + settings.min_delta:
            state.reference, state.waited = value, 0
        else:
            state.waited += 1
        best = state.best.get(settings.best_metric)
        if best is not None and value <= best * (1 if settings.higher else -1):
            return False
        state.best, state.best_step = found, state.step
        if self.group.rank == 0:
            weights = {"weights": self.averaged.weights()}
            checkpoint.save(self.scratch / "best", state.step, weights, {}, kept=BESTS_KEPT)
        return True

    def _patience_ended(self) -> bool:
        return self.settings.patience is not None and self.state.waited >= self.settings.patience

    def _save(self) -> None:
        if self.group.rank != 0:
            return
        marks = {name: curve.mark() for name, curve in self.curves.items()}
        kept = {"loop": vars(self.state), "curves": marks}
        tensors = {"weights": self.learning, "moments": self.moments, "average": self.averaged.tensors}
        checkpoint.save(self.scratch, self.state.step, {stem: of for stem, of in tensors.items() if of}, kept)

    def _leave(self) -> None:
        self._save()
        if self.group.rank == 0:
            print(f"\nfinetune: stopped after step {self.state.step}; the same command goes on from there",
                  file=sys.stderr, flush=True)  # fmt: skip
        self.group.gather(None)  # nobody leaves before the checkpoint stands
        raise SystemExit(128 + signal.SIGTERM)

    def _resume(self) -> None:
        """Take up the newest checkpoint that is whole, with its curves and its best weights, or begin."""
        found, contents = self._sound() if self.group.rank == 0 else (None, {})
        kept = self.group.gather(None if found is None else found.state["loop"])[0]
        if self.group.rank == 0:
            validation = ("step", "epoch", *self.settings.scores)
            for name, columns in (("steps", STEPS), ("validation", validation), ("trace", TRACE)):
                file = f"{name}.tsv"
                self.curves[name] = Curve(self.live / file, self.scratch / file, columns, contents.get(name))
        if kept is None:
            return
        self.state = State(**kept)
        ours = {**self.learning, **self.moments, **self.averaged.tensors}
        theirs = {} if found is None else {name: t for of in found.tensors.values() for name, t in of.items()}
        values = [theirs.get(name, torch.empty(t.shape)) for name, t in ours.items()]
        self.group.broadcast(values)
        with torch.no_grad():
            for tensor, value in zip(ours.values(), values, strict=True):
                tensor.copy_(value)
        optimiser.set_steps(
            self.optimiser, {p: self.batches.taken(n, self.state.step) for n, p in self.learning.items()}
        )
        if self.group.rank == 0:
            print(f"finetune: goes on from step {self.state.step}", file=sys.stderr, flush=True)

    def _sound(self) -> tuple[checkpoint.Checkpoint | None, dict[str, bytes | None]]:
        """Return the newest checkpoint whose curves and best weights are whole too, and what the curves held then."""
        bests: set[int] | None = None
        for found in checkpoint.latest(self.scratch):
            contents = {n: intact(self.scratch / f"{n}.tsv", mark) for n, mark in found.state["curves"].items()}
            torn = [name for name, content in contents.items() if content is None]
            best = found.state["loop"]["best_step"]
            if best and bests is None:
                bests = {kept.step for kept in checkpoint.latest(self.scratch / "best")}
            if torn:
                print(f"finetune: warning: {self.scratch / torn[0]}.tsv: damaged; step {found.step} is not used",
                      file=sys.stderr)  # fmt: skip
            elif best and best not in (bests or set()):
                print(f"finetune: warning: the best weights (step {best}) are damaged; step {found.step} is not used",
                      file=sys.stderr)  # fmt: skip
            else:
                return found, contents
        return None, {}

    def _restore_best(self) -> None:
        """Give every worker the best weights: what follows may compute with them on all."""
        best: dict[str, Any] = {}
        if self.group.rank == 0:
            found = (b for b in checkpoint.latest(self.scratch / "best") if b.step == self.state.best_step)
            best = next((dict(b.tensors["weights"]) for b in found), {})
            if not best:
                raise InputError(
                    f"{self.scratch / 'best'}: the best weights were removed while the stage ran; start it again"
                )
        values = [best.get(name, torch.empty(p.shape)) for name, p in self.learning.items()]
        self.group.broadcast(values)
        with torch.no_grad():
            for parameter, value in zip(self.learning.values(), values, strict=True):
                parameter.copy_(value)
