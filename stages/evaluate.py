"""Score the fine-tuned model on the test rows.

    python -m stages.evaluate

Reads models/finetuned, data/tokens/ (test.arrow, schema.json), data/clean/test.parquet for the texts of the worst
errors, and the section `evaluate` of params.yaml. Writes metrics/evaluate.json (the scores, notes on them, and their
intervals), metrics/evaluate/ (the plots' data) and data/predictions/: the probability of every class for each row,
scores.json (all scores, those of averages and classes too), the classification report, which is printed too, and the
worst errors with their texts, which are kept out of Git because the data may come under a licence of its own.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.evaluate", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("evaluate")  # the imports below take their time

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.core.errors import InputError, nearest
from stages.core.files import Accept, outputs, read_json, read_object, write_json, write_tsv
from stages.core.params import Section, load
from stages.core.tables import Rows, read_batches, write_parquet
from stages.project import graph
from stages.repro import workers

Integers = NDArray[np.integer]
Floats = NDArray[np.floating]

MOST_WORKERS = 64  # shards of the forward pass are dealt out freely, so any power of two is right


class Evaluate(Section):
    """How the test rows are scored."""

    bootstrap: Annotated[int, Field(ge=100, le=1_000_000, description="resamples of the 95 % intervals, [100, 1e6]")]
    bootstrap_seed: Annotated[int, Field(ge=0, lt=2**32, description="seed of the resamples, [0, 2^32)")]
    calibration_bins: Annotated[int, Field(ge=2, le=1000, description="equal-width bins of confidence, [2, 1000]")]
    worst: Annotated[int, Field(ge=0, description="wrong predictions listed, most confident first, >= 0")]


class Params(Section):
    """What this stage reads of params.yaml."""

    evaluate: Evaluate


def evaluate(options: Evaluate, group: workers.Group, root: Path = Path(), accept: Accept | None = None) -> None:
    """Score the model below `root`; the first worker of `group` writes. Raises InputError for inputs that disagree."""
    from stages.inference import logits, token_rows
    from stages.scoring import softmax
    from stages.tasks import TASKS

    folder, tokens = root / "models/finetuned", root / "data/tokens"
    schema = read_json(tokens / "schema.json")
    names = schema["labels"]
    if schema["task"] not in TASKS:
        raise InputError(f"{tokens / 'schema.json'}: unknown task {schema['task']!r}{nearest(schema['task'], TASKS)}")
    check_labels(folder, names)
    rows, ids = token_rows(tokens / "test.arrow", schema["pad_token_id"]), Rows(tokens / "test.arrow").numbers("id")
    if not len(ids):
        raise InputError(f"{tokens / 'test.arrow'}: no rows to score")
    task = TASKS[schema["task"]]()
    model = task.load(folder).to(group.device)
    probabilities = softmax(logits(model, rows, task.collate, group, "evaluate"))  # (N, C)
    if group.rank == 0:
        publish(options, ids, rows.labels, probabilities, names, root, accept)


def publish(
    options: Evaluate, ids: Integers, labels: Integers, probabilities: Floats, names: Sequence[str], root: Path,
    accept: Accept | None = None,
) -> None:  # fmt: skip
    """Write all outputs below `root` and print the report. ids, labels (N,); probabilities (N, C) float32; N >= 1."""
    from stages.scoring.predictions import WORST_HEADER, prediction_table, worst_errors, worst_rows
    from stages.scoring.report import report, rounded
    from stages.scoring.scores import DETAILS

    shown = texts(root / "data/clean/test.parquet", ids, worst_errors(labels, probabilities, options.worst))
    worst = worst_rows(shown, ids, labels, probabilities, names)
    said = report(
        labels, probabilities, names,
        bins=options.calibration_bins, resamples=options.bootstrap, seed=options.bootstrap_seed,
    )  # fmt: skip
    targets = root / "metrics/evaluate.json", root / "metrics/evaluate", root / "data/predictions"
    with outputs(*targets, accept=accept) as (metrics, plots, predictions):
        write_json(metrics, {name: value for name, value in said.scores.items() if name not in DETAILS})
        for name, (header, table) in said.tables.items():
            write_tsv(plots / name, header, table)
        predictions.mkdir()
        write_json(predictions / "scores.json", said.scores)
        (predictions / "report.txt").write_text(said.text, encoding="utf-8", newline="\n")
        write_parquet(predictions / "test.parquet", prediction_table(ids, labels, probabilities, names))
        write_tsv(predictions / "worst.tsv", WORST_HEADER, rounded(worst))
    print(said.text, end="")


def texts(path: Path, ids: Integers, wanted: Sequence[int]) -> dict[int, str]:
    """Return {row: text} for the rows `wanted` of a clean split, in that order.

    Raises InputError unless the split's ids are `ids`, in the same order.
    """
    found: dict[int, str] = {}
    start = 0
    for batch in read_batches(path, ["id", "text"]):
        end = start + batch.num_rows
        if not np.array_equal(batch.column("id").to_numpy(), ids[start:end]):
            raise InputError(f"{path}: its rows are not those of data/tokens/test.arrow: run tokenize again")
        found |= {row: batch.column("text")[row - start].as_py() for row in wanted if start <= row < end}
        start = end
    if start != len(ids):
        raise InputError(f"{path}: {start} rows, but {len(ids)} in data/tokens/test.arrow: run tokenize again")
    return {row: found[row] for row in wanted}


def check_labels(folder: Path, names: Sequence[str]) -> None:
    """Raise InputError unless the classes of the model saved in `folder` are `names`, in that order."""
    path = folder / "config.json"
    saved = read_object(path).get("id2label")
    own = [saved.get(str(index)) for index in range(len(saved))] if isinstance(saved, dict) else []
    if own != list(names):
        raise InputError(f"{path}: its classes are {_few(own)}, those of the data {_few(names)}: run finetune again")


def _few(names: Sequence[str | None]) -> str:
    return f"{', '.join(map(str, names[:5]))}{', …' if len(names) > 5 else ''} ({len(names)})"


def main() -> None:
    """Score the model as params.yaml says."""
    with cli.errors_told("evaluate"):
        cli.parser("evaluate", __doc__).parse_args()
        accept = graph.inputs("evaluate").accept if workers.leads() else None
        options = load(Params).evaluate
        workers.run("stages.evaluate", lambda group: evaluate(options, group, accept=accept), MOST_WORKERS)


if __name__ == "__main__":
    main()
