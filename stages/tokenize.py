"""Stage tokenize: clean rows to token ids.

    python -m stages.tokenize

Reads data/clean/, config and tokenizer of models/base/ and, of params.yaml, `tokenize`. Writes
data/tokens/{train,validation,test}.arrow (id, label, length, input_ids), which later stages read by memory map,
data/tokens/schema.json, data/tokens/summary.json (lengths, and what was cut and unknown, by split) and
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

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from stages.core.files import Accept, outputs, read_json, write_json
from stages.core.params import Section, load
from stages.core.processes import end_with_dvc
from stages.core.tables import arrow_writer, read_batches
from stages.encoding import Encoder, load_encoder
from stages.project import graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAN, BASE = Path("data/clean"), Path("models/base")
TOKENS, METRICS = Path("data/tokens"), Path("metrics/tokenize.json")
SPLITS = ("train", "validation", "test")
TABLE = pa.schema(
    [("id", pa.int64()), ("label", pa.int32()), ("length", pa.int32()), ("input_ids", pa.list_(pa.int32()))]
)
PERCENTILES = (5, 25, 50, 75, 95, 99)


class Tokenize(Section):
    """How texts become tokens."""

    max_length: Annotated[int, Field(ge=3, description="tokens a text, special ones included, [3, model's positions]")]
    pad_token: Annotated[str | None, Field(description="the token that pads, or null: the model's own")]


class Params(Section):
    """What this stage reads of params.yaml."""

    tokenize: Tokenize


def tokenize(
    options: Tokenize, clean: Path = CLEAN, base: Path = BASE, tokens: Path = TOKENS, metrics: Path = METRICS,
    accept: Accept | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write the folder `tokens` and the file `metrics` from the folders `clean` and `base`; return the summary.

    Raises InputError, and leaves both as they were, for a model folder without config or tokenizer, a tokenizer that
    does not fit the model, and a length the model has no positions for.
    """
    schema = read_json(clean / "schema.json")
    max_length = options.max_length
    encoder = load_encoder(base, max_length, options.pad_token)
    if encoder.stand_in is not None:
        print(f"tokenize: the model has no padding token: {encoder.stand_in!r} (id {encoder.pad}) pads in its place")
    with outputs(tokens, metrics, accept=accept) as (folder, file):
        folder.mkdir()
        summary = {
            split: _write(clean / f"{split}.parquet", folder / f"{split}.arrow", encoder, max_length)
            for split in SPLITS
        }
        size = {"pad_token_id": encoder.pad, "vocab_size": encoder.vocabulary, "max_length": max_length}
        write_json(folder / "schema.json", schema | size)
        write_json(folder / "summary.json", summary)
        write_json(file, {"train_tokens": summary["train"]["tokens"], "train_truncated": summary["train"]["truncated"]})
    return summary


def _write(source: Path, target: Path, encoder: Encoder, max_length: int) -> dict[str, Any]:
    """Write the tokens of one split; return its summary. Lengths are those before cutting, with special tokens."""
    lengths: list[NDArray[np.int32]] = []
    unknown, special = 0, encoder.special
    with arrow_writer(target, TABLE) as writer:
        for rows in read_batches(source, ["id", "text", "label"]):
            whole = np.empty(len(rows), dtype=np.int32)
            offsets = np.zeros(len(rows) + 1, dtype=np.int32)
            ids: list[NDArray[np.int32]] = []
            for index, (cut, encoding) in enumerate(encoder(rows["text"].to_pylist())):
                ids.append(np.array(cut, dtype=np.int32))
                offsets[index + 1] = offsets[index] + len(cut)
                whole[index] = len(encoding) + special
                unknown += encoding.ids.count(encoder.unknown) if encoder.unknown is not None else 0
            values = pa.ListArray.from_arrays(offsets, np.concatenate(ids))
            writer.write_batch(pa.record_batch([rows["id"], rows["label"], np.diff(offsets), values], schema=TABLE))
            lengths.append(whole)
    return _summary(np.concatenate(lengths), unknown, max_length, special)


def _summary(lengths: NDArray[np.int32], unknown: int, max_length: int, special: int) -> dict[str, Any]:
    """Return the counts and rates of one split; lengths (rows,) in tokens before cutting."""
    text_tokens = int(lengths.sum(dtype=np.int64)) - special * len(lengths)
    percentiles = np.percentile(lengths, PERCENTILES, method="inverted_cdf").tolist()
    return {
        "rows": len(lengths),
        "tokens": int(np.minimum(lengths, max_length).sum(dtype=np.int64)),
        "truncated": float((lengths > max_length).mean()),
        "unknown": unknown / text_tokens if text_tokens else 0.0,
        "length": {
            "mean": float(lengths.mean(dtype=np.float64)),
            "max": int(lengths.max()),
            **{f"p{p}": int(length) for p, length in zip(PERCENTILES, percentiles, strict=True)},
        },
    }


def main() -> None:
    """Read params.yaml and run the stage."""
    with cli.errors_told("tokenize"):
        cli.parser("tokenize", __doc__).parse_args()
        end_with_dvc("tokenize")
        inputs = graph.inputs("tokenize")
        for split, counts in tokenize(load(Params).tokenize, accept=inputs.accept).items():
            sizes = f"{counts['rows']:,} rows, {counts['tokens']:,} tokens"
            print(f"tokenize: {split}: {sizes}, {counts['truncated']:.1%} of the texts cut")


if __name__ == "__main__":
    main()
