"""Search over params within a budget of trials; each trial is a DVC experiment that stops before the test rows.

    python -m stages.search -S 'train.lr=log(1e-5, 1e-3)' -S train.batch_size=8,16,32 --trials 20
    python -m stages.search SPACE.yaml --metric macro_f1 --name lr

Reads params.yaml and dvc.yaml; writes experiments NAME-000, NAME-001 … and .reprise/search/NAME/: study.db (Optuna's),
a log a trial, and scratch. Trials are compared by a score of the validation rows. `dvc exp run` is told to go as far
as finetune, so `evaluate` never runs and the test rows take no part; what metrics/evaluate.json of such an experiment
holds is still that of the commit it began from. Stopped or killed, the same command goes on, with more --trials too,
and tries what one search without a stop would have tried.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.search", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("search")  # the imports below take their time

import argparse
import json
import re
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import params
from stages.core import yaml12
from stages.core.errors import InputError, nearest
from stages.core.files import SCRATCH, canonical_json
from stages.core.params import PARAMS, dvc_keys, imported, part_of
from stages.core.shown import plain
from stages.ledger.rendering import aligned
from stages.project import git, graph
from stages.repro import digests
from stages.scoring.metric import Metric
from stages.searching import space as spaces
from stages.searching.space import Space
from stages.searching.trial import Point, Runner
from stages.targets import TARGETS

if TYPE_CHECKING:
    from optuna.trial import Trial

    from stages.searching.study import Study, Tried

LEARNING = ("tokenize", "finetune")  # the stages whose params can be searched
_CODE = ("stages/", "requirements.lock")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*")


def space(asked: Sequence[str], file: Path | None, tree: Any) -> Space:
    """Return the space that options and a file ask for, checked against the params `tree`. Raises InputError."""
    found = spaces.of_file(yaml12.read(file)[0], str(file)) if file is not None else {}
    for key, dimension in spaces.of_options(asked).items():
        found[key] = dimension
    if not found:
        raise InputError("nothing to search: give a file, or -S 'train.lr=log(1e-5, 1e-3)'")
    learning = {key for stage in LEARNING for key in dvc_keys(params.STAGES[stage])}
    fixed = {key for stage, model in params.STAGES.items() if stage not in LEARNING for key in dvc_keys(model)}
    spaces.check(found, tree, sorted(learning - fixed), sorted(fixed), valid)
    return found


def valid(tree: Any, name: str) -> None:
    """Check params as a whole. Raises InputError with all that is wrong."""
    params.check(tree, {}, name)


def metrics(tree: Any) -> dict[str, Metric]:
    """Return the scores of the validation rows that the target of the params `tree` has; the main one is the last."""
    found: dict[str, Metric] = part_of(imported(TARGETS[tree["target"]["name"]]), "metrics").METRICS
    return found


def metric(asked: str | None, known: Mapping[str, Metric]) -> str:
    """Return the name of one of the scores `known`; the last where none is asked for. Raises InputError for others."""
    if asked is None:
        return list(known)[-1]
    name = asked.removeprefix("finetune.").removeprefix("validation_")
    if asked.startswith("evaluate.") or name.startswith("test"):
        raise InputError(
            f"--metric: {asked!r} is a score of the test rows, which take no part in a search; "
            f"wanted one of the validation rows: {', '.join(sorted(known))}"
        )
    if name not in known:
        raise InputError(f"--metric: {asked!r} is no score of the validation rows{nearest(name, known)}")
    return name


def base(tree: Any, found: Space) -> str:
    """Return the digest of what all trials share: params that are not searched, code, packages."""
    rest = spaces.placed(tree, dict.fromkeys(found))
    deps = {dep for stage in graph.stages(Path()) if stage.name != "evaluate" for dep in stage.deps}
    code = {dep: _digest(Path(dep)) for dep in sorted(deps) if dep.startswith(_CODE)}
    return digests.of_value([{key: value for key, value in rest.items() if key != "evaluate"}, code])


def _digest(path: Path) -> Any:
    if not path.is_dir():
        return digests.of_file(path)
    return {file.relative_to(path).as_posix(): digests.of_file(file) for file in sorted(path.rglob("*.py"))}


def search(study: Study, runner: Runner, tree: Any, trials: int) -> None:
    """Try until `trials` have ended. Raises InputError when DVC cannot run them."""
    while (place := len(study.tried())) < trials:
        trial = study.ask(place)
        values = study.values(trial.params)
        name = study.experiment(place)
        say(f"{name} ({place + 1} of {trials}): {_settings(values)}")
        ended = _try(study, trial, place, runner, tree)
        best = study.best()
        if ended.state == "failed":
            say(f"  failed: {ended.failure}")
        elif ended.state == "pruned":
            say(f"  pruned after epoch {ended.epochs:g}: worse than half of the trials before it")
        elif best is not None:
            say(f"  {study.metric} {ended.score:.4f}, best so far {best.score:.4f} ({best.name})")


def _try(study: Study, trial: Trial, place: int, runner: Runner, tree: Any) -> Tried:
    from stages.searching.trial import Outcome

    values, name = study.values(trial.params), study.experiment(place)
    wanted = spaces.placed(tree, values)
    try:
        valid(wanted, "together")
    except InputError as error:
        return study.tell(trial, place, Outcome(failure=str(error)))

    def watch(point: Point) -> bool:
        say(f"  epoch {point.epoch:g}: validation {study.metric} {point.scores[study.metric]:.4f}")
        return study.hopeless(trial, point, wanted["train"]["epochs"])

    return study.tell(trial, place, runner.run(name, spaces.options(tree, values), watch))


def say(text: str) -> None:
    """Tell of the progress, beside the report."""
    cli.say(text)


def report(study: Study, tree: Any) -> str:
    """Return the trials, the best first, by what they were chosen, and how to take up the best."""
    tried = study.tried()
    counts = [f"{sum(t.state == state for t in tried)} {state}" for state in ("complete", "pruned", "failed")]
    text = f"{len(tried)} trials: {', '.join(counts)}\n"
    way = "more" if study.better == "higher" else "less"
    text += f"chosen by {study.metric} of the validation rows ({way} is better); "
    text += "no trial ran evaluate, so the test rows took no part\n\n"
    text += aligned(["trial", study.metric, "epochs", "state", *study.space], *_cells(study, tried))
    best = study.best()
    if best is None:
        return text + "\nno trial came to its end\n"
    run = ["dvc", "exp", "run", *spaces.options(tree, best.values)]
    text += f"\nbest: {best.name}, {study.metric} {best.score:.4f}. To take it up and score it on the test rows:\n\n"
    return text + f"    {shlex.join(run)}\n"


def _cells(study: Study, tried: Sequence[Tried]) -> tuple[list[list[str]], list[bool]]:
    sign = -1 if study.better == "higher" else 1
    order = {"complete": 0, "pruned": 1, "failed": 2}
    lines = [
        [t.name, "" if t.score is None else f"{t.score:.4f}", f"{t.epochs:g}" if t.epochs else "", t.state,
         *map(plain, t.values.values())]
        for t in sorted(tried, key=lambda t: (order[t.state], sign * (t.score or 0)))
    ]  # fmt: skip
    return lines, [False, True, True, False] + [True] * len(study.space)


def as_json(study: Study) -> str:
    """Return the search as canonical JSON."""
    best = study.best()
    return canonical_json(
        {
            "metric": study.metric,
            "split": "validation",
            "better": study.better,
            "seed": study.seed,
            "space": {key: str(dimension) for key, dimension in study.space.items()},
            "best": None if best is None else best.name,
            "trials": [asdict(one) for one in study.tried()],
        }
    )


def _settings(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={json.dumps(value)}" for key, value in values.items())


def committed() -> None:
    """Refuse a project whose copies would lack a file: experiments hold what Git or DVC tracks."""
    git.commit(Path(), "HEAD", "dvc exp run")
    lacking = git.untracked(Path(), "files", "stages", "requirements.lock")
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise InputError(f"{lacking[0]}{more}: not tracked by Git, so an experiment's copy would lack it: git add it")


def count(text: str) -> int:
    """Return a whole number >= 1. Raises ValueError otherwise."""
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    said = cli.parser("search", __doc__)
    said.add_argument("file", nargs="?", type=Path, metavar="SPACE.yaml", help="lines `KEY: log(LOW, HIGH)`")
    said.add_argument(
        "-S", "--set", action="append", default=[], metavar="KEY=VALUES",
        help="log(LOW, HIGH), uniform(LOW, HIGH), int(LOW, HIGH) or A,B,C; repeatable",
    )  # fmt: skip
    said.add_argument("--trials", type=count, default=20, metavar="N", help="how many end (default %(default)s)")
    said.add_argument(
        "--metric", metavar="NAME",
        help="of the validation rows, at the weights that train.best_metric keeps (default: the target's main one)",
    )  # fmt: skip
    said.add_argument("--name", default="search", help="of the search and its experiments (default %(default)s)")
    said.add_argument("--seed", type=int, default=0, metavar="N", help="of the choice of values (default %(default)s)")
    said.add_argument("--json", action="store_true", help="the report as JSON")
    return said


def main() -> None:
    """Search in the repository of the working folder."""
    asked = parser().parse_args()
    with cli.errors_told("search"):
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        if not _NAME.fullmatch(asked.name):
            raise InputError(f"--name: found {asked.name!r}, wanted letters, digits and single hyphens")
        tree, lines = yaml12.read(PARAMS)
        params.check(tree, lines, str(PARAMS))
        known = metrics(tree)
        name = metric(asked.metric, known)
        found = space(asked.set, asked.file, tree)
        committed()
        try:
            from stages.searching.study import Study
        except ModuleNotFoundError as error:
            raise InputError(
                f"{error.name} is not installed: pip install --constraint requirements-dev.lock '.[search]'"
            ) from None
        folder = SCRATCH / "search" / asked.name
        runner = Runner(folder)
        study = Study(folder, asked.name, found, name, known[name].better, asked.seed, base(tree, found))
        search(study, runner, tree, asked.trials)
        print(as_json(study) if asked.json else report(study, tree), end="", flush=True)
        if study.best() is None:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
