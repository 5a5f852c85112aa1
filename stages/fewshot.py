"""A learning curve: what a method reaches with few training rows a class, over several seeds.

    python -m stages.fewshot --per-class 1,4,16,64 --seeds 5
    python -m stages.fewshot --per-class 4,16 --method full --method lora:train.tuning.name=lora,train.lr=1e-3

Each point is a DVC experiment on HEAD, in a copy of the project: params.yaml with `data.per_class`, a seed of its own,
which draws other rows too, and what the method sets. So that few rows are seen as often as many, a run has about
--steps optimiser steps. An experiment that DVC has is not run again: stopped, the same command goes on where it was.
Writes metrics/fewshot.json, metrics/fewshot.md (a table, which is printed too) and metrics/fewshot.svg (the curve).
The weights that are kept are chosen on the validation rows, of which there are as many as ever.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.fewshot", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("fewshot")  # the imports below take their time

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from stages.core.errors import InputError
from stages.core.files import outputs, read_object, write_json
from stages.core.shown import markdown_table
from stages.project import git, objects
from stages.repro import digests, workers

WRITTEN = tuple(Path(f"metrics/fewshot.{form}") for form in ("json", "md", "svg"))
SCORES, DATA, FIRST = "metrics/evaluate.json", Path("metrics/data.json"), 1  # FIRST: the first seed
Run = Callable[[str, Sequence[str]], None]


@dataclass(frozen=True)
class Method:
    """A line of the curve: its name, and what it sets of params.yaml."""

    name: str
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Method:
        """Return NAME or NAME:KEY=VALUE,… as a method. Raises ArgumentTypeError."""
        name, _, rest = text.partition(":")
        changes = tuple(part.strip() for part in rest.split(",") if part.strip())
        if not name or any("=" not in change for change in changes):
            raise argparse.ArgumentTypeError(f"found {text!r}, wanted NAME or NAME:KEY=VALUE,…")
        return cls(name, changes)


@dataclass(frozen=True)
class Point:
    """The scores of one method with one number of rows a class, a seed each."""

    method: str
    rows: int  # a class
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Return the mean score."""
        return statistics.fmean(self.scores)

    @property
    def half(self) -> float | None:
        """Return half the width of the mean's 95 % interval by Student's t, None for a single score."""
        count = len(self.scores)
        if count < 2:
            return None
        return float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(self.scores) / math.sqrt(count)


