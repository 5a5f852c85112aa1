"""What stages.predict reads, by the keys of params.yaml: those that training read by, and options in their place."""

from __future__ import annotations

import contextlib
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.cleaning.values import value
from stages.core import yaml12
from stages.core.errors import InputError, nearest
from stages.core.params import PARAMS, Section, choice, decode, imported
from stages.formats import FORMATS
from stages.formats.content import UNPACKERS, Encoding
from stages.formats.text import lines, refuse_returns
from stages.interfaces import Cell, Field, Format, Input, Value

INPUT = Path("/dev/stdin")
TEXT, FOLDERS = "text", "folders"
KINDS = (TEXT, *FORMATS)
SUFFIXES = {".txt": TEXT, ".ndjson": "jsonl", **{f".{name}": name for name in FORMATS if name != FOLDERS}}
OPTIONS = {"delimiter": ("format", "delimiter"), "header": ("format", "header")}
if TYPE_CHECKING:
    AnyFormat = Format
else:
    AnyFormat = choice(FORMATS)


class Data(Section):
    """How rows are read."""

    format: AnyFormat
    encoding: Encoding
    columns: dict[str, str]


class Params(Section):
    """What is read of params.yaml, where there is one."""

    data: Data


@dataclass(frozen=True)
class Reading:
    """How one input is read."""

    format: Format | None  # None: an example a line
    encoding: str
    input: Input  # the model's
    columns: Mapping[str, str]  # that of each field, of a format

    def examples(self, path: Path) -> Iterator[Value]:
        """Yield the examples of a file, cleaned as the preprocess stage does.

        Of lines of text each is one, an empty one too. Raises InputError naming file and line for what is not as it
        should be, and for a file without rows.
        """
        number, unit = 0, self.format.unit if self.format else "line"
        fields = asked_of(self.input)
        columns = [self.columns.get(field.name, "") for field in fields]
        rows: Any = self.format.rows(path, self.encoding, columns) if self.format else lines(path, self.encoding)
        try:
            for number, cells in rows:
                where = f"{path}, {unit} {number}"
                held = [cells] if isinstance(cells, str) else cells
                values = [_value(*of, where) for of in zip(held, fields, columns, strict=True)]
                values += [""] * (len(self.input.fields) - len(fields))  # the response, which comes last
                yield self.input.example(tuple(values), where)
            if number == 1 and isinstance(cells, str):
                refuse_returns(path, [cells.removesuffix("\r")])  # the whole file would be one text
        except InputError as error:
            raise InputError(_as_options(str(error))) from None
        if not number:
            raise InputError(f"{path}: no rows")


def asked_of(example: Input) -> list[Field]:
    """Return the fields of an input but for a response; of turns those before it."""
    fields = [field for field in example.fields if field.kind != "response"]
    return [replace(field, kind="opening") if field.kind == "turns" else field for field in fields]


def _value(cell: Cell, field: Field, column: str, where: str) -> Any:
    found = value(cell, field.kind, where, column)
    if found is None and field.kind != "text":
        raise InputError(f"{where}: {field.name} is empty")
    return "" if found is None else found


def _as_options(message: str) -> str:
    """Return a message of a format with options in the place of keys."""
    for option, (section, key) in OPTIONS.items():
        message = message.replace(f"data.{section}.{key}", f"--{option}")
    return message


def reading(path: Path, asked: Mapping[str, Any], example: Input, params: Path = PARAMS) -> Reading:
    """Return how `path` is read for a model whose input is `example`.

    asked: what the command line says of `format`, `delimiter`, `header`, `column` and `encoding`; None where nothing.
    A column is NAME, or FIELD=NAME where the input has several.

    The format is the one asked for, or the suffix tells it. When it is the one that `params` names, the other keys are
    those of `params` (data.format, data.encoding, data.columns), so that a file like the training file is read like it.
    Raises InputError for a format that nobody tells, and for what is no key of a format.
    """
    fields, kind = asked_of(example), _kind(path, asked["format"])
    if kind == TEXT:
        for option in (*OPTIONS, "column"):
            if asked[option] is not None:
                raise InputError(f"--{option}: {path} is read as lines of text, which have no columns; give --format")
        if len(fields) > 1:
            names = " and ".join(field.name for field in fields)
            raise InputError(f"{path}: is read as lines of text, but this model wants {names}; give --format")
        return Reading(None, asked["encoding"] or "utf-8", example, {})
    data = _trained(kind, params) or {"format": {"name": kind}, "encoding": "utf-8", "columns": {}}
    for option, (section, key) in OPTIONS.items():
        if asked[option] is not None:
            data[section] = data[section] | {key: asked[option]}
    if asked["encoding"] is not None:
        data["encoding"] = asked["encoding"]
    decoded = decode(Params, {"data": data}, {}, "options").data
    columns = {field.name: decoded.columns.get(field.name, field.name) for field in fields}
    return Reading(decoded.format, decoded.encoding, example, columns | _columns(asked["column"], fields))


def _columns(asked: Sequence[str] | None, fields: Sequence[Field]) -> dict[str, str]:
    """Return {field: column} of what stands after --column. Raises InputError for a field that the input has not."""
    names = [field.name for field in fields]
    found = {}
    for text in asked or ():
        name, given, column = text.partition("=")
        if len(names) == 1 and name not in names:
            name, column = names[0], text
        elif not given or name not in names:
            raise InputError(f"--column: found {text!r}, wanted FIELD=NAME{nearest(name, names)}")
        found[name] = column
    return found


def _trained(kind: str, params: Path) -> dict[str, Any] | None:
    """Return what the params file says of reading, if there is one and its format is `kind`."""
    if not params.is_file():
        return None
    tree, numbers = yaml12.read(params)
    data = tree.get("data") if isinstance(tree, dict) else None
    stated = data.get("format") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(stated, dict) or stated.get("name") != kind:
        return None
    data = {key: data[key] for key in Data.model_fields if key in data}
    decode(Params, {"data": data}, numbers, str(params))
    return data


def _kind(path: Path, asked: str | None) -> str:
    """Return the format that is asked for, or that the suffix tells; of a pipe, which has none, lines of text."""
    if asked is not None:
        if asked not in KINDS:
            raise InputError(f"--format: unknown format {asked!r}{nearest(asked, KINDS)}")
        return asked
    name = path.with_suffix("") if path.suffix.lower() in UNPACKERS else path
    if name.suffix.lower() in SUFFIXES:
        return SUFFIXES[name.suffix.lower()]
    if path.is_dir():
        return FOLDERS
    if path == INPUT or not path.is_file():
        return TEXT
    raise InputError(f"{path}: its suffix tells no format: say which with --format: {', '.join(KINDS)}")


def check(path: Path, reading: Reading) -> None:
    """Raise InputError when there is no file at `path`, or no folder for format folders."""
    if path != INPUT and not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir() != isinstance(reading.format, imported(FORMATS[FOLDERS])):
        raise InputError(f"{path}: {'a folder, wanted a file' if path.is_dir() else 'a file, wanted a folder'}")


@contextlib.contextmanager
def opened(path: Path, reading: Reading) -> Iterator[Path]:
    """Yield a path to read from: Parquet is read from its end, so a pipe of it is kept in a file."""
    if not isinstance(reading.format, imported(FORMATS["parquet"])) or stat.S_ISREG(path.stat().st_mode):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
        kept = Path(folder, "input")
        with path.open("rb") as source, kept.open("wb") as target:
            shutil.copyfileobj(source, target)
        try:
            yield kept
        except InputError as error:
            raise InputError(str(error).replace(str(kept), str(path))) from None
