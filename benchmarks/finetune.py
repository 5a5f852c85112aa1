"""Training and prediction against their peers: all sides in one run, in turns, as ratios with their spread.

    python -m benchmarks.finetune [--only ITEM,…] [--quick] [--rounds N] [--steps N] [--json FILE] [--accuracy]

Measures params.yaml's training on data/tokens/ from models/base/ of the working folder. Each side is a process or two
that stand ready; they work in turns, in alternating order, on the same batches; benchmarks/NOTES.md says what each item
compares. Real tokens are counted, padding is not.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m benchmarks.finetune", file=sys.stderr)
    sys.exit(2)

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import items
from benchmarks.arithmetic import table
from benchmarks.sides import CORES
from stages.core.cli import errors_told
from stages.core.errors import InputError, nearest
from stages.core.files import outputs, write_json
from stages.core.params import load
from stages.finetune import Params
from stages.repro import environment

TOKENS, BASE = Path("data/tokens"), Path("models/base")
FULL = items.Amounts(rounds=7, steps=5, predicted=256, rows=160, gemm_seconds=1.5)
QUICK = items.Amounts(rounds=2, steps=2, predicted=64, rows=32, gemm_seconds=0.5)
BUSY = 0.5  # processes that want to run, on average over a minute, above which the figures are in doubt


def chosen(only: str | None, accuracy: bool) -> list[str]:
    """Return the items to measure. Raises InputError for an unknown one."""
    known = (*items.ITEMS, "accuracy")
    names = list(items.ITEMS) if only is None else [name.strip() for name in only.split(",") if name.strip()]
    if not names:
        raise InputError(f"--only: found nothing, wanted some of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise InputError(f"--only: found {name!r}, wanted some of {', '.join(known)}{nearest(name, known)}")
    return list(dict.fromkeys([*names, *(["accuracy"] if accuracy else [])]))


def check(names: Sequence[str], params: Any) -> None:
    """Raise InputError when something the items need is not there, or the peers cannot do what params.yaml says."""
    for path in (TOKENS / "schema.json", TOKENS / "train.arrow", BASE / "config.json"):
        if not path.is_file():
            raise InputError(f"{path}: no such file: `dvc repro tokenize` makes it")
    if len(os.sched_getaffinity(0)) < CORES:
        raise InputError(f"found {len(os.sched_getaffinity(0))} core, wanted {CORES}: every side has {CORES}")
    train = params.train
    asked = {
        "train.objective": (repr(train.objective), "Plain()"), "train.class_weights": (train.class_weights, "none"),
        "train.tuning": (repr(train.tuning), "Full()"), "train.regularise": (repr(train.regularise), "Free()"),
        "train.average": (repr(train.average), "Last()"),
        **({"train.early_stopping": (train.early_stopping, None)} if "accuracy" in names else {}),
    }  # fmt: skip
    for key, (found, wanted) in asked.items():
        if found != wanted:
            raise InputError(f"{key}: found {found}, wanted {wanted}: the peers are set up for that alone")


def positive(text: str) -> int:
    """Return a number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a number of at least 1")
    return int(text)


def main() -> None:
    """Measure the chosen items and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetune", description="Training against its peers.")
    parser.add_argument("--only", metavar="ITEM,…", help=f"some of {', '.join(items.ITEMS)}")
    parser.add_argument("--quick", action="store_true", help="small amounts: to see it work, not to believe it")
    parser.add_argument("--rounds", type=positive, help=f"rounds of turns (default {FULL.rounds})")
    parser.add_argument("--steps", type=positive, help=f"training steps of a side a round (default {FULL.steps})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows and every measurement to FILE")
    parser.add_argument("--accuracy", action="store_true", help="also train both sides to the end (long)")
    arguments = parser.parse_args()
    with errors_told("benchmarks.finetune"):
        names = chosen(arguments.only, arguments.accuracy)
        check(names, load(Params))
        usual = QUICK if arguments.quick else FULL
        asked = {key: value for key in ("rounds", "steps") if (value := getattr(arguments, key)) is not None}
        amounts = items.Amounts(**{**vars(usual), **asked})
        run(names, amounts, arguments.json)


def run(names: Sequence[str], amounts: items.Amounts, report: Path | None) -> None:
    """Measure on two cores, print the table and write the report."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    load_before = os.getloadavg()[0]
    if load_before > BUSY:
        print(f"benchmarks.finetune: warning: the machine is busy (load {load_before:.1f}): the figures are in doubt",
              file=sys.stderr, flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        bench = items.Bench(TOKENS.absolute(), BASE.absolute(), Path(home), amounts)
        rows = items.measure(bench, names)
    print(table(rows))
    if report is not None:
        content = {
            "rows": [r.plain() for r in rows], "settings": items.settings(bench), "measured": bench.measured,
            "environment": environment.describe(), "load_before": load_before,
        }  # fmt: skip
        with outputs(report) as (staged,):
            write_json(staged, content)


if __name__ == "__main__":
    main()
