"""Several runs as one model: their predictions averaged, and their weights.

    python -m stages.ensemble HEAD exp-a exp-b exp-c

Takes models/finetuned of each commit or experiment from DVC's cache or a remote. All must have learnt from the
data/tokens that lie in the working folder. Writes metrics/ensemble.json and prints a table: each member, the mean of
the members' predictions, the mean of their weights (uniform soup), and the mean of those weights that help on the
validation rows, taken in the order of their scores there (greedy soup; both Wortsman et al. 2022, arXiv:2203.05482).
The gain is that over the members' mean score, on the same resamples of the test rows. Members that are adapters have no
soup.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.ensemble", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("ensemble")  # the imports below take their time

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import InputError, nearest
from stages.core.files import SCRATCH, outputs, read_json, read_object, write_json
from stages.core.params import load, part_of
from stages.evaluate import MOST_WORKERS, Params
from stages.project import git, lock
from stages.repro import workers
from stages.scoring.bootstrap import ends, resampled
from stages.scoring.metric import Metric
from stages.sources.run import Run

TOKENS, MODEL, BASE = "data/tokens", "models/finetuned", "models/base"
WRITTEN = Path("metrics/ensemble.json")
FOLDER = SCRATCH / "ensemble"
SPLITS = ("validation", "test")

Outputs = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What a model says of both splits."""

    validation: Outputs
    test: Outputs


def commits(names: Sequence[str], folder: Path = Path()) -> dict[str, str]:
    """Return {name: commit} of commits and experiments. Raises InputError for a name of neither, or of one twice."""
    experiments = git.experiments(folder)
    found: dict[str, str] = {}
    for name in names:
        sha = git.resolved(folder, name) or experiments.get(name)
        if sha is None:
            raise InputError(f"{name!r} names no commit and no experiment{nearest(name, experiments)}")
        if sha in found.values():
            raise InputError(f"{name!r} is a member already: wanted other runs")
        found[name] = sha
    if len(found) < 2:
        raise InputError("wanted two runs at least")
    return found


def fetch(members: Mapping[str, str], folder: Path = Path()) -> None:
    """Put models/finetuned of every member below FOLDER, its base beside it. Raises InputError for other data."""
    text = (folder / lock.LOCK).read_text(encoding="utf-8") if (folder / lock.LOCK).is_file() else ""
    here = lock.outputs(lock.parse(text, lock.LOCK, wanted=())).get(TOKENS)
    if here is None or not (folder / TOKENS / "test.arrow").is_file():
        raise InputError(f"{TOKENS}: wanted the rows that the members learnt from: run `dvc checkout` or `make repro`")
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    for name, sha in members.items():
        stated = lock.outputs(lock.parse(git.ask(folder, "show", f"{sha}:{lock.LOCK}"), f"{name}: {lock.LOCK}", ()))
        if stated.get(TOKENS) != here:
            raise InputError(f"{name}: learnt from another {TOKENS} than that of the working folder")
        place = folder / FOLDER / sha
        (place / "finetuned").mkdir(parents=True)
        Run(commit=sha, path=MODEL).fetch(place / "finetuned")
        (place / "base").symlink_to((folder / BASE).resolve())


def soup(models: Sequence[Any]) -> Any:
    """Return the first of `models` with the mean of all their weights, which are summed in float64."""
    import torch

    with torch.no_grad():
        for parts in zip(*(model.parameters() for model in models), strict=True):
            parts[0].copy_(torch.stack([part.detach().double() for part in parts]).mean(dim=0))
    return models[0]


def greedy(order: Sequence[str], score: Callable[[list[str]], float], higher: bool) -> list[str]:
    """Return the members of the greedy soup: each of `order`, the best first, stays if the soup's score does not fall.

    `score` is that of the soup of some members.
    """
    kept = [order[0]]
    best = score(kept)
    for name in order[1:]:
        found = score([*kept, name])
        if found >= best if higher else found <= best:
            kept, best = [*kept, name], found
    return kept


