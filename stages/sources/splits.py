"""Splits of a hub dataset as Parquet files, through the `datasets` library (which runs no code of a repository)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from datasets.exceptions import DatasetsError

from stages.core.errors import InputError, nearest
from stages.core.tables import ROWS_A_GROUP, parquet_writer


def write_splits(
    repo: str, revision: str, config: str | None, splits: Mapping[str, str], into: Path, hold: Callable[[str], object]
) -> None:
    """Write splits of the dataset `repo` (owner/name) at the commit `revision` below `into`.

    splits: {Parquet file to write: split}.
    hold: brings one file of the repository into the hub's cache, checked, or raises.

    Raises InputError for a config or split the dataset has not, and for what the library cannot make a table of.
    """
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        # An empty cache of tables: with a full one, the library answers a hub that is out of reach with any revision.
        with tempfile.TemporaryDirectory(dir=into) as scratch:
            builder = datasets.load_dataset_builder(
                f"hf://datasets/{repo}", config, revision=revision, cache_dir=scratch
            )
            known = list(map(str, builder.config.data_files))
            for split in splits.values():
                if split not in known:
                    raise InputError(f"no split {split!r}{nearest(split, known)}")
            prefix = f"hf://datasets/{repo}@{revision}/"
            for address in (str(a) for files in builder.config.data_files.values() for a in files):
                if address.startswith(prefix):
                    hold(address.removeprefix(prefix))
            builder.download_and_prepare()
            for name, split in splits.items():
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                _write_table(builder.as_dataset(split), into / name)
    except (DatasetsError, pa.ArrowException, ValueError) as error:
        raise InputError(f"{' '.join(str(error.__cause__ or error).split())[:400]}") from None


def _write_table(rows: Any, path: Path) -> None:
    """Write one split as Parquet whose bytes depend on its rows alone; class numbers become class names."""
    for column, feature in rows.features.items():
        if not _is_plain(feature):
            raise InputError(f"{path.name}: column {column!r} is {feature}, no table cell: name its `files` instead")
    tables = (_named(table, rows.features) for table in rows.with_format("arrow").iter(ROWS_A_GROUP))
    first = next(tables)
    with parquet_writer(path, first.schema) as writer:
        writer.write_table(first, row_group_size=ROWS_A_GROUP)
        for table in tables:
            writer.write_table(table, row_group_size=ROWS_A_GROUP)


def _is_plain(feature: Any) -> bool:
    if isinstance(feature, dict):
        return all(map(_is_plain, feature.values()))
    if isinstance(feature, datasets.List | datasets.LargeList):
        return _is_plain(feature.feature)
    return isinstance(feature, datasets.Value | datasets.ClassLabel)


def _named(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Return `table` with the names of classes for their numbers (null for a negative one: unlabelled)."""
    for index, (column, feature) in enumerate(features.items()):
        if isinstance(feature, datasets.ClassLabel):
            numbers = table.column(column)
            known = pc.if_else(pc.greater_equal(numbers, 0), numbers, pa.scalar(None, numbers.type))
            table = table.set_column(index, column, pa.array(feature.names, pa.string()).take(known))
    return table
