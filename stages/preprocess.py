"""Stage preprocess: raw files to clean rows in three splits.

    python -m stages.preprocess

Reads data/raw/ and, of params.yaml, `seed`, `seed_streams.split`, `task.name` and `data` but for its source. Writes
data/clean/{train,validation,test}.parquet (id, text, label), data/clean/schema.json (the label names in the order of
the classes: by value when all are whole numbers, else by code point), data/clean/summary.json, which counts every row
read and says what became of it, by split, reason and class, and metrics/data.json, the few of these numbers that a
table of runs has room for.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.preprocess", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("preprocess")  # the imports below take their time

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator, Field, model_validator

from stages.cleaning import policies
from stages.cleaning.labels import ordered
from stages.cleaning.reading import Reader
from stages.cleaning.rows import Rows, Splits
from stages.cleaning.splits import Stratify, cut, refuse_singletons, refuse_unlearnable, sample
from stages.core.errors import InputError, nearest
from stages.core.files import Accept, outputs, write_json
from stages.core.params import Elsewhere, Section, choice, load
from stages.core.processes import end_with_dvc
from stages.core.tables import ROWS_A_GROUP, parquet_writer
from stages.formats import FORMATS
from stages.formats.cells import NoColumn
from stages.formats.content import Encoding
from stages.interfaces import Format, Schema
from stages.project import graph
from stages.repro.streams import Streams

RAW, CLEAN, METRICS = Path("data/raw"), Path("data/clean"), Path("metrics/data.json")
SPLITS = ("train", "validation", "test")
TABLE = pa.schema([("id", pa.int64()), ("text", pa.string()), ("label", pa.int32())])


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"found {name!r}, wanted the path of a file within data/raw")
    return name


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern[:80]!r} is no regular expression: {error}") from None
    return pattern


RawFile = Annotated[str, AfterValidator(_inside)]
if TYPE_CHECKING:
    AnyFormat = Format
else:
    AnyFormat = choice(FORMATS)


class SeedStreams(Section):
    """What this stage reads of section `seed_streams`."""

    split: Annotated[int, Field(ge=0, lt=2**32, description="[0, 2^32), or null: derived from `seed`")] | None
    init: Elsewhere = None
    order: Elsewhere = None
    dropout: Elsewhere = None


class Task(Section):
    """What is learnt, hence which columns a row has."""

    name: Literal["classification"]


class Files(Section):
    """The file (or, of format folders, the folder) in data/raw of each split; null is drawn from the training file."""

    train: RawFile
    validation: RawFile | None
    test: RawFile | None


class Columns(Section):
    """The column of each role; a dot reaches into an object."""

    text: str
    label: str

    @model_validator(mode="after")
    def _differ(self) -> Columns:
        if self.text == self.label:
            raise ValueError(f"text and label are both {self.text!r}, wanted two columns")
        return self


class Keep(Section):
    """Only rows in whose cell of `column` the regular expression `pattern` is found."""

    column: str
    pattern: Annotated[str, AfterValidator(_regex)]


class Data(Section):
    """Which rows there are, and what is done with faulty ones."""

    source: Elsewhere = None
    format: AnyFormat
    encoding: Encoding
    files: Files
    columns: Columns
    keep: Keep | None
    empty: Literal["drop", "error"]
    duplicates: Literal["drop", "keep", "error"]
    conflicts: Literal["drop", "first", "majority", "keep", "error"]
    leakage: Literal["drop", "keep", "error"]
    validation_fraction: Annotated[float, Field(gt=0, le=0.5, description="of the training rows, (0, 0.5]")] | None
    test_fraction: Annotated[float, Field(gt=0, le=0.5, description="of all rows, (0, 0.5]")] | None
    stratify: Annotated[
        Stratify,
        Field(description="true refuses a class of one row, lenient leaves its row in training; false: no shares"),
    ]
    per_class: Annotated[int, Field(ge=1, description="training rows a class, >= 1")] | None
    limit: Annotated[int, Field(ge=1, description="rows of each split, >= 1")] | None

    @model_validator(mode="after")
    def _every_split_has_a_source(self) -> Data:
        for split in ("validation", "test"):
            if getattr(self.files, split) is None and getattr(self, f"{split}_fraction") is None:
                raise ValueError(f"{split}_fraction is wanted, since files.{split} is null")
        if self.files.test is not None and self.test_fraction is not None:
            raise ValueError("test_fraction must be null, since files.test holds the test rows")
        return self


class Params(Section):
    """What this stage reads of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32, description="[0, 2^32)")]
    seed_streams: SeedStreams
    task: Task
    data: Data


