"""Stage tokenize: clean rows to token ids.

    python -m stages.tokenize
    python -m stages.tokenize --preview 3      shows training rows instead, [[what is learnt of them]] marked

Reads data/clean/, config and tokenizer of models/base/ and, of params.yaml, `input`, `target` and `tokenize`. Writes
data/tokens/{train,validation,test}.arrow, which later stages read by memory map: for each window, mostly one an
example, id, example (its row in the split), length, input_ids, the columns of the input, and the answer as it belongs
to these tokens; data/tokens/schema.json, data/tokens/summary.json (lengths, and what was cut and unknown, by split) and
metrics/tokenize.json, what of it a table of runs has room for. Rows stream through: memory does not grow with them.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.tokenize", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("tokenize")  # the imports below take their time

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from stages.core.errors import InputError
from stages.core.files import Accept, outputs, read_json, write_json
from stages.core.params import Section, choice, load, options_of
from stages.core.processes import end_with_dvc
from stages.core.shown import terminal
from stages.core.tables import ROWS_A_GROUP, TYPES, arrow_writer, read_batches
from stages.encoding import Encoder, load_encoder, windows
from stages.inputs import INPUTS
from stages.interfaces import Encoded, Input, Target
from stages.project import graph
from stages.targets import TARGETS

CLEAN, BASE = Path("data/clean"), Path("models/base")
TOKENS, METRICS = Path("data/tokens"), Path("metrics/tokenize.json")
SPLITS = ("train", "validation", "test")
TOKENS_A_BATCH = 5_000_000  # written at a time, about: bounds the memory
PERCENTILES = (5, 25, 50, 75, 95, 99)


if TYPE_CHECKING:
    AnyInput = Input
    AnyTarget = Target
else:
    AnyInput, AnyTarget = choice(INPUTS), choice(TARGETS)


class Tokenize(Section):
    """How texts become tokens."""

    max_length: Annotated[int, Field(ge=3, description="tokens a text, special ones included, [3, model's positions]")]
    pad_token: Annotated[str | None, Field(description="the token that pads, or null: the model's own")]


class Params(Section):
    """What this stage reads of params.yaml."""

    input: AnyInput
    target: AnyTarget
    tokenize: Tokenize


def tokenize(
    params: Params, clean: Path = CLEAN, base: Path = BASE, tokens: Path = TOKENS, metrics: Path = METRICS,
    accept: Accept | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write the folder `tokens` and the file `metrics` from the folders `clean` and `base`; return the summary.

    Raises InputError, and leaves both as they were, for a model folder without config or tokenizer, a tokenizer that
    does not fit the model, a length the model has no positions for, and an example without tokens.
    """
    schema, options = read_json(clean / "schema.json"), params.tokenize
    encoder = _encoder(params, base)
    if encoder.stand_in is not None:
        print(f"tokenize: the model has no padding token: {encoder.stand_in!r} (id {encoder.pad}) pads in its place")
    space = params.target.completed(schema["space"], encoder)
    with outputs(tokens, metrics, accept=accept) as (folder, file):
        folder.mkdir()
        summary = {
            split: _write(clean / f"{split}.parquet", folder / f"{split}.arrow", params, encoder) for split in SPLITS
        }
        size = {"pad_token_id": encoder.pad, "vocab_size": encoder.vocabulary, "max_length": options.max_length}
        chosen = {
            "input": options_of(INPUTS, params.input),
            "target": options_of(TARGETS, params.target),
            "space": space,
        }
        left_out = {"left_out": of} if (of := summary["test"].get("left_out")) else {}
        write_json(folder / "schema.json", schema | chosen | size | left_out)
        write_json(folder / "summary.json", summary)
        write_json(file, {"train_tokens": summary["train"]["tokens"], "train_truncated": summary["train"]["truncated"]})
    return summary


def preview(params: Params, count: int, clean: Path = CLEAN, base: Path = BASE) -> Iterator[str]:
    """Yield the first `count` training rows as the model reads them: the text of each window, with its marks.

    Where the answer says something of each token, [[ ]] stands around those of which it says more than nothing.
    """
    source, encoder = clean / "train.parquet", _encoder(params, base)
    for row, encoded, held in islice(_encoded(source, params, encoder, learnt=True), count):
        yield f"row {row}: " + (
            f"{len(encoded.ids)} tokens, too long: left out" if not held else f"{len(held)} windows" * (len(held) > 1)
        )
        for cells in held:
            counted = cells[params.target.stored]
            by_token = isinstance(counted, list) and len(counted) == cells["length"]
            yield encoder.marked(cells["input_ids"], counted if by_token else [0] * cells["length"])


def _encoder(params: Params, base: Path) -> Encoder:
    encoder = load_encoder(base, params.tokenize.max_length, params.tokenize.pad_token)
    return replace(encoder, exact=params.target.by_token)


