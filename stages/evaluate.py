"""Score the fine-tuned model on the test rows.

    python -m stages.evaluate

Reads models/finetuned, data/tokens/ (test.arrow, schema.json), data/clean/test.parquet for the texts of the worst
errors, and the sections `input`, `target` and `evaluate` of params.yaml. Writes metrics/evaluate.json (the scores,
notes on them, their intervals, and by what margin and in which direction each is judged), metrics/evaluate/ (the plots'
data by form: lines, matrix, bars) and data/predictions/: what the model said of each row, scores.json (all scores,
those of classes and averages too), the report, which is printed too, and the worst errors with their texts, which are
kept out of Git because the data may come under a licence of its own.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.evaluate", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("evaluate")  # the imports below take their time

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stages.core.errors import InputError
from stages.core.files import Accept, outputs, read_json, read_object, write_json, write_tsv
from stages.core.params import Section, choice, load, part_of
from stages.core.tables import read_batches, write_parquet
from stages.encoding import load_encoder
from stages.inputs import INPUTS
from stages.interfaces import Input, Target, Value
from stages.project import graph
from stages.repro import workers
from stages.scoring.generation import Generate, writes
from stages.targets import TARGETS

Integers = NDArray[np.integer]

FORMS = ("lines", "matrix", "bars")
if TYPE_CHECKING:
    AnyInput = Input
    AnyTarget = Target
else:
    AnyInput, AnyTarget = choice(INPUTS), choice(TARGETS)

MOST_WORKERS = 64  # shards of the forward pass are dealt out freely, so any power of two is right


class Evaluate(Section):
    """How the test rows are scored."""

    bootstrap: Annotated[int, Field(ge=100, le=1_000_000, description="resamples of the 95 % intervals, [100, 1e6]")]
    bootstrap_seed: Annotated[int, Field(ge=0, lt=2**32, description="seed of the resamples, [0, 2^32)")]
    calibration_bins: Annotated[int, Field(ge=2, le=1000, description="equal-width bins of confidence, [2, 1000]")]
    worst: Annotated[int, Field(ge=0, description="wrong predictions listed, most confident first, >= 0")]
    generate: Annotated[Generate | None, Field(description="how responses are written and scored, or null")] = None


class Params(Section):
    """What this stage reads of params.yaml."""

    input: AnyInput
    target: AnyTarget
    evaluate: Evaluate

    @model_validator(mode="after")
    def _generates(self) -> Params:
        if self.evaluate.generate is not None and not writes(self.input, self.target):
            raise ValueError("evaluate.generate: wanted null: responses are written for input chat and target next")
        return self


def evaluate(params: Params, group: workers.Group, root: Path = Path(), accept: Accept | None = None) -> None:
    """Score the model below `root`; the first worker of `group` writes. Raises InputError for inputs that disagree."""
    from stages.inference import outputs as computed
    from stages.inference import token_rows, whole
    from stages.models import load

    folder, tokens = root / "models/finetuned", root / "data/tokens"
    schema = read_json(tokens / "schema.json")
    rows = token_rows(tokens / "test.arrow", schema["pad_token_id"])
    if not len(rows.lengths):
        raise InputError(f"{tokens / 'test.arrow'}: no rows to score")
    head = part_of(params.target, "head").Head(schema["space"])
    model: Any = load(folder, head)
    rows = head.scored(rows)
    found = computed(model.to(group.device), rows, head, group, "evaluate")
    space = read_object(folder / "task.json")["space"]
    texts = None
    if params.evaluate.generate is not None:
        from stages.inference.writing import responses

        encoder = load_encoder(folder, schema["max_length"])
        texts = responses(model, whole(rows), encoder, params.evaluate.generate, space, group, "evaluate: responses")
    if group.rank == 0:
        part = whole(rows)
        judged = part_of(params.target, "metrics").Judged.of(found, part, space)
        if texts is not None:
            judged = part_of(params.target, "written").Written.beside(judged, texts, params.evaluate.generate)
        ids = part["id"][np.unique(part["example"], return_index=True)[1]]
        publish(params, ids, judged, space, root, accept, schema.get("left_out", 0))


def publish(
    params: Params, ids: Integers, judged: Any, space: Mapping[str, Any], root: Path, accept: Accept | None = None,
    left_out: int = 0,
) -> None:  # fmt: skip
    """Write all outputs below `root` and print the report. ids (N,) are those of the examples `judged`, N >= 1.

    `left_out` clean test rows have no tokens, since they were too long.
    """
    from stages.scoring.report import Options
    from stages.scoring.worst import HEADER, worst_rows

    options, target = params.evaluate, part_of(params.target, "report")
    examples = Examples(root / "data/clean/test.parquet", ids, params.input, left_out)
    said = target.report(
        judged, examples, space, Options(options.calibration_bins, options.bootstrap, options.bootstrap_seed)
    )
    rows = target.worst(judged, space, options.worst)
    found = examples.at(rows)
    wrong = [target.wrong(judged, row, space, found[row]) for row in rows]
    texts = {row: params.input.shown(found[row]) for row in rows}
    header = (*HEADER, *(field.name for field in params.input.fields))
    flat = {name: value for name, value in said.scores.items() if value is None or isinstance(value, float)}
    told = {name: said.scores[name] for name in ("intervals", "metrics", "notes")}
    written = root / "metrics/evaluate.json", root / "metrics/evaluate", root / "data/predictions"
    with outputs(*written, accept=accept) as (metrics, plots, predictions):
        write_json(metrics, flat | told)
        for form in FORMS:
            (plots / form).mkdir(parents=True)
        for name, (columns, table) in said.tables.items():
            write_tsv(plots / name, columns, table)
        predictions.mkdir()
        write_json(predictions / "scores.json", said.scores)
        (predictions / "report.txt").write_text(said.text, encoding="utf-8", newline="\n")
        write_parquet(predictions / "test.parquet", target.table(ids, judged, examples, space))
        write_tsv(predictions / "worst.tsv", header, worst_rows(wrong, ids.tolist(), texts))
    print(said.text, end="")


class Examples:
    """The examples of a clean split, read when they are asked for.

    Raises InputError unless the split's ids are `ids`, in the same order, and `left_out` others.
    """

    def __init__(self, path: Path, ids: Integers, example: Input, left_out: int = 0) -> None:
        self.path, self.ids, self.left_out = path, ids, left_out
        self.fields = [field.name for field in example.fields]

    def __iter__(self) -> Iterator[Value]:
        start = others = 0
        for batch in read_batches(self.path, ["id", *self.fields]):
            own = batch.column("id").to_numpy()
            kept = np.flatnonzero(np.isin(own, self.ids) if self.left_out else np.ones(len(own), dtype=bool))
            end = start + len(kept)
            others += len(own) - len(kept)
            if not np.array_equal(own[kept], self.ids[start:end]):
                raise InputError(f"{self.path}: its rows are not those of data/tokens/test.arrow: run tokenize again")
            for row in kept.tolist():
                yield tuple(batch.column(name)[row].as_py() for name in self.fields)
            start = end
        if (start, others) != (len(self.ids), self.left_out):
            found = f"{start + others} rows, but {len(self.ids) + self.left_out} in data/tokens/test.arrow"
            raise InputError(f"{self.path}: {found}: run tokenize again")

    def at(self, rows: Sequence[int]) -> dict[int, Value]:
        """Return {row: its example} for `rows`."""
        wanted = set(rows)
        return {row: example for row, example in enumerate(self) if row in wanted}


def main() -> None:
    """Score the model as params.yaml says."""
    with cli.errors_told("evaluate"):
        cli.parser("evaluate", __doc__).parse_args()
        accept = graph.inputs("evaluate").accept if workers.leads() else None
        params = load(Params)
        workers.run("stages.evaluate", lambda group: evaluate(params, group, accept=accept), MOST_WORKERS)


if __name__ == "__main__":
    main()