def preprocess(
    params: Params, raw: Path = RAW, clean: Path = CLEAN, metrics: Path = METRICS, accept: Accept | None = None
) -> dict[str, Any]:
    """Write the folder `clean` and the file `metrics` from the files in `raw`; return the summary.

    Raises InputError, and leaves both as they were, for rows that cannot be used and splits that cannot be made.
    """
    data, streams = params.data, Streams(params.seed, {"split": params.seed_streams.split})
    keep = (data.keep.column, data.keep.pattern) if data.keep else None
    reader = Reader(data.format, data.encoding, data.columns.text, data.columns.label, keep, data.empty)
    splits, read = _read(reader, data.files, raw)
    names = list(reader.labels)
    found = policies.census(splits)
    policies.clean(splits, data.leakage, data.conflicts, data.duplicates)
    found["leakage"] |= _draw_missing(splits, data, names, streams)
    found["test_rows_in_validation"] = int(policies.shared(splits.rows["test"], splits.rows["validation"]).sum())
    refuse_unlearnable(splits, names)
    labels = ordered(names[code] for code in np.unique(splits.rows["train"].labels).tolist())
    codes = [reader.labels[label] for label in labels]
    sample(splits, data.per_class, data.limit, streams)
    summary = {"read": read, "dropped": splits.dropped, "found": found, **_sizes(splits.rows, codes, labels)}
    schema: Schema = {"task": params.task.name, "labels": labels}
    with outputs(clean, metrics, accept=accept) as (folder, file):
        folder.mkdir()
        places = np.full(len(names), -1, dtype=np.int32)  # class index of each label's code
        places[codes] = np.arange(len(codes))
        texts = list(reader.texts)
        for split, rows in splits.rows.items():
            _write(folder / f"{split}.parquet", rows, texts, places[rows.labels])
        write_json(folder / "schema.json", schema)
        write_json(folder / "summary.json", summary)
        write_json(file, headline(summary))
    return summary


def _read(reader: Reader, files: Files, raw: Path) -> tuple[Splits, dict[str, int]]:
    """Return the rows of the splits that have a file, and how many rows each file has."""
    splits, read = Splits(), {}
    for split in SPLITS:
        if name := getattr(files, split):
            path = raw / name
            if not path.exists():
                known = [p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file()]
                raise InputError(f"{path}: no such file{nearest(name, known)}")
            try:
                splits.rows[split], counts = reader.read(path)
            except NoColumn as error:
                unlabelled = split == "test" and error.column == reader.label
                hint = "; texts without labels are for python -m stages.predict" if unlabelled else ""
                raise InputError(f"{error}{hint}") from None
            read[split] = counts.pop("read")
            splits.dropped[split] = counts
    return splits, read


def _draw_missing(splits: Splits, data: Data, names: list[str], streams: Streams) -> dict[str, Any]:
    """Draw the splits that have no file from the training rows; return the leaks there were and settle them."""
    missing = [split for split in ("test", "validation") if split not in splits.rows]
    if missing and data.stratify is True:
        refuse_singletons(splits.rows["train"], names)
    leaks = {}
    for split in missing:
        cut(splits, split, getattr(data, f"{split}_fraction"), data.stratify, streams)
        leaks[split] = policies.leaks(splits, split)
        policies.settle_leaks(splits, split, data.leakage)
    return leaks


def _sizes(rows: dict[str, Rows], codes: list[int], labels: list[str]) -> dict[str, Any]:
    """Return the rows of each split, and those of each class (`codes` and `labels`, in class order) by its name."""
    classes = {}
    for split, held in rows.items():
        sizes = np.bincount(held.labels, minlength=max(codes) + 1)
        classes[split] = {label: int(sizes[code]) for code, label in zip(codes, labels, strict=True)}
    return {"rows": {split: len(held) for split, held in rows.items()}, "classes": classes}


def headline(summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of the summary that are columns of `dvc metrics show`."""
    return {
        "classes": len(summary["classes"]["train"]),
        "dropped_rows": sum(count for reasons in summary["dropped"].values() for count in reasons.values()),
        **{f"{split}_rows": summary["rows"][split] for split in SPLITS},
    }


def _write(path: Path, rows: Rows, texts: list[str], labels: np.ndarray[Any, np.dtype[np.int32]]) -> None:
    """Write one split; `texts` holds the text of each code, `labels` (rows,) are class indices."""
    with parquet_writer(path, TABLE) as writer:
        for start in range(0, len(rows), ROWS_A_GROUP):
            part = slice(start, start + ROWS_A_GROUP)
            columns = [rows.ids[part], [texts[code] for code in rows.texts[part].tolist()], labels[part]]
            writer.write_table(pa.table(columns, schema=TABLE), row_group_size=ROWS_A_GROUP)


def main() -> None:
    """Read params.yaml and run the stage."""
    with cli.errors_told("preprocess"):
        cli.parser("preprocess", __doc__).parse_args()
        end_with_dvc("preprocess")
        inputs = graph.inputs("preprocess")
        summary = preprocess(load(Params), accept=inputs.accept)
        print("preprocess: " + ", ".join(f"{summary['rows'][split]:,} {split}" for split in SPLITS) + " rows")
        for split, reasons in summary["dropped"].items():
            for reason, count in reasons.items():
                if count:
                    print(f"preprocess: {count:,} {split} rows dropped by {reason}")


if __name__ == "__main__":
    main()
