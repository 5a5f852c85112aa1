"""Stage preprocess: raw files to clean rows in three splits.

    python -m stages.preprocess
    python -m stages.preprocess --show-augmentation 5    shows five training rows with their copies; writes nothing

Reads data/raw/, data/resource/ (for `augmentation`) and, of params.yaml, `seed`, `seed_streams.split` and `.augment`,
`input`, `target`, `augmentation` and `data` but for its sources. Writes data/clean/{train,validation,test}.parquet (id,
the columns of the input, that of the target), data/clean/schema.json (input, target and what answers there are: the
labels in the order of the classes, for example), data/clean/summary.json, which counts every row read and says what
became of it, by split, reason and class, and metrics/data.json, the few of these numbers that a table of runs has room
for.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.preprocess", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("preprocess")  # the imports below take their time

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.augmentation import AUGMENTATION
from stages.cleaning import policies
from stages.cleaning.copies import STREAM, Copies, copies, refusal, shown
from stages.cleaning.counting import by_class, headline, occurring
from stages.cleaning.options import Files, Keep, Split
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
from stages.interfaces import Augmentation, Format, Input, Schema, Target
from stages.project import graph
from stages.repro.streams import Streams
from stages.targets import TARGETS

RAW, RESOURCE = Path("data/raw"), Path("data/resource")
CLEAN, METRICS = Path("data/clean"), Path("metrics/data.json")
SPLITS = ("train", "validation", "test")


if TYPE_CHECKING:
    AnyFormat = Format
    AnyInput = Input
    AnyTarget = Target
    AnyAugmentation = Augmentation
else:
    AnyFormat, AnyInput, AnyTarget = choice(FORMATS), choice(INPUTS), choice(TARGETS)
    AnyAugmentation = choice(AUGMENTATION)
Seed = Annotated[int, Field(ge=0, lt=2**32, description="[0, 2^32), or null: derived from `seed`")]


class SeedStreams(Section):
    """What this stage reads of section `seed_streams`."""

    split: Seed | None
    augment: Seed | None
    init: Elsewhere = None
    order: Elsewhere = None
    dropout: Elsewhere = None


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
    augmentation: AnyAugmentation

    @model_validator(mode="after")
    def _augmentation_fits(self) -> Params:
        if wanted := refusal(self.augmentation, self.input, self.target):
            found, input, target = (
                name_of(registry, plugin)
                for registry, plugin in (
                    (AUGMENTATION, self.augmentation), (INPUTS, self.input), (TARGETS, self.target),
                )
            )  # fmt: skip
            raise ValueError(f"augmentation.name: {found} wants {wanted}; found input {input}, target {target}")
        return self

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


@dataclass(frozen=True)
class Clean:
    """All that is written."""

    rows: Mapping[str, Rows]  # of each split; in training the copies are last
    copies: Copies | None
    reader: Reader
    schema: Schema
    summary: dict[str, Any]


def cleaned(params: Params, raw: Path = RAW, resource: Path = RESOURCE) -> Clean:
    """Return the clean rows of the files in `raw`. Raises InputError for what cannot be used or split."""
    data, target = params.data, params.target
    streams = Streams(params.seed, {"split": params.seed_streams.split, STREAM: params.seed_streams.augment})
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
    space = target.space(occurring(reader, splits.rows))
    sample(splits, data.per_class, data.limit, streams)
    made = copies(splits.rows, reader, params.augmentation, resource, streams)
    rows = splits.rows | ({"train": splits.rows["train"].joined(made.rows)} if made else {})
    summary = {
        "read": read, "dropped": splits.dropped, "found": found,
        "rows": {split: len(held) for split, held in rows.items()},
        **({"copies": dict(made.counts)} if made else {}),
        **({"classes": by_class(rows, names, space["labels"])} if target.grouped else {}),
    }  # fmt: skip
    schema: Schema = {"input": name_of(INPUTS, params.input), "target": name_of(TARGETS, target), "space": space}
    return Clean(rows, made, reader, schema, summary)


def preprocess(
    params: Params, raw: Path = RAW, clean: Path = CLEAN, metrics: Path = METRICS, accept: Accept | None = None,
    resource: Path = RESOURCE,
) -> dict[str, Any]:  # fmt: skip
    """Write the folder `clean` and the file `metrics` from the files in `raw` and `resource`; return the summary.

    Raises InputError, and leaves both as they were, for rows that cannot be used and splits that cannot be made.
    """
    held = cleaned(params, raw, resource)
    with outputs(clean, metrics, accept=accept) as (folder, file):
        folder.mkdir()
        for split, rows in held.rows.items():
            write(folder / f"{split}.parquet", rows, held.reader, held.schema["space"])
        write_json(folder / "schema.json", held.schema)
        write_json(folder / "summary.json", held.summary)
        write_json(file, headline(held.summary))
    return held.summary


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


def _show(held: Clean, count: int) -> None:
    if count < 1:
        raise InputError(f"--show-augmentation: found {count}, wanted 1 or more")
    if held.copies is None:
        raise InputError("augmentation.name: found none, which makes no copies: there is nothing to show")
    for line in shown(held.rows["train"], held.copies.rows, held.reader, count):
        print(line)
    print(f"preprocess: copies: {_told(held.copies.counts)}")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {fate}" for fate, number in counts.items())


def main() -> None:
    """Read params.yaml and run the stage."""
    with cli.errors_told("preprocess"):
        parser = cli.parser("preprocess", __doc__)
        parser.add_argument("--show-augmentation", type=int, metavar="N", help="rows to show with their copies")
        count = parser.parse_args().show_augmentation
        if count is not None:
            _show(cleaned(load(Params)), count)
            return
        end_with_dvc("preprocess")
        inputs = graph.inputs("preprocess")
        summary = preprocess(load(Params), accept=inputs.accept)
        print("preprocess: " + ", ".join(f"{summary['rows'][split]:,} {split}" for split in SPLITS) + " rows")
        if fates := summary.get("copies"):
            print("preprocess: copies among the training rows: " + _told(fates))
        for split, reasons in summary["dropped"].items():
            for reason, count in reasons.items():
                if count:
                    print(f"preprocess: {count:,} {split} rows dropped by {reason}")


if __name__ == "__main__":
    main()
