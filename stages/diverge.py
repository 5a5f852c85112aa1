"""Tell where two runs of finetune part.

    python -m stages.diverge A B

A and B are traces (metrics/finetune/trace.tsv), or folders in which finetune has run or was interrupted, or parts of
such: a scratch folder, a checkpoint, a folder of weights. Says the first step that differs and in what, and, of the
first checkpoint and of the model that both have and that differ, the first tensor. Ends with 0 when all is equal, 1
when the runs part, 2 when a file is missing or damaged.
"""

from __future__ import annotations

if not __package__:
    import sys

    sys.stderr.write("run me as: python -m stages.diverge\n")
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("diverge")  # the imports below take their time

from collections.abc import Iterator
from pathlib import Path

from stages.verification.divergence import COLUMNS, Divergence, Parting, compare_runs, find_run
from stages.verification.states import StateDifference


def report(found: Divergence) -> Iterator[str]:
    """Yield the lines that tell `found`."""
    if found.digests is not None:
        yield f"other params, data, base model, code or libraries: {found.digests[0]} in A, {found.digests[1]} in B"
    if found.parting is not None:
        yield from _parting(found.parting)
    elif found.steps is not None:
        yield f"traces: the same in all {found.steps} steps"
    if found.state is not None:
        yield from _state(f"checkpoint of step {found.state[0]}", found.state[1])
    elif found.compared:
        yield f"checkpoints: the same at step {', '.join(map(str, found.compared))}"
    if found.model is not None:
        yield from _state("model", found.model)
    elif found.models:
        yield "model: the same"


def _parting(parting: Parting) -> Iterator[str]:
    a, b = parting.a, parting.b
    if a is None or b is None:
        yield f"traces: the same in {parting.step - 1} steps, then {'A' if a is None else 'B'} ends"
        return
    yield f"traces: step {parting.step} is the first that differs, in {', '.join(parting.columns) or 'chain'}"
    for column in COLUMNS[1:-1]:
        differs = column in parting.columns
        yield f"  {column:10}{a[column]}" + (f" in A, {b[column]} in B" if differs else " in both")


def _state(what: str, state: StateDifference) -> Iterator[str]:
    first = state.first
    where = f"{first.name} ({first.kind}, {first.file})"
    yield f"{what}: {state.differing} of {state.tensors} tensors differ, first {where}"
    yield "  " + (
        first.form
        or f"{first.differing:,} of {first.elements:,} elements, largest difference {first.largest:.3g}, "
        f"{first.ulps:,} units in the last place"
    )


def main() -> None:
    """Compare the two runs that the command line names."""
    parser = cli.parser("diverge", __doc__)
    parser.add_argument("a", type=Path, metavar="A", help="a trace, or the folder of a run")
    parser.add_argument("b", type=Path, metavar="B", help="the same of the other run")
    arguments = parser.parse_args()
    with cli.errors_told("diverge"):
        found = compare_runs(find_run(arguments.a), find_run(arguments.b))
        for line in report(found):
            cli.tell(line)
        raise SystemExit(0 if found.equal else 1)


if __name__ == "__main__":
    main()
