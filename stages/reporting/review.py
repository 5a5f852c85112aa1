"""The run of the working tree against another revision, for a pull request: Markdown, with images beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from stages.core.errors import InputError
from stages.core.shown import markdown as shown
from stages.core.shown import markdown_table, plain
from stages.project import git
from stages.reporting import charts
from stages.reporting.images import PAPER, png, settings
from stages.reporting.tables import VALIDATION, Table, headed, of_form, stem

Plots = Mapping[str, Table]
FOLDER = "report"  # of the images, beside report.md


def difference(root: Path, what: str, base: str) -> str:
    """Return `dvc WHAT diff BASE` of the repository `root` as a Markdown table, "" without a difference.

    Raises InputError with the last line that DVC says when it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", what, "diff", "--json", base],
        cwd=root, env=git.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise InputError(f"dvc {what} diff {base}: {said[-1] if said else f'ended with code {done.returncode}'}")
    sides = ("old", "new", "diff")[: 3 if what == "metrics" else 2]
    rows = [
        (path, key, *(_value(change.get(side)) for side in sides))
        for path, changes in sorted(json.loads(done.stdout).items())
        for key, change in sorted(changes.items())  # DVC's own order is another each time
    ]
    head = ("Path", what.removesuffix("s").capitalize(), base, "workspace", "Change")
    return markdown_table(head[: 2 + len(sides)], rows, wide=True).strip() if rows else ""


def _value(value: Any) -> str:
    """Return a cell: numbers with five digits, as DVC shows them, and `–` for what is not there."""
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else plain(value)


def images(own: Plots, base: Plots | None, name: str, folder: Path) -> list[tuple[str, str]]:
    """Draw both runs into `folder`; return (file, caption) in order. Without `base` the own run is drawn alone.

    A plot that the base has not, or of other classes, is drawn of the own run alone.
    """
    runs = {"": own} if base is None else {name: base, "here": own}
    made: list[tuple[str, str, Figure]] = []
    with settings():
        made.append(("loss.png", "Loss", charts.loss(runs, PAPER)))
        alike = base is None or list(base[VALIDATION]) == list(own[VALIDATION])
        made.append(
            ("validation.png", "Scores of the validation rows", charts.validation(runs if alike else {"": own}, PAPER))
        )
        for kind, draw in (("lines", charts.lines), ("bars", charts.bars)):
            for path in of_form(own, kind):
                both = runs if base is None or path in base else {"": own}
                made.append((f"{stem(path)}.png", headed(path), draw(both, path, PAPER)))
        for path in of_form(own, "matrix"):
            made.append((f"{stem(path)}.png", *_matrix(own[path], (base or {}).get(path), name, headed(path))))
        for file, _, figure in made:
            png(figure, folder / file)
    return [(file, caption) for file, caption, _ in made]


def _matrix(own: Table, base: Table | None, name: str, headed: str) -> tuple[str, Figure]:
    some = f", the largest {charts.LARGEST}" if len(charts.classes(own, None)) > charts.LARGEST else ""
    if base is not None and _sizes(base) == _sizes(own):
        changed = f"{headed}{some}: examples more or fewer than in {name}; orange is for the worse"
        return changed, charts.matrix_change(own, base, PAPER)
    return f"{headed}{some}", charts.matrix(own, PAPER)


def _sizes(table: Table) -> dict[str, float]:
    """Return how many examples each class has: two matrices compare when these agree."""
    sizes = dict.fromkeys(table["actual"], 0.0)
    for name, examples in zip(table["actual"], table["examples"], strict=True):
        sizes[name] += examples
    return sizes


def markdown(
    name: str, commit: str, metrics: str, params: str, pictures: Sequence[tuple[str, str]], notices: Sequence[str]
) -> str:
    """Return the report against the revision `name`, which is `commit`; tables as `difference` returns them."""
    parts = [f"# This run against {shown(name)} ({commit[:10]})"]
    parts += [f"> {shown(notice)}" for notice in notices]
    parts += ["## Metrics", metrics or "No metric differs."]
    parts += ["## Params", params or "No param differs."]
    parts += [
        "## Plots",
        *(f"{shown(caption)}:\n\n![{shown(caption)}]({FOLDER}/{file})" for file, caption in pictures),
    ]
    return "\n\n".join(parts) + "\n"
