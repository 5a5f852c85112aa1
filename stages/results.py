"""The ledger of triples: every run that Git and DVC know as (generator, parameters, data) -> metrics.

    python -m stages.results
    python -m stages.results --where train.lr=3e-5 --where 'evaluate.accuracy>=0.97' --sort -evaluate.macro_f1
    python -m stages.results --columns name,seed,evaluate.accuracy --csv

Reads dvc.lock and metrics/*.json of every commit that HEAD, branches, tags and `dvc exp` reach, straight from Git's
objects, and those of the working tree. Writes a table, CSV or JSON to standard output. A triple that was run more than
once is told to be repeatable (every output has the same digest), close (every metric within --tolerance) or NOT
REPEATABLE. What counts for a triple is told in stages/verification/ledger/record.py, and in runs.py beside it when two
records are two runs.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.results", file=sys.stderr)
    sys.exit(2)

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from stages.core.cli import errors_told
from stages.core.errors import InputError
from stages.verification.ledger import rendering, selection
from stages.verification.ledger.runs import TOLERANCE, Ledger, ledger
from stages.verification.ledger.selection import Row


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
        print(f"results: {left} more params differ; --columns picks, --json shows all", file=sys.stderr)
    return picked


def tolerance(text: str) -> float:
    """Return a finite number >= 0. Raises ValueError otherwise."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    said = argparse.ArgumentParser(prog="python -m stages.results", description="List the runs Git and DVC know.")
    said.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE", help="also !=, <, <=, >, >=; repeatable"
    )
    said.add_argument("--sort", metavar="KEY", help="order by KEY; -KEY puts the largest first")
    said.add_argument("--columns", metavar="A,B,C", help="what to show: name, commit, any param, any metric, …")
    said.add_argument(
        "--tolerance", type=tolerance, default=TOLERANCE, metavar="T",
        help="largest difference of any metric between repeats called close (default %(default)s)",
    )  # fmt: skip
    form = said.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="CSV, floats to the last bit")
    form.add_argument("--json", action="store_true", help="everything that is known of each run")
    return said


def main() -> None:
    """Show the ledger of the repository in the working folder."""
    words = sys.argv[1:]
    if "--sort" in words[:-1]:  # argparse takes -KEY for an option unless it is joined
        place = words.index("--sort")
        words[place : place + 2] = [f"--sort={words[place + 1]}"]
    asked = parser().parse_args(words)
    with errors_told("results"):
        found = ledger(Path(), asked.tolerance)
        for problem in found.problems:
            print(f"results: {problem}; left out", file=sys.stderr)
        if not found.runs:
            raise InputError("no run is known: neither a commit nor the working tree has a dvc.lock; run dvc repro")
        rows, known = chosen(found, asked.where, asked.sort)
        if asked.json:
            text = rendering.as_json(found, rows)
        else:
            shown = columns(found, rows, asked.columns, known)
            text = rendering.as_csv(rows, shown) if asked.csv else rendering.table(rows, shown)
            repeats = [] if asked.csv else rendering.concerned(found, rows)
            text += "\n" * bool(repeats) + "".join(rendering.told(repeat, asked.tolerance) for repeat in repeats)
        print(text, end="", flush=True)


if __name__ == "__main__":
    main()
