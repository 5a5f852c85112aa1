"""Stage preprocess: raw files to clean rows in three splits.

    python -m stages.preprocess

Reads data/raw/ and, of params.yaml, `seed`, `seed_streams.split`, `input`, `target` and `data` but for its source.
Writes data/clean/{train,validation,test}.parquet (id, the columns of the input, that of the target),
data/clean/schema.json (input, target and what answers there are: the labels in the order of the classes, for example),
data/clean/summary.json, which counts every row read and says what became of it, by split, reason and class, and
metrics/data.json, the few of these numbers that a table of runs has room for.
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
from pydantic import AfterValidator, Field, model_validator

from stages.cleaning import policies
from stages.cleaning.reading import Reader
from stages.cleaning.rows import Rows, Splits
from stages.cleaning.splits import Stratify, cut, refuse_singletons, refuse_unlearnable, sample
from stages.cleaning.writing import write
from stages.core.errors import InputError, nearest
from stages.core.files import Accept, outputs, write_json
from stages.core.params import Elsewhere, Section, choice, load, name_of
from stages.core.processes import end_with_dvc
from stages.formats import FORMATS
from stages.formats.cells import NoColumn
from stages.formats.content import Encoding
from stages.inputs import INPUTS
from stages.interfaces import Format, Input, Schema, Target, Value
from stages.project import graph
from stages.repro.streams import Streams
from stages.targets import TARGETS

RAW, CLEAN, METRICS = Path("data/raw"), Path("data/clean"), Path("metrics/data.json")
SPLITS = ("train", "validation", "test")


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
    AnyInput = Input
    AnyTarget = Target
else:
    AnyFormat, AnyInput, AnyTarget = choice(FORMATS), choice(INPUTS), choice(TARGETS)


class SeedStreams(Section):
    """What this stage reads of section `seed_streams`."""

    split: Annotated[int, Field(ge=0, lt=2**32, description="[0, 2^32), or null: derived from `seed`")] | None
    init: Elsewhere = None
    order: Elsewhere = None
    dropout: Elsewhere = None


class Files(Section):
    """The file (or, of format folders, the folder) in data/raw of each split; null is drawn from the training file."""

    train: RawFile
    validation: RawFile | None
    test: RawFile | None


class Split(Section):
    """One file that holds several splits: the text in `column` by which a row belongs to each."""

    column: str
    train: str
    validation: str | None
    test: str | None

    def of(self, split: str) -> tuple[str, str] | None:
        """Return (column, text) of a split, None where every row of its file belongs to it."""
        text = getattr(self, split)
        return None if text is None else (self.column, text)


class Keep(Section):
    """Only rows in whose cell of `column` the regular expression `pattern` is found."""

    column: str
    pattern: Annotated[str, AfterValidator(_regex)]


class Data(Section):
    """Which rows there are, and what is done with faulty ones."""

    source: Elsewhere = None
    resource: Elsewhere = None
    format: AnyFormat
    encoding: Encoding
    files: Files
    columns: Annotated[dict[str, str], Field(description="the column of each field; a dot reaches into an object")]
    split: Split | None
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
    input: AnyInput
    target: AnyTarget
    data: Data

    @model_validator(mode="after")
    def _data_fits(self) -> Params:
        if self.input.unit not in self.target.units:
            raise ValueError(
                f"input.name: its answers belong to each {self.input.unit}, those of this target to each "
                f"{' or '.join(self.target.units)}: docs/tasks.md says what goes together"
            )
        fields = [column.name for column in (*self.input.fields, *self.target.fields)]
        for name in self.data.columns:
            if name not in fields:
                raise ValueError(f"data.columns.{name}: no field of this input and target{nearest(name, fields)}")
        for name in fields:
            if name not in self.data.columns:
                raise ValueError(f"data.columns.{name}: missing: the column that holds it")
        columns = list(self.data.columns.values())
        for column in columns:
            if columns.count(column) > 1:
                raise ValueError(f"data.columns: {column!r} stands for two fields, wanted a column each")
        for key in ("stratify", "per_class"):
            if getattr(self.data, key) and not self.target.grouped:
                empty = "false" if key == "stratify" else "null"
                raise ValueError(f"data.{key}: wanted {empty}, since this target has no classes")
        return self


def preprocess(
    params: Params, raw: Path = RAW, clean: Path = CLEAN, metrics: Path = METRICS, accept: Accept | None = None
) -> dict[str, Any]:
    """Write the folder `clean` and the file `metrics` from the files in `raw`; return the summary.

    Raises InputError, and leaves both as they were, for rows that cannot be used and splits that cannot be made.
    """
    data, target, streams = params.data, params.target, Streams(params.seed, {"split": params.seed_streams.split})
    keep = (data.keep.column, data.keep.pattern) if data.keep else None
    reader = Reader(data.format, data.encoding, params.input, target, data.columns, keep, data.empty)
    splits, read = _read(reader, data, raw)
    names = [str(answer[0]) for answer in reader.answers] if target.grouped else []
    found = policies.census(splits)
    policies.clean(splits, data.leakage, data.conflicts, data.duplicates)
    found["leakage"] |= _draw_missing(splits, data, names, streams)
    found["test_rows_in_validation"] = int(policies.shared(splits.rows["test"], splits.rows["validation"]).sum())
    if target.grouped:
        refuse_unlearnable(splits, names)
    space = target.space(_occurring(reader, splits.rows))
    sample(splits, data.per_class, data.limit, streams)
    summary = {
        "read": read, "dropped": splits.dropped, "found": found,
        "rows": {split: len(rows) for split, rows in splits.rows.items()},
        **({"classes": _classes(splits.rows, names, space["labels"])} if target.grouped else {}),
    }  # fmt: skip
    schema: Schema = {"input": name_of(INPUTS, params.input), "target": name_of(TARGETS, target), "space": space}
    with outputs(clean, metrics, accept=accept) as (folder, file):
        folder.mkdir()
        for split, rows in splits.rows.items():
            write(folder / f"{split}.parquet", rows, reader, space)
        write_json(folder / "schema.json", schema)
        write_json(folder / "summary.json", summary)
        write_json(file, headline(summary))
    return summary


def _read(reader: Reader, data: Data, raw: Path) -> tuple[Splits, dict[str, int]]:
    """Return the rows of the splits that have a file, and how many rows each file has."""
    splits, read = Splits(), {}
    for split in SPLITS:
        if name := getattr(data.files, split):
            path = raw / name
            if not path.exists():
                known = [p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file()]
                raise InputError(f"{path}: no such file{nearest(name, known)}")
            try:
                splits.rows[split], counts = reader.read(path, data.split.of(split) if data.split else None)
            except NoColumn as error:
                answers = [reader.columns[column.name] for column in reader.target.fields]
                unanswered = split == "test" and error.column in answers
                hint = "; rows without answers are for python -m stages.predict" if unanswered else ""
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


def _occurring(reader: Reader, rows: Mapping[str, Rows]) -> list[Value]:
    """Return the answers that occur, each once: of the training rows alone where they are classes, else of all."""
    read = [rows["train"]] if reader.target.grouped else list(rows.values())
    answers = list(reader.answers)
    return [answers[code] for code in np.unique(np.concatenate([held.answers for held in read])).tolist()]


def _classes(rows: Mapping[str, Rows], names: list[str], labels: list[str]) -> dict[str, dict[str, int]]:
    """Return the rows of each class in each split; `names` are the labels by code, `labels` those of the classes."""
    codes = [names.index(label) for label in labels]
    sizes = {split: np.bincount(held.answers, minlength=len(names)) for split, held in rows.items()}
    return {s: {label: int(size[c]) for c, label in zip(codes, labels, strict=True)} for s, size in sizes.items()}


def headline(summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of the summary that are columns of `dvc metrics show`."""
    return {
        **({"classes": len(summary["classes"]["train"])} if "classes" in summary else {}),
        "dropped_rows": sum(count for reasons in summary["dropped"].values() for count in reasons.values()),
        **{f"{split}_rows": summary["rows"][split] for split in SPLITS},
    }


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