def epochs(steps: int, rows: int, batch: int) -> int:
    """Return how many epochs over `rows` training rows make about `steps` steps of `batch` rows, one at least."""
    return max(1, round(steps / -(-rows // batch)))


def options(method: Method, rows: int, seed: int, steps: int, classes: int, batch: int) -> list[str]:
    """Return the changes of params.yaml that make a point's run."""
    given = [f"data.per_class={rows}", f"seed={seed}", f"train.epochs={epochs(steps, rows * classes, batch)}"]
    return [*given, *method.changes]


def name_of(commit: str, changes: Sequence[str]) -> str:
    """Return the name of the experiment with these changes on a commit."""
    return f"fewshot-{digests.of_value([commit, *changes])[:12]}"


def made(name: str, changes: Sequence[str], run: Run) -> dict[str, Any]:
    """Return metrics/evaluate.json of an experiment, which is run where DVC has none of this name."""
    if name not in git.experiments(Path()):
        run(name, changes)
    commit = git.experiments(Path()).get(name)
    content = None if commit is None else objects.file(Path(), commit, SCORES)
    if content is None:
        raise InputError(f"dvc exp run made no experiment {name} with {SCORES}")
    found: dict[str, Any] = json.loads(content)
    return found


def experiment(name: str, changes: Sequence[str]) -> None:
    """Run an experiment by DVC in a copy of the project. Raises InputError with what DVC said when it fails."""
    sets = [part for change in changes for part in ("-S", change)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    ended = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *sets],
        env={**git.environment(), "PATH": path}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        said = [line for line in (ended.stdout + ended.stderr).splitlines() if "error" in line.lower()]
        raise InputError(f"{name} ({', '.join(changes)}): {'; '.join(said[-2:]) or 'dvc exp run failed'}")


def curve(
    methods: Sequence[Method], counts: Sequence[int], seeds: int, steps: int, metric: str | None, run: Run = experiment
) -> tuple[str, list[Point]]:
    """Return the score's name and the points, method by method; `metric` is the run's main score unless it is named.

    Raises InputError for a target without classes, and for a score that a run has not.
    """
    classes = read_object(DATA).get("classes") if DATA.is_file() else None
    if not isinstance(classes, int):
        raise InputError(f"{DATA}: names no classes: wanted a target with classes, and `make repro` done")
    batch, commit = _batch(), git.commit(Path(), "HEAD")
    if edits := git.edited(Path()):
        raise InputError(f"{', '.join(edits[:3])}: not as HEAD has it: commit first, for experiments stand on a commit")
    points = []
    for method in methods:
        for rows in counts:
            scores = []
            for seed in range(FIRST, FIRST + seeds):
                changes = options(method, rows, seed, steps, classes, batch)
                found = made(name_of(commit, changes), changes, run)
                metric = metric or found["metrics"][0][0]
                if not isinstance(found.get(metric), float):
                    raise InputError(f"--metric: {metric!r} is no score of {SCORES}")
                scores.append(found[metric])
                cli.say(f"fewshot: {method.name}, {rows} a class, seed {seed}: {metric} {found[metric]:.4f}")
            points.append(Point(method.name, rows, tuple(scores)))
    assert metric is not None
    return metric, points


def _batch() -> int:
    from stages.core import yaml12
    from stages.core.params import PARAMS

    tree, _ = yaml12.read(PARAMS)
    return int(tree["train"]["batch_size"])


def table(metric: str, points: Sequence[Point]) -> str:
    """Return the table in Markdown: a line for each number of rows, a column for each method."""
    methods = list(dict.fromkeys(point.method for point in points))
    cells = {(point.rows, point.method): _cell(point) for point in points}
    rows = [[str(count), *(cells[count, name] for name in methods)] for count in dict.fromkeys(p.rows for p in points)]
    said = f"{metric}, mean over {len(points[0].scores)} seeds with its 95 % interval (Student's t)"
    return f"{said}\n\n{markdown_table(['rows a class', *methods], rows)}"


def _cell(point: Point) -> str:
    return f"{point.mean:.4f}" + ("" if point.half is None else f" ± {point.half:.4f}")


def draw(metric: str, points: Sequence[Point], path: Path) -> None:
    """Write the curve as SVG: a line for each method, over the rows a class."""
    from stages.reporting.charts import blank
    from stages.reporting.images import PAPER, image, settings

    with settings():
        figure, axes = blank(PAPER, "training rows a class", metric, (6.4, 4.0))
        for number, method in enumerate(dict.fromkeys(point.method for point in points)):
            own = [point for point in points if point.method == method]
            axes.errorbar(
                [point.rows for point in own], [point.mean for point in own], [point.half or 0.0 for point in own],
                color=PAPER.series[number % 2], linestyle=("-", "--", ":", "-.")[number // 2 % 4], marker="o",
                markersize=4, capsize=3, label=method,
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks := sorted({point.rows for point in points}), [str(tick) for tick in ticks])
        axes.legend(frameon=False, fontsize=9, labelcolor=PAPER.ink)
        image(figure, path, "svg")


def write(metric: str, points: Sequence[Point]) -> str:
    """Write the three files, and return the table."""
    text = table(metric, points)
    told: Mapping[str, Any] = {
        "metric": metric,
        "points": [{"method": p.method, "per_class": p.rows, "scores": list(p.scores), "mean": p.mean} for p in points],
    }
    with outputs(*WRITTEN) as (data, page, picture):
        write_json(data, told)
        page.write_text(f"# Few rows\n\n{text}\n![The curve](fewshot.svg)\n", encoding="utf-8", newline="\n")
        draw(metric, points, picture)
    return text


def _counts(text: str) -> list[int]:
    found = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(found) or len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted whole numbers of at least 1, each once: 1,4,16")
    return found


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a number of at least 1")
    return int(text)


def main() -> None:
    """Make the curve of the project in the working folder."""
    parser = cli.parser("fewshot", __doc__)
    parser.add_argument("--per-class", type=_counts, default=[1, 4, 16, 64], metavar="N,…", help="1,4,16,64")
    parser.add_argument("--seeds", type=_positive, default=5, metavar="N", help="runs a point (%(default)s)")
    parser.add_argument("--steps", type=_positive, default=200, metavar="N", help="of a run, about (%(default)s)")
    parser.add_argument("--method", type=Method.of, action="append", metavar="NAME:KEY=VALUE,…", help="a line each")
    parser.add_argument("--metric", metavar="KEY", help="of metrics/evaluate.json (its main score)")
    asked = parser.parse_args()
    methods = asked.method or [Method("params.yaml")]
    with cli.errors_told("fewshot"), workers.lock("fewshot"):
        if len({method.name for method in methods}) < len(methods):
            raise InputError("--method: two have one name, wanted a name each")
        print(write(*curve(methods, asked.per_class, asked.seeds, asked.steps, asked.metric)), end="")


if __name__ == "__main__":
    main()
