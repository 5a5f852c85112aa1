"""The ledger of triples: every run that Git and DVC know as (generator, parameters, data) -> metrics.

    python -m stages.results
    python -m stages.results --where train.lr=3e-5 --where 'evaluate.accuracy>=0.97' --sort -evaluate.macro_f1
    python -m stages.results --columns name,seed,evaluate.accuracy --csv
    python -m stages.results groups --metric macro_f1
    python -m stages.results groups --by train.lr,train.epochs --plot groups.svg

Reads dvc.lock and metrics/*.json of every commit that HEAD, branches, tags and `dvc exp` reach, straight from Git's
objects, and those of the working tree. Writes a table, CSV, Markdown or JSON to standard output. A triple that was run
more than once is told to be repeatable (every output has the same digest), close (every metric within --tolerance) or
NOT REPEATABLE. What counts for a triple is told in stages/ledger/triple.py, and in runs.py beside it when
two records are two runs.

`groups` takes runs together that differ in their seeds alone, or all that share the values of --by: mean, standard
deviation, 95 % interval and best of a metric, and what each param changes in it.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.results", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("results")  # the imports below take their time

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from stages.core.errors import InputError
from stages.core.files import outputs
from stages.ledger import groups, rendering, selection, summary
from stages.ledger.runs import TOLERANCE, Ledger, ledger
from stages.ledger.selection import Row
from stages.project import git


def chosen(found: Ledger, where: Sequence[str], sort: str | None) -> tuple[list[Row], list[str]]:
    """Return the rows that are asked for, in order, and every key of the ledger. Raises InputError for what is not."""
    table = selection.rows(found)
    known = selection.keys(table)
    table = selection.where(table, where, known)
    return (selection.ordered(table, sort, known) if sort else table), known


def columns(found: Ledger, rows: Sequence[Row], asked: str | None, known: Sequence[str]) -> list[str]:
    """Return the columns `asked` for, or the useful ones. Raises InputError for a key that is not `known`."""
    if asked is not None:
        return [selection.known(key.strip(), known, "--columns") for key in asked.split(",")]
    params = sorted({key for run in found.runs for key in run.record.parameters})
    picked, left = selection.columns(rows, params)
    if left:
        cli.say(f"results: {left} more params differ; --columns picks, --json shows all")
    return picked


def tolerance(text: str) -> float:
    """Return a finite number >= 0. Raises ValueError otherwise."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def parser() -> argparse.ArgumentParser:
    """Return the command line that lists runs."""
    said = cli.parser(
        "results",
        __doc__,
        epilog="`python -m stages.results groups --help`: means and spreads over seeds, and what each param changes",
    )
    _common(said)
    said.add_argument("--sort", metavar="KEY", help="order by KEY; -KEY puts the largest first")
    said.add_argument("--columns", metavar="A,B,C", help="what to show: name, commit, any param, any metric, …")
    said.add_argument(
        "--tolerance", type=tolerance, default=TOLERANCE, metavar="T",
        help="largest difference of any metric between repeats called close (default %(default)s)",
    )  # fmt: skip
    return said


def groups_parser() -> argparse.ArgumentParser:
    """Return the command line that takes runs together."""
    said = cli.parser(
        "results groups",
        "Take runs together that differ in their seeds alone: mean, spread, best, effect of each param.",
    )
    _common(said)
    said.add_argument("--by", metavar="A,B,C", help="take together all runs that share the values of these params")
    said.add_argument("--metric", metavar="KEY", help="as `accuracy` or finetune.validation_loss")
    said.add_argument("--plot", type=Path, metavar="FILE", help="draw the groups into FILE.svg or FILE.png")
    return said


def _common(said: argparse.ArgumentParser) -> None:
    said.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE", help="also !=, <, <=, >, >=; repeatable"
    )
    form = said.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="CSV, floats to the last bit")
    form.add_argument("--md", action="store_true", help="a table of GitHub's Markdown")
    form.add_argument("--json", action="store_true", help="everything that is known")


def listed(found: Ledger, asked: argparse.Namespace) -> str:
    """Return the runs as asked for: table, CSV, Markdown or JSON."""
    rows, known = chosen(found, asked.where, asked.sort)
    if asked.json:
        return rendering.as_json(found, rows)
    shown = columns(found, rows, asked.columns, known)
    if asked.csv or asked.md:
        return rendering.as_csv(rows, shown) if asked.csv else rendering.as_markdown(rows, shown)
    repeats = rendering.concerned(found, rows)
    told = "".join(rendering.told(repeat, asked.tolerance) for repeat in repeats)
    return rendering.table(rows, shown) + "\n" * bool(repeats) + told


def taken_together(found: Ledger, asked: argparse.Namespace) -> str:
    """Return the groups and effects as asked for; draw them when --plot says where. Raises InputError."""
    if asked.plot is not None and asked.plot.suffix not in (".svg", ".png"):
        raise InputError(f"--plot: found {str(asked.plot)!r}, wanted a file called .svg or .png")
    rows, known = chosen(found, asked.where, None)
    if not rows:
        raise InputError("--where: no run meets all of it")
    name = groups.metric(asked.metric, rows)
    by = [selection.known(key.strip(), known, "--by") for key in asked.by.split(",")] if asked.by else None
    rows, left_out = groups.usable(rows, name)
    for reason in left_out:
        cli.say(f"results: {reason}")
    if not rows:
        raise InputError(f"no run with {name} is left to take together")
    together = groups.grouped(rows, name, by)
    if asked.plot is not None:
        _draw(together, name, asked.plot)
    return summary.told(together, groups.effects(rows, name, by or groups.differing(rows)), name, asked)


def _draw(together: Sequence[groups.Group], name: str, path: Path) -> None:
    try:
        from stages.reporting import spreads
    except ModuleNotFoundError as error:
        raise InputError(f"{str(error.name).split('.')[0]} is not installed: `make report` brings what draws") from None
    shown = [spreads.Line(summary.label(g), g.values, g.spread.mean, g.spread.low, g.spread.high) for g in together]
    with outputs(path) as (staged,):
        spreads.draw(shown, name, staged, path.suffix.removeprefix("."))


def main() -> None:
    """Show the ledger of the repository in the working folder."""
    words = sys.argv[1:]
    together = words[:1] == ["groups"]
    if "--sort" in words[:-1]:  # argparse takes -KEY for an option unless it is joined
        place = words.index("--sort")
        words[place : place + 2] = [f"--sort={words[place + 1]}"]
    asked = groups_parser().parse_args(words[1:]) if together else parser().parse_args(words)
    with cli.errors_told("results"):
        found = ledger(Path(), TOLERANCE if together else asked.tolerance)
        for problem in found.problems:
            cli.say(f"results: {problem}; left out")
        if git.shallow(Path()):
            cli.say(f"results: this is {git.SHALLOW}: runs recorded there are left out")
        if not found.runs:
            raise InputError("no run is known: neither a commit nor the working tree has a dvc.lock; run dvc repro")
        print(taken_together(found, asked) if together else listed(found, asked), end="", flush=True)


if __name__ == "__main__":
    main()
