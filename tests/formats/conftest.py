"""The same small table written in every format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.core.params import imported
from stages.formats import FORMATS
from stages.interfaces import Format

Write = Callable[[Path, list[str], list[list[str]]], None]


def _tab(path: Path, names: list[str], rows: list[list[str]]) -> None:
    header = [names, ["string"] * len(names), [""] * len(names)]
    path.write_bytes("".join("\t".join(r) + "\n" for r in header + rows).encode())


def _tsv(path: Path, names: list[str], rows: list[list[str]]) -> None:
    path.write_bytes("".join("\t".join(r) + "\n" for r in [names, *rows]).encode())


def _csv(path: Path, names: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def _jsonl(path: Path, names: list[str], rows: list[list[str]]) -> None:
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    path.write_bytes("".join(line + "\n" for line in lines).encode())


def _json(path: Path, names: list[str], rows: list[list[str]]) -> None:
    path.write_text(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1))


def _folders(path: Path, names: list[str], rows: list[list[str]]) -> None:
    for number, cells in enumerate(rows):
        row = dict(zip(names, cells, strict=True))
        (path / row["label"]).mkdir(parents=True, exist_ok=True)
        (path / row["label"] / f"{number:02}.txt").write_bytes(row["text"].encode("utf-8-sig"))


def _parquet(path: Path, names: list[str], rows: list[list[str]]) -> None:
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(names))]
    pq.write_table(pa.table(columns, names=names), path)


WRITERS: dict[str, Write] = {
    "tab": _tab,
    "tsv": _tsv,
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "folders": _folders,
}


OWN = {"conll", "semeval", "squad"}  # of which a row is a sentence or a question: each has its own tests


@pytest.fixture(params=sorted(set(FORMATS) - OWN))
def kind(request: pytest.FixtureRequest) -> str:
    """Return each name of the registry in turn."""
    return str(request.param)


@pytest.fixture
def reader(kind: str) -> Format:
    """Return the format with its defaults."""
    return imported(FORMATS[kind])()


@pytest.fixture
def write(kind: str) -> Write:
    """Return the function that writes a table in the format; rows of folders must be sorted by label."""
    return WRITERS[kind]
