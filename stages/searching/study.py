"""Which values are tried next, and which trials are not worth their end: Optuna, so that a stop changes nothing.

A trial's place is the number of trials that ended before it. Its values are a function of (seed, place, what ended
before): the sampler, the tree-structured Parzen estimator (Bergstra et al. 2011), is seeded anew for each. A trial that
was interrupted counts for nothing and is tried again with its values. A trial is pruned when its best score so far is
worse than the median of the earlier trials at the same epoch (Golovin et al. 2017, 3.2.2), never at the last epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from stages.core.errors import InputError
from stages.repro.streams import Streams
from stages.searching.space import Choice, Range, Space
from stages.searching.trial import Outcome, Point

RANDOM = 5  # trials before the sampler learns from them
UNPRUNED = 4  # trials that must have come to their end before one is pruned
EPOCH = 10_000  # steps Optuna counts in an epoch: it wants whole numbers
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Tried:
    """A trial that has ended."""

    name: str  # of its experiment
    values: dict[str, Any]
    state: State
    score: float | None  # of a pruned trial the one at which it was stopped
    epochs: float
    failure: str


class Study:
    """The trials of one search, kept in an SQLite file which Optuna's own tools read."""

    def __init__(
        self, folder: Path, name: str, space: Space, metric: str, better: Literal["higher", "lower"], seed: int,
        base: str,
    ) -> None:  # fmt: skip
        """Open or begin the study; `base` is the digest of all that trials share.

        Raises InputError when the study of this name was begun with something else.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self.space, self.metric, self.better, self.seed = name, space, metric, better, seed
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder.resolve() / 'study.db'}",
            study_name=name,
            direction="maximize" if better == "higher" else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
            load_if_exists=True,
        )
        self._agree(
            {"space": {k: str(d) for k, d in sorted(space.items())}, "metric": metric, "seed": seed, "base": base}
        )
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)  # without a place: it was interrupted
            self._retry(trial)

    def _agree(self, asked: Mapping[str, Any]) -> None:
        begun = self._study.user_attrs
        for key, value in asked.items():
            if begun.setdefault(key, value) != value:
                what = "other params, code or packages" if key == "base" else f"{key} {json.dumps(begun[key])}"
                raise InputError(
                    f"--name: the search {self.name!r} was begun with {what}; take another name, or remove its folder"
                )
            if key not in self._study.user_attrs:
                self._study.set_user_attr(key, value)

    def _retry(self, trial: FrozenTrial) -> None:
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if trial.params.keys() == self.space.keys() and not waiting:
            self._study.enqueue_trial(trial.params)

    def tried(self) -> list[Tried]:
        """Return the trials that have ended, by their places."""
        ended = self._study.get_trials(deepcopy=False, states=_ENDED)
        placed = [trial for trial in ended if "place" in trial.user_attrs]
        return [self._tried(trial) for trial in sorted(placed, key=lambda trial: int(trial.user_attrs["place"]))]

    def _tried(self, trial: FrozenTrial) -> Tried:
        states: dict[TrialState, State] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
        last = max(trial.intermediate_values, default=0)
        return Tried(
            name=self.experiment(int(trial.user_attrs["place"])),
            values=self.values(trial.params),
            state=states.get(trial.state, "failed"),
            score=trial.value if trial.state == TrialState.COMPLETE else trial.intermediate_values.get(last),
            epochs=last / EPOCH,
            failure=str(trial.user_attrs.get("failure", "")),
        )

    def experiment(self, place: int) -> str:
        """Return the name of the experiment at a place."""
        return f"{self.name}-{place:03d}"

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values a trial runs with, by the keys of the space, for what Optuna suggested."""
        return {k: d.rounded(params[k]) if isinstance(d, Range) else params[k] for k, d in self.space.items()}

    def ask(self, place: int) -> Trial:
        """Return a new trial for a place: the interrupted one's values again, or new ones."""
        seed = Streams(self.seed, {}).key("search", place) % 2**32
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM)
        return self._study.ask({key: _distribution(dimension) for key, dimension in self.space.items()})

    def hopeless(self, trial: Trial, point: Point, epochs: float) -> bool:
        """Note a point of the trial's validation curve; return whether it is to be pruned. It has `epochs` in all."""
        trial.report(point.scores[self.metric], round(point.epoch * EPOCH))
        return point.epoch < epochs and trial.should_prune()

    def tell(self, trial: Trial, place: int, outcome: Outcome) -> Tried:
        """Note how the trial at a place ended."""
        trial.set_user_attr("place", place)
        if outcome.failure:
            trial.set_user_attr("failure", outcome.failure)
            ended = self._study.tell(trial, state=TrialState.FAIL)
        elif outcome.stopped:
            ended = self._study.tell(trial, state=TrialState.PRUNED)
        else:
            ended = self._study.tell(trial, outcome.scores[self.metric])
        return self._tried(ended)

    def best(self) -> Tried | None:
        """Return the trial with the best score among those that came to their end, of equals the first."""
        complete = [
            (trial.score, trial) for trial in self.tried() if trial.state == "complete" and trial.score is not None
        ]
        if not complete:
            return None
        pick = max if self._study.direction == optuna.study.StudyDirection.MAXIMIZE else min
        return pick(complete, key=lambda pair: pair[0])[1]


def _distribution(dimension: Range | Choice) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if dimension.kind == "int":
        return IntDistribution(int(dimension.low), int(dimension.high))
    return FloatDistribution(dimension.low, dimension.high, log=dimension.kind == "log")