class Evaluation:
    """Computes members, and what is made of them, for the params of the working folder."""

    def __init__(self, params: Params, group: workers.Group, members: Mapping[str, str]) -> None:
        from stages.inference import token_rows, whole

        self.params, self.group, self.members = params, group, members
        self.schema = read_json(Path(TOKENS) / "schema.json")
        self.head = part_of(params.target, "head").Head(self.schema["space"])
        self.report, self.metrics = (part_of(params.target, part) for part in ("report", "metrics"))
        if not hasattr(self.report, "mixed"):
            raise InputError("target.name: this target's predictions cannot be averaged")
        rows = {split: token_rows(Path(TOKENS) / f"{split}.arrow", self.schema["pad_token_id"]) for split in SPLITS}
        self.rows = {split: self.head.scored(of) for split, of in rows.items()}
        self.parts = {split: whole(of) for split, of in self.rows.items()}
        self.main = next(iter(self.report.METRICS))

    def model(self, name: str) -> Any:
        """Return the model of a member."""
        from stages.models import load as read

        return read(FOLDER / self.members[name] / "finetuned", self.head).to(self.group.device)

    def said(self, model: Any) -> Said:
        """Return what `model` says of both splits."""
        from stages.inference import outputs as computed

        return Said(*(computed(model, self.rows[split], self.head, self.group, split) for split in SPLITS))

    def judged(self, outputs: Outputs, split: str, space: Mapping[str, Any]) -> Any:
        """Return the examples of a split with what `outputs` say of them."""
        return self.metrics.Judged.of(outputs, self.parts[split], space)

    def space(self, found: Said, name: str | None = None) -> dict[str, Any]:
        """Return the space: a member's own, or with what is chosen on the validation rows for what is made of them."""
        if name is not None:
            return dict(read_object(FOLDER / self.members[name] / "finetuned/task.json")["space"])
        space = dict(self.schema["space"])
        if self.metrics.Judged.settles(space):
            space |= self.judged(found.validation, "validation", space).settled()
        return space

    def validation(self, found: Said, space: Mapping[str, Any]) -> float:
        """Return the main score on the validation rows."""
        metric: Metric = self.report.METRICS[self.main]
        return metric.compute(self.judged(found.validation, "validation", space))

    def values(self, found: Said, space: Mapping[str, Any]) -> tuple[float, NDArray[Any]]:
        """Return the main score on the test rows, and in every resample of them, (R,)."""
        metric: Metric = self.report.METRICS[self.main]
        judged, options = self.judged(found.test, "test", space), self.params.evaluate
        drawn = resampled(judged, {self.main: metric}, options.bootstrap, options.bootstrap_seed)
        return metric.compute(judged), drawn[self.main]


def ensemble(params: Params, group: workers.Group, members: Mapping[str, str]) -> dict[str, Any]:
    """Return what metrics/ensemble.json says. Raises InputError for members that do not fit together."""
    evaluation = Evaluation(params, group, members)
    higher = evaluation.report.METRICS[evaluation.main].better == "higher"
    said = {name: evaluation.said(evaluation.model(name)) for name in members}
    spaces = {name: evaluation.space(said[name], name) for name in members}
    own = {name: evaluation.values(said[name], spaces[name]) for name in members}
    valid = {name: evaluation.validation(said[name], spaces[name]) for name in members}
    mean, drawn = float(np.mean([one for one, _ in own.values()])), np.mean([many for _, many in own.values()], axis=0)

    def told(found: Said, names: Sequence[str]) -> dict[str, Any]:
        value, many = evaluation.values(found, evaluation.space(found))
        return {
            "members": list(names), "score": value, "interval": ends(many),
            "gain": value - mean, "gain_interval": ends(many - drawn),
        }  # fmt: skip

    mixed = Said(*(evaluation.report.mixed([getattr(said[name], split) for name in members]) for split in SPLITS))
    made = {"predictions": told(mixed, list(members))}
    if all((FOLDER / sha / "finetuned/model.safetensors").is_file() for sha in members.values()):

        def averaged(names: Sequence[str]) -> Said:
            return evaluation.said(soup([evaluation.model(name) for name in names]))

        def score(names: list[str]) -> float:
            found = averaged(names)
            return evaluation.validation(found, evaluation.space(found))

        made["uniform soup"] = told(averaged(list(members)), list(members))
        chosen = greedy(sorted(members, key=lambda name: valid[name] * (-1 if higher else 1)), score, higher)
        made["greedy soup"] = told(averaged(chosen), chosen)
    return {
        "metric": evaluation.main, "better": "higher" if higher else "lower", "mean": mean, "made": made,
        "members": {
            name: {"commit": members[name], "score": own[name][0], "validation": valid[name]} for name in members
        },
    }  # fmt: skip


def table(found: Mapping[str, Any]) -> str:
    """Return the table that is printed, in Markdown."""
    lines = [f"| model | {found['metric']} | 95 % | gain over the mean | 95 % |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {one['score']:.4f} | | | |" for name, one in found["members"].items()]
    lines += [f"| mean of the members | {found['mean']:.4f} | | | |"]
    for name, one in found["made"].items():
        of = f"{name} of {len(one['members'])} | {one['score']:.4f}"
        (low, high), (least, most) = one["interval"], one["gain_interval"]
        lines += [f"| {of} | {low:.4f} – {high:.4f} | {one['gain']:+.4f} | {least:+.4f} – {most:+.4f} |"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the ensemble of the runs that are named."""
    parser = cli.parser("ensemble", __doc__)
    parser.add_argument("run", nargs="+", metavar="RUN", help="a commit or an experiment")
    names = parser.parse_args().run
    with cli.errors_told("ensemble"):
        members = commits(names)
        params = load(Params)

        def work(group: workers.Group) -> None:
            if group.rank == 0:
                fetch(members)
            group.barrier()
            found = ensemble(params, group, members)
            if group.rank == 0:
                with outputs(WRITTEN) as (staged,):
                    write_json(staged, found)
                print(table(found), end="")
                shutil.rmtree(FOLDER)

        workers.run("stages.ensemble", work, MOST_WORKERS)


if __name__ == "__main__":
    main()
