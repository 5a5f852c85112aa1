"""The same small table written in every format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


def _parquet(path: Path, names: list[str], rows: list[list[str]]) -> None:
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(names))]
    pq.write_table(pa.table(columns, names=names), path)


WRITERS: dict[str, Write] = {"tab": _tab, "tsv": _tsv, "csv": _csv, "jsonl": _jsonl, "parquet": _parquet}


@pytest.fixture(params=sorted(FORMATS))
def kind(request: pytest.FixtureRequest) -> str:
    """Return each name of the registry in turn."""
    return str(request.param)


@pytest.fixture
def reader(kind: str) -> Format:
    """Return the format with its defaults."""
    return FORMATS[kind]()


@pytest.fixture
def write(kind: str) -> Write:
    """Return the function that writes a table in the format."""
    return WRITERS[kind]