def _encoded(
    source: Path, params: Params, encoder: Encoder, learnt: bool
) -> Iterator[tuple[int, Encoded, list[dict[str, Any]]]]:
    """Yield (id, its tokens, the cells of each window) of the rows of a split, in their order."""
    example, answer = params.input, params.target
    fields, stored = [field.name for field in example.fields], [answer.stored] if answer.fields else []
    seen = 0
    for rows in read_batches(source, ["id", *fields, *stored]):
        examples = list(zip(*(_values(rows[name]) for name in fields), strict=True))
        values = rows[answer.stored].to_pylist() if stored else [None] * len(rows)
        answers = zip(rows["id"].to_pylist(), values, strict=True)
        for encoded, (row, value) in zip(example.encode(examples, encoder), answers, strict=True):
            held = list(windows.rows(encoded, seen, row, value, answer, f"{source}: row {row}", learnt))
            yield row, encoded, held
            seen += bool(held)


def _write(source: Path, target: Path, params: Params, encoder: Encoder) -> dict[str, Any]:
    """Write the tokens of one split; return its summary."""
    example, answer = params.input, params.target
    table = pa.schema(
        [
            *(("id", pa.int64()), ("example", pa.int32()), ("length", pa.int32())),
            *((column, TYPES["indices"]) for column in ("input_ids", *example.columns)),
            (answer.stored, TYPES[answer.form]),
        ]
    )
    counts, columns = Counts(), _Columns(table)
    with arrow_writer(target, table) as writer:
        rows = _encoded(source, params, encoder, learnt=target.stem == "train")
        for number, (_, encoded, held) in enumerate(rows, 1):
            counts.add(encoded, held, encoder)
            columns.add(held)
            if columns.tokens >= TOKENS_A_BATCH or number % ROWS_A_GROUP == 0:
                writer.write_batch(columns.taken())
        writer.write_batch(columns.taken())
    if not counts.windows:
        raise InputError(f"{source}: every row has more than tokenize.max_length {encoder.max_length} tokens")
    return counts.summary(encoder.max_length)


def _values(column: pa.Array) -> list[Any]:
    """Return the cells of a column, a list as a tuple."""
    return [tuple(cell) if isinstance(cell, list) else cell for cell in column.to_pylist()]


class _Columns:
    """Windows that are to be written, by column."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.cells: list[list[Any]] = [[] for _ in schema]
        self.tokens = 0

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for name, column in zip(self.schema.names, self.cells, strict=True):
            column += [cells[name] for cells in rows]
        self.tokens += sum(cells["length"] for cells in rows)

    def taken(self) -> pa.RecordBatch:
        """Return the windows so far, and hold none."""
        arrays = [pa.array(column, field.type) for column, field in zip(self.cells, self.schema, strict=True)]
        self.cells, self.tokens = [[] for _ in self.schema], 0
        return pa.record_batch(arrays, schema=self.schema)


class Counts:
    """What is said of the tokens of a split."""

    def __init__(self) -> None:
        self.lengths: list[int] = []  # of each example, before cutting, with special tokens
        self.tokens = self.windows = self.cut = self.left_out = self.unknown = self.text_tokens = 0

    def add(self, encoded: Encoded, held: Sequence[Mapping[str, Any]], encoder: Encoder) -> None:
        """Count an example, of which the windows `held` are written."""
        self.lengths.append(len(encoded.ids) + encoded.special)
        self.tokens += sum(cells["length"] for cells in held)
        self.windows += len(held)
        self.cut += encoded.cut
        self.left_out += not encoded.windows
        self.unknown += 0 if encoder.unknown is None else encoded.ids.count(encoder.unknown)
        self.text_tokens += len(encoded.ids)

    def summary(self, max_length: int) -> dict[str, Any]:
        """Return the counts and rates of the split."""
        lengths = np.array(self.lengths, dtype=np.int64)
        percentiles = np.percentile(lengths, PERCENTILES, method="inverted_cdf").tolist()
        return {
            "rows": len(lengths),
            "windows": self.windows,
            "tokens": self.tokens,
            "truncated": self.cut / len(lengths),
            **({"left_out": self.left_out} if self.left_out else {}),
            "unknown": self.unknown / self.text_tokens if self.text_tokens else 0.0,
            "length": {
                "mean": float(lengths.mean(dtype=np.float64)),
                "max": int(lengths.max()),
                **{f"p{p}": int(length) for p, length in zip(PERCENTILES, percentiles, strict=True)},
            },
        }


def main() -> None:
    """Read params.yaml and run the stage."""
    with cli.errors_told("tokenize"):
        parser = cli.parser("tokenize", __doc__)
        parser.add_argument("--preview", type=int, metavar="ROWS", help="show training rows instead")
        asked = parser.parse_args()
        if asked.preview is not None:
            for line in preview(load(Params), asked.preview):
                print(terminal(line))
            return
        end_with_dvc("tokenize")
        inputs = graph.inputs("tokenize")
        for split, counts in tokenize(load(Params), accept=inputs.accept).items():
            sizes = f"{counts['rows']:,} rows, {counts['tokens']:,} tokens"
            print(f"tokenize: {split}: {sizes}, {counts['truncated']:.1%} of the examples cut")
            if left_out := counts.get("left_out"):
                print(f"tokenize: {split}: {left_out:,} rows left out, too long for tokenize.max_length")


if __name__ == "__main__":
    main()
